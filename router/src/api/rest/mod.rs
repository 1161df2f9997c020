//! The REST form of the API, under `/api/v1/dnc`, and the process's own pages: `/metrics`,
//! `/healthz`, `/readyz`.
//!
//! Reads JSON, calls the rooms above, writes JSON. Whatever goes wrong, a path that does not exist
//! included, is answered as `application/problem+json` (RFC 9457). Nothing here logs a path or a
//! body: they hold phone numbers. Start at [`router`].

mod check;
mod frame;
mod problem;
mod process;
mod read;
mod registries;
mod registry_body;
mod rules;
mod suppression;
mod sync;
mod tenants;
#[cfg(test)]
mod tests;

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
        .route(
            "/api/v1/dnc/registries/{id}",
            get(registries::show).patch(registries::patch).put(registries::put).delete(registries::retire),
        )
        .route("/api/v1/dnc/registries/{id}/versions", get(registries::versions))
        .route("/api/v1/dnc/registries/{id}/sync", post(sync::start))
        .route("/api/v1/dnc/registries/{id}/syncs", get(sync::history))
        .route("/api/v1/dnc/registries/{id}/lookup", post(sync::lookup))
        .route("/api/v1/dnc/sync/federal", post(sync::federal))
        .route("/api/v1/dnc/sync/state/{state}", post(sync::state))
        .route("/api/v1/dnc/tenants", get(tenants::list).post(tenants::create))
        .route("/api/v1/dnc/tenants/{name}", get(tenants::show).patch(tenants::patch))
        .route("/api/v1/dnc/suppression/rules", get(rules::list).post(rules::add))
        .route("/api/v1/dnc/suppression/rules/{id}", get(rules::show).delete(rules::remove))
        .route("/readyz", get(process::ready))
        .with_state(state)
        .merge(process::router(metrics))
        .fallback(async || Problem::not_found("there is nothing under this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(max_body))
        .layer(middleware::from_fn(frame::frame))
}
