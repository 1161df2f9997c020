//! The process's own pages.

use axum::Extension;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Metrics;
use super::problem::Problem;
use crate::api::state::State;
use crate::cluster::{Cluster, can_answer};

/// The routes.
pub fn routes<C: Cluster>(metrics: Metrics) -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(tell_metrics))
        .layer(Extension(metrics))
}

/// Whether this process lives.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "live",
    tag = "process",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain"))
)]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether this router can answer checks.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "ready",
    tag = "process",
    responses(
        (status = 200, description = "It can.", body = String, content_type = "text/plain"),
        (status = 503, description = "Not yet."),
    )
)]
async fn ready<C: Cluster>(Shared(state): Shared<State<C>>) -> Result<&'static str, Problem> {
    if can_answer(&state.cluster.known().catalog) { Ok("ready\n") } else { Err(Problem::not_ready()) }
}

/// The process's metrics, in Prometheus' text form.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "read_metrics",
    tag = "process",
    responses((status = 200, description = "All of them.", body = String, content_type = "text/plain"))
)]
async fn tell_metrics(Extension(metrics): Extension<Metrics>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics()).into_response()
}
