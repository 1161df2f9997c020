//! What surrounds every REST request: its id, its span, and the form of its errors.

use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::problem;
use crate::api::caller::{self, REQUEST_ID};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::privacy::{log_key, masked};
use crate::telemetry::{self, Api};

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Gives the request an id and a span, writes out what went wrong, and puts the id on the answer.
pub async fn frame<C: Cluster>(Shared(state): Shared<State<C>>, mut request: Request, next: Next) -> Response {
    let id = caller::request_id(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes));
    request.extensions_mut().insert(RequestId(id.clone()));
    let shown = masked(&id, log_key(&state.cluster.known().catalog));
    // The route's pattern, never the path itself: it can hold a number.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!("http", method = %request.method(), route, request_id = &*shown);
    let answered = next.run(request).instrument(span).await;
    let mut response = problem::complete(answered, &id);
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        telemetry::error(Api::Rest, status.canonical_reason().unwrap_or("other"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    response
}
