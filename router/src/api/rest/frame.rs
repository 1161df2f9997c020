//! What surrounds every REST request: its id, its span, its time limit.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::problem::Problem;
use crate::api::caller::{self, REQUEST_ID};
use crate::telemetry::{self, Api};

/// Time for one request, the reading of its body included.
const LIMIT: Duration = Duration::from_secs(15);

/// The path of a body that is read as it comes, for as long as it comes: its room limits the time.
pub const SUPPRESSION_IMPORT: &str = "/api/v1/dnc/suppression/import";

/// Paths that keep their own time.
const UNTIMED: [&str; 1] = [SUPPRESSION_IMPORT];

/// Longer than any of those takes.
const LONGEST: Duration = Duration::from_secs(5 * 3_600);

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Gives the request an id and a span, limits its time, and puts the id on the answer.
pub async fn frame(mut request: Request, next: Next) -> Response {
    let id = caller::request_id(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes));
    request.extensions_mut().insert(RequestId(id.clone()));
    // The route's pattern, never the path itself: it can hold a number.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!("http", method = %request.method(), route, request_id = id);
    let limit = if UNTIMED.contains(&route) { LONGEST } else { LIMIT };
    let answered = tokio::time::timeout(limit, next.run(request)).instrument(span).await;
    let mut response = answered.unwrap_or_else(|_| Problem::too_slow().into_response());
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        telemetry::error(Api::Rest, status.canonical_reason().unwrap_or("other"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    response
}
