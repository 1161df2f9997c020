//! Versions of registries over REST.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::registry::Registry;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::RegistryPath;
use super::problem::Problem;
use super::read::Params;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::import::{Activated, Error};
use crate::shown::ActivatedShown;

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(activate)).routes(routes!(roll_back))
}

/// Parameters of an activation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ActivateParams {
    /// Even if a guard holds it back.
    #[serde(default)]
    force: bool,
}

/// Parameters of a rollback.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RollBackParams {
    /// The version that is to be active no more: with it, repeating the request does no more than once.
    #[serde(default)]
    #[param(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    from: u64,
}

/// Makes a version of a registry active: one that a guard held back, or one from before.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries/{id}/versions/{version}/activate",
    operation_id = "activate_version",
    tag = "registry",
    params(
        RegistryPath,
        ("version" = u64, Path, description = "The version.", format = "uint64", maximum = 18_446_744_073_709_551_615_u64),
        ActivateParams,
    ),
    responses(
        (status = 200, description = "It is active everywhere.", body = ActivatedShown<'static>),
        (status = 404, description = "There is no such registry or version."),
        (status = 409, description = "It cannot be made active as things are, or a guard holds it back."),
    )
)]
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

/// Makes the version of a registry active that was so before.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries/{id}/rollback",
    operation_id = "roll_back_registry",
    tag = "registry",
    params(RegistryPath, RollBackParams),
    responses(
        (status = 200, description = "It is active everywhere.", body = ActivatedShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "There is no version to go back to, or another one is active than said."),
    )
)]
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
    let done = done.map_err(Problem::of_import)?;
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
