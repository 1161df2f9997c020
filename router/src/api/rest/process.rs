//! The process's own pages.

use axum::Router;
use axum::extract;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Metrics;
use super::problem::Problem;
use crate::api::state::State;
use crate::cluster::{Cluster, can_answer};

/// The pages that need nothing but the process.
pub fn router(metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics())))
}

/// Whether this router can answer checks.
pub async fn ready<C: Cluster>(extract::State(state): extract::State<State<C>>) -> impl IntoResponse {
    if can_answer(&state.cluster.known().catalog) { Ok("ready\n") } else { Err(Problem::not_ready()) }
}
