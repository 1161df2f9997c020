//! Registries over REST. Answers are in the shape of `shown::registry`; a body gives settings under the same names.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::RegistryPath;
use super::problem::Problem;
use super::read::{Body, NamePath};
use super::registry_body::{NewRegistry, RegistryBody, RegistryChange};
use crate::api::state::State;
use crate::api::told::{self, Detail};
use crate::cluster::Cluster;
use crate::registries::{Error, Found};
use crate::shown::registry::{RegistriesShown, RegistryShown, VersionsShown};

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, patch, put, retire))
        .routes(routes!(versions))
}

/// All registries; of their versions, what each covers is left out.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/registries",
    operation_id = "list_registries",
    tag = "registry",
    responses((status = 200, description = "All of them.", body = RegistriesShown<'static>))
)]
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Response {
    let answer = told::registries(&state.registries.list().catalog);
    Json(RegistriesShown::of(&answer)).into_response()
}

/// One registry.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/registries/{id}",
    operation_id = "read_registry",
    tag = "registry",
    params(RegistryPath),
    responses(
        (status = 200, description = "It.", body = RegistryShown<'static>),
        (status = 404, description = "There is no such registry."),
    )
)]
pub async fn show<C: Cluster>(Shared(state): Shared<State<C>>, NamePath(named): NamePath) -> Result<Response, Problem> {
    answer(StatusCode::OK, state.registries.get(&named).await)
}

/// The versions of a registry, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/registries/{id}/versions",
    operation_id = "list_versions",
    tag = "registry",
    params(RegistryPath),
    responses(
        (status = 200, description = "All of them.", body = VersionsShown<'static>),
        (status = 404, description = "There is no such registry."),
    )
)]
pub async fn versions<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
) -> Result<Response, Problem> {
    let found = state.registries.get(&named).await.map_err(Problem::in_body)?;
    let registry = told::registry(&found.known.catalog, found.registry(), Detail::Whole);
    Ok(Json(VersionsShown::of(&registry)).into_response())
}

/// Makes a registry. Doing it again finds the one that was made.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries",
    operation_id = "create_registry",
    tag = "registry",
    request_body = NewRegistry,
    responses(
        (status = 201, description = "The registry.", body = RegistryShown<'static>),
        (status = 409, description = "The name is taken by another one, there are too many, or no key can be stored."),
    )
)]
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<RegistryBody>,
) -> Result<Response, Problem> {
    let request = body.create().map_err(Problem::in_body)?;
    answer(StatusCode::CREATED, state.registries.create(request).await)
}

/// Changes settings of a registry; those that are not given stay as they are.
#[utoipa::path(
    patch,
    path = "/api/v1/dnc/registries/{id}",
    operation_id = "change_registry",
    tag = "registry",
    params(RegistryPath),
    request_body = RegistryChange,
    responses(
        (status = 200, description = "The registry as it is now.", body = RegistryShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "It is not possible as things are, or somebody else was faster."),
    )
)]
pub async fn patch<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
    Body(body): Body<RegistryBody>,
) -> Result<Response, Problem> {
    update(&state, named, body, false).await
}

/// Replaces the settings of a registry; those that are not given become the usual ones.
#[utoipa::path(
    put,
    path = "/api/v1/dnc/registries/{id}",
    operation_id = "replace_registry",
    tag = "registry",
    params(RegistryPath),
    request_body = RegistryChange,
    responses(
        (status = 200, description = "The registry as it is now.", body = RegistryShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "It is not possible as things are, or somebody else was faster."),
    )
)]
pub async fn put<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
    Body(body): Body<RegistryBody>,
) -> Result<Response, Problem> {
    update(&state, named, body, true).await
}

async fn update<C: Cluster>(
    state: &State<C>,
    registry: String,
    body: RegistryBody,
    replace: bool,
) -> Result<Response, Problem> {
    let request = body.update(registry, replace).map_err(Problem::in_body)?;
    answer(StatusCode::OK, state.registries.update(request).await)
}

/// Gives a registry up. It is still shown as `retired`, since answers of the past name it.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/registries/{id}",
    operation_id = "retire_registry",
    tag = "registry",
    params(RegistryPath),
    responses(
        (status = 200, description = "The registry as it is now.", body = RegistryShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "It holds suppressions, or is needed."),
    )
)]
pub async fn retire<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
) -> Result<Response, Problem> {
    answer(StatusCode::OK, state.registries.retire(&named).await)
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn answer(status: StatusCode, done: Result<Found, Error>) -> Result<Response, Problem> {
    let found = done.map_err(Problem::in_body)?;
    let registry = told::registry(&found.known.catalog, found.registry(), Detail::Whole);
    Ok((status, Json(RegistryShown::of(&registry))).into_response())
}
