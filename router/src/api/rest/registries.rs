//! Registries over REST. Answers are in the shape of `shown::registry`; a body gives settings under the same names.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::read::{Body, NamePath};
use super::registry_body::RegistryBody;
use crate::api::state::State;
use crate::api::told::{self, Detail};
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::registries::{Error, Found};
use crate::shown::registry::{RegistriesShown, RegistryShown, VersionsShown};

/// `GET /api/v1/dnc/registries`
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Response {
    let answer = told::registries(&state.registries.list().catalog);
    Json(RegistriesShown::of(&answer)).into_response()
}

/// `GET /api/v1/dnc/registries/{id}`
pub async fn show<C: Cluster>(Shared(state): Shared<State<C>>, NamePath(named): NamePath) -> Result<Response, Problem> {
    state.registries.get(&named).await.map(|found| shown(StatusCode::OK, &found)).map_err(problem)
}

/// `GET /api/v1/dnc/registries/{id}/versions`
pub async fn versions<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
) -> Result<Response, Problem> {
    let found = state.registries.get(&named).await.map_err(problem)?;
    let registry = told::registry(&found.known.catalog, found.registry(), Detail::Whole);
    Ok(Json(VersionsShown::of(&registry)).into_response())
}

/// `POST /api/v1/dnc/registries`
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<RegistryBody>,
) -> Result<Response, Problem> {
    let request = body.create().map_err(|why| in_body(&why))?;
    state.registries.create(request).await.map(|made| shown(StatusCode::CREATED, &made)).map_err(problem)
}

/// `PATCH /api/v1/dnc/registries/{id}`
pub async fn patch<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
    Body(body): Body<RegistryBody>,
) -> Result<Response, Problem> {
    update(&state, named, body, false).await
}

/// `PUT /api/v1/dnc/registries/{id}`
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
    let request = body.update(registry, replace).map_err(|why| in_body(&why))?;
    state.registries.update(request).await.map(|found| shown(StatusCode::OK, &found)).map_err(problem)
}

/// `DELETE /api/v1/dnc/registries/{id}`: the registry is retired; answers of the past still name it.
pub async fn retire<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(named): NamePath,
) -> Result<Response, Problem> {
    state.registries.retire(&named).await.map(|found| shown(StatusCode::OK, &found)).map_err(problem)
}

fn shown(status: StatusCode, found: &Found) -> Response {
    let registry = told::registry(&found.known.catalog, found.registry(), Detail::Whole);
    (status, Json(RegistryShown::of(&registry))).into_response()
}

fn problem(why: Error) -> Problem {
    match &why {
        Error::Invalid(invalid) => in_body(invalid),
        _ => Problem::of(&why),
    }
}

/// Where in the body a field lies; rooms name nested ones with a dot.
fn in_body(why: &Invalid) -> Problem {
    Problem::field(format!("#/{}", why.field.replace('.', "/")), why)
}
