//! Tenants over REST, in the shape of `shown::tenant`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::AreaText;
use super::problem::Problem;
use super::read::{Body, NamePath};
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;
use crate::shown::tenant::{All, Everything, TenantShown, TenantsShown};
use crate::tenants::{Error, Found};

/// Body of a new tenant.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewTenant)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Unique in the cluster for good.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// What it may be answered from; without it, nothing but what belongs to it.
    #[serde(default)]
    holds: Option<HoldsBody>,
    #[serde(default)]
    requires: Option<RequiresBody>,
}

/// Body of a change; what it does not give stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(as = TenantChange)]
#[serde(deny_unknown_fields)]
pub struct UpdateBody {
    /// The edition that this was made from; without it, or with 0, whatever it is now.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    edition: u64,
    #[serde(default)]
    holds: Option<HoldsBody>,
    #[serde(default)]
    requires: Option<RequiresBody>,
}

/// `"everything"`, or registries with their areas.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewHolds)]
#[serde(untagged)]
enum HoldsBody {
    Everything(Everything),
    These(BTreeMap<String, AreasBody>),
}

/// `"all"`, or area codes.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewAreas)]
#[serde(untagged)]
enum AreasBody {
    All(All),
    These(SomeAreas),
}

/// One area at least.
#[derive(Deserialize, ToSchema)]
#[schema(value_type = Vec<AreaText>, min_items = 1)]
struct SomeAreas(Vec<String>);

/// What must cover a number before it can be CLEAR.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRequires)]
#[serde(deny_unknown_fields)]
struct RequiresBody {
    /// A federal registry; without it, true.
    #[serde(default = "yes")]
    federal: bool,
    /// These registries, in these areas.
    #[serde(default)]
    registries: BTreeMap<String, AreasBody>,
}

/// Whatever a body forgets to say must not loosen what is required.
fn yes() -> bool {
    true
}

/// The tenant in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `read::NamePath` reads")]
struct TenantPath {
    /// The tenant.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, patch))
}

/// All tenants.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/tenants",
    operation_id = "list_tenants",
    tag = "tenant",
    responses((status = 200, description = "All of them.", body = TenantsShown<'static>))
)]
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Response {
    let answer = told::tenants(&state.tenants.list().catalog);
    Json(TenantsShown::of(&answer)).into_response()
}

/// One tenant.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/tenants/{name}",
    operation_id = "read_tenant",
    tag = "tenant",
    params(TenantPath),
    responses(
        (status = 200, description = "It.", body = TenantShown<'static>),
        (status = 404, description = "There is no such tenant."),
    )
)]
pub async fn show<C: Cluster>(Shared(state): Shared<State<C>>, NamePath(name): NamePath) -> Result<Response, Problem> {
    answer(StatusCode::OK, state.tenants.get(&name).await)
}

/// Makes a tenant. Doing it again finds the one that was made.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/tenants",
    operation_id = "create_tenant",
    tag = "tenant",
    request_body = CreateBody,
    responses(
        (status = 201, description = "The tenant.", body = TenantShown<'static>),
        (status = 409, description = "The name is taken by another one, there are too many, or what it requires cannot be required."),
    )
)]
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<CreateBody>,
) -> Result<Response, Problem> {
    let request = v1::CreateTenantRequest {
        name: body.name,
        holds: body.holds.map(HoldsBody::into_message),
        requires: body.requires.map(RequiresBody::into_message),
    };
    answer(StatusCode::CREATED, state.tenants.create(request).await)
}

/// Changes a tenant; what is not given stays as it is.
#[utoipa::path(
    patch,
    path = "/api/v1/dnc/tenants/{name}",
    operation_id = "change_tenant",
    tag = "tenant",
    params(TenantPath),
    request_body = UpdateBody,
    responses(
        (status = 200, description = "The tenant as it is now.", body = TenantShown<'static>),
        (status = 404, description = "There is no such tenant."),
        (status = 409, description = "What it requires cannot be required, or somebody else was faster."),
    )
)]
pub async fn patch<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(name): NamePath,
    Body(body): Body<UpdateBody>,
) -> Result<Response, Problem> {
    let request = v1::UpdateTenantRequest {
        name,
        edition: body.edition,
        holds: body.holds.map(HoldsBody::into_message),
        requires: body.requires.map(RequiresBody::into_message),
    };
    answer(StatusCode::OK, state.tenants.update(request).await)
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn answer(status: StatusCode, done: Result<Found, Error>) -> Result<Response, Problem> {
    let found = done.map_err(Problem::in_body)?;
    let tenant = told::tenant(&found.known.catalog, found.tenant());
    Ok((status, Json(TenantShown::of(&tenant))).into_response())
}

// === impl HoldsBody, RequiresBody ===

impl HoldsBody {
    fn into_message(self) -> v1::Holds {
        match self {
            HoldsBody::Everything(Everything::Everything) => v1::Holds { everything: true, registries: Vec::new() },
            HoldsBody::These(registries) => v1::Holds { everything: false, registries: areas(registries) },
        }
    }
}

impl RequiresBody {
    fn into_message(self) -> v1::Requires {
        v1::Requires { federal: self.federal, registries: areas(self.registries) }
    }
}

fn areas(registries: BTreeMap<String, AreasBody>) -> Vec<v1::RegistryAreas> {
    registries
        .into_iter()
        .map(|(registry, areas)| match areas {
            AreasBody::All(All::All) => v1::RegistryAreas { registry, all: true, areas: Vec::new() },
            AreasBody::These(SomeAreas(areas)) => v1::RegistryAreas { registry, all: false, areas },
        })
        .collect()
}
