//! Versions of registries over REST.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::registry::Registry;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::Params;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::import::{Activated, Error};
use crate::shown::ActivatedShown;

/// Where a version is made active.
pub const ACTIVATE: &str = "/api/v1/dnc/registries/{id}/versions/{version}/activate";
/// Where the version before is made active again.
pub const ROLL_BACK: &str = "/api/v1/dnc/registries/{id}/rollback";

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().route(ACTIVATE, post(activate)).route(ROLL_BACK, post(roll_back))
}

/// Parameters of an activation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateParams {
    #[serde(default)]
    force: bool,
}

/// Parameters of a rollback.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollBackParams {
    #[serde(default)]
    from: u64,
}

/// `POST /api/v1/dnc/registries/{id}/versions/{version}/activate`
pub async fn activate<C: Cluster>(
    Shared(state): Shared<State<C>>,
    path: Result<Path<(String, u64)>, PathRejection>,
    Params(params): Params<ActivateParams>,
) -> Result<Response, Problem> {
    let Path((id, version)) = path.map_err(|_| bad_path())?;
    let registry = named(&state, &id)?;
    let done = state.imports.activate(&registry.name, VersionId(version), params.force).await;
    answer(done)
}

/// `POST /api/v1/dnc/registries/{id}/rollback`
pub async fn roll_back<C: Cluster>(
    Shared(state): Shared<State<C>>,
    path: Result<Path<String>, PathRejection>,
    Params(params): Params<RollBackParams>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|_| bad_path())?;
    let registry = named(&state, &id)?;
    let from = (params.from > 0).then_some(VersionId(params.from));
    answer(state.imports.roll_back(&registry.name, from).await)
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn answer(done: Result<Activated, Error>) -> Result<Response, Problem> {
    let done = done.map_err(|why| Problem::of_import(&why))?;
    let message = v1::ActivateVersionResponse {
        registry: done.registry,
        version: done.version.0,
        before: done.before.map_or(0, |id| id.0),
        numbers: done.numbers,
        revision: done.revision,
    };
    Ok(Json(ActivatedShown::of(&message)).into_response())
}

/// A registry by its number or its name. A name that is a number goes before the number.
#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn named<C: Cluster>(state: &State<C>, id: &str) -> Result<Registry, Problem> {
    let known = state.cluster.known();
    let by_name = known.catalog.registry_named(id);
    let found = by_name.or_else(|| known.catalog.registries.get(&RegistryId(id.parse().ok()?)));
    found.cloned().ok_or_else(|| Problem::of(&Error::UnknownRegistry))
}

fn bad_path() -> Problem {
    Problem::malformed("the path names a registry, and a version by its number")
}
