//! What surrounds every REST request: its id, its span, its time limit.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::problem::Problem;
use super::{import, versions};
use crate::api::caller::{self, REQUEST_ID};
use crate::telemetry::{self, Api};

/// Time for one request, the reading of its body included.
const LIMIT: Duration = Duration::from_secs(15);
/// Requests that keep limits of their own, which are longer: an import ends after `import.limit_s` at most, and when
/// nothing arrives for `import.idle_s`; an activation when the replicas are not ready after `import.verify_s`.
const OWN_LIMITS: [&str; 3] = [import::PATH, versions::ACTIVATE, versions::ROLL_BACK];
/// The longest that any of them can be set to.
const LONGEST: Duration = Duration::from_secs(8 * 24 * 3_600);

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Gives the request an id and a span, limits its time, and puts the id on the answer.
pub async fn frame(mut request: Request, next: Next) -> Response {
    let id = caller::request_id(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes));
    request.extensions_mut().insert(RequestId(id.clone()));
    // The route's pattern, never the path itself: it can hold a number.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let limit = if OWN_LIMITS.contains(&route) { LONGEST } else { LIMIT };
    let span = tracing::info_span!("http", method = %request.method(), route, request_id = id);
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
