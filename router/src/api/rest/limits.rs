//! What every REST request is held to: how many are under way at once, and how long one may take.

use std::time::Duration;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::admission::{Held, RETRY_AFTER};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::{Failure, Kind};
use crate::options::Options;
use crate::report;

/// Time for the reading of a request's body.
const READ: Duration = Duration::from_secs(10);
/// What a room's own limit is given more, so that its own words are heard: it knows best what was done.
const MARGIN: Duration = Duration::from_secs(2);

/// Paths that are answered however much is under way.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// The path of a write that takes longer than others.
const WARM: &str = "/internal/dnc/cache/warm";
/// Paths below this one change nothing, by whatever method they are asked.
const CHECKS: &str = "/api/v1/dnc/check";

/// A write that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not answered in time: it may have been done; repeating the same request with its request id is safe")]
struct MaybeDone;

impl Failure for MaybeDone {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

/// Refuses a request when as many are under way as the router takes.
pub async fn admit<C: Cluster>(Shared(state): Shared<State<C>>, request: Request, next: Next) -> Response {
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match state.admission.request(request.headers()) {
        Ok(place) => next.run(request).await.map(|body| axum::body::Body::new(Held::new(body, place))),
        Err(why) => {
            let mut response = Problem::of(&why).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
            response
        }
    }
}

/// Limits the time of a request that neither sends nor receives for long, the reading of its body included.
pub async fn timely<C: Cluster>(Shared(state): Shared<State<C>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let limit = time_for(path, &state.options);
    let changes = changes(request.method(), path);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) if changes => Problem::of(&MaybeDone).into_response(),
        Err(_) => Problem::too_slow().into_response(),
    }
}

/// The longest that any room may take for what this path asks, and the time to read the request.
fn time_for(path: &str, options: &Options) -> Duration {
    let room = if path == WARM { report::WARM } else { options.deadline().max(options.write_deadline()) };
    READ + room + MARGIN
}

/// Whether the request may leave something changed.
fn changes(method: &Method, path: &str) -> bool {
    !method.is_safe() && !path.starts_with(CHECKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_is_cut_off_before_its_room_gives_up() {
        let options = Options { deadline_ms: 1_000, write_deadline_ms: 60_000, ..Options::default() };
        for path in ["/api/v1/dnc/check", "/api/v1/dnc/suppression", "/api/v1/dnc/reports/compliance"] {
            assert!(time_for(path, &options) > options.write_deadline() + READ, "{path}");
        }
        assert!(time_for(WARM, &options) > report::WARM + READ);
    }

    #[test]
    fn only_what_changes_something_may_have_been_done() {
        assert!(changes(&Method::POST, "/api/v1/dnc/suppression"));
        assert!(changes(&Method::DELETE, "/api/v1/dnc/internal/2015550100"));
        assert!(!changes(&Method::POST, "/api/v1/dnc/check/bulk"));
        assert!(!changes(&Method::GET, "/api/v1/dnc/registries"));
        assert!(MaybeDone.to_string().contains("may have been done"));
    }
}
