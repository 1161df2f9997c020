//! The REST form of the API, under `/api/v1/dnc`, and the process's own pages: `/metrics`,
//! `/healthz`, `/readyz`.
//!
//! Reads JSON, calls the rooms above, writes JSON. Whatever goes wrong, a path that does not exist
//! included, is answered as `application/problem+json` (RFC 9457). Nothing here logs a path or a
//! body: they hold phone numbers. Start at [`router`].

mod check;
mod frame;
mod import;
mod problem;
mod process;
mod read;
mod registries;
mod suppression;
#[cfg(test)]
mod tests;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post};

use self::problem::Problem;
use super::state::State;
use crate::cluster::Cluster;

/// Writes the process's metrics in Prometheus' text form.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// All paths.
pub fn router<C: Cluster>(state: State<C>, metrics: Metrics) -> Router {
    let max_body = state.options.max_body_bytes;
    Router::new()
        .route("/api/v1/dnc/check/{phone}", get(check::one_by_path))
        .route("/api/v1/dnc/check", post(check::one))
        .route("/api/v1/dnc/check/bulk", post(check::bulk))
        .route("/api/v1/dnc/suppression", post(suppression::add))
        .route("/api/v1/dnc/internal", post(suppression::add))
        .route("/api/v1/dnc/internal/{phone}", delete(suppression::remove))
        .route("/api/v1/dnc/registries", get(registries::list).post(registries::create))
        .route(import::PATH, post(import::import).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/dnc/registries/{id}/versions", get(versions::list))
        .route(versions::ACTIVATE, post(versions::activate))
        .route(versions::ROLL_BACK, post(versions::roll_back))
        .route("/readyz", get(process::ready))
        .with_state(state)
        .merge(process::router(metrics))
        .fallback(async || Problem::not_found("there is nothing under this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(max_body))
        .layer(middleware::from_fn(frame::frame))
}
