//! The REST form of the API, under `/api/v1/dnc`, that of the operators under `/api/v1/cluster`, and the process's own pages: `/metrics`,
//! `/healthz`, `/readyz`. [`openapi`] describes all of it, and says how a handler gets into the
//! description.
//!
//! Reads JSON, calls the rooms above, writes JSON. Whatever goes wrong, a path that does not exist
//! included, is answered as `application/problem+json` (RFC 9457). Nothing here logs a path or a
//! body: they hold phone numbers. Start at [`router`].

mod backups;
mod check;
mod cluster;
mod cluster_plans;
mod cluster_recovery;
mod exemptions;
mod frame;
mod import;
mod limits;
mod openapi;
mod problem;
mod process;
mod read;
mod registries;
mod registry_body;
mod report;
mod rules;
mod suppression;
mod suppression_body;
mod suppression_bulk;
mod suppression_lists;
mod sync;
mod tenants;
#[cfg(test)]
mod tests;
mod versions;
mod write_id;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use utoipa_axum::router::OpenApiRouter;

use self::problem::Problem;
use super::state::State;
use crate::cluster::Cluster;

/// Writes the process's metrics in Prometheus' text form.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// All paths.
pub fn router<C: Cluster>(state: State<C>, metrics: Metrics) -> Router {
    let options = Arc::clone(&state.options);
    let timely = middleware::from_fn_with_state(state.clone(), limits::timely);
    let routes = merged(brief()).layer(timely).merge(merged(long()));
    openapi::split(routes.merge(process::routes(metrics)).with_state(state.clone()), &options)
        .fallback(async || Problem::not_found("there is nothing under this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(options.max_body_bytes))
        .layer(middleware::from_fn_with_state(state.clone(), limits::admit))
        .layer(middleware::from_fn_with_state(state, frame::frame))
}

/// What is answered at once, within the time that any request has.
fn brief<C: Cluster>() -> Vec<OpenApiRouter<State<C>>> {
    vec![
        check::routes(),
        suppression::routes(),
        suppression_bulk::routes(),
        exemptions::routes(),
        registries::routes(),
        tenants::routes(),
        rules::routes(),
        report::routes(),
        cluster::routes(),
        cluster_plans::routes(),
        cluster_recovery::routes(),
    ]
}

/// What sends or receives for long, and limits its own time.
fn long<C: Cluster>() -> Vec<OpenApiRouter<State<C>>> {
    vec![suppression_lists::long_routes(), import::routes(), versions::routes(), sync::routes(), backups::routes()]
}

fn merged<C: Cluster>(parts: Vec<OpenApiRouter<State<C>>>) -> OpenApiRouter<State<C>> {
    parts.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
