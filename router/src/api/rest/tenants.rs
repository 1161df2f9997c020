//! Tenants over REST, in the shape of `shown::tenant`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dnc_proto::v1;
use serde::Deserialize;

use super::problem::Problem;
use super::read::{Body, NamePath};
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;
use crate::shown::tenant::{TenantShown, TenantsShown};
use crate::tenants::{Error, Found};

/// Body of a new tenant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    name: String,
    #[serde(default)]
    holds: Option<HoldsBody>,
    #[serde(default)]
    requires: Option<RequiresBody>,
}

/// Body of a change; what it does not give stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateBody {
    /// The edition that this was made from.
    #[serde(default)]
    edition: u64,
    #[serde(default)]
    holds: Option<HoldsBody>,
    #[serde(default)]
    requires: Option<RequiresBody>,
}

/// `"everything"`, or registries with their areas.
#[derive(Deserialize)]
#[serde(untagged)]
enum HoldsBody {
    Everything(Everything),
    These(BTreeMap<String, AreasBody>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Everything {
    Everything,
}

/// `"all"`, or area codes.
#[derive(Deserialize)]
#[serde(untagged)]
enum AreasBody {
    All(All),
    These(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum All {
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequiresBody {
    #[serde(default = "yes")]
    federal: bool,
    #[serde(default)]
    registries: BTreeMap<String, AreasBody>,
}

/// Whatever a body forgets to say must not loosen what is required.
fn yes() -> bool {
    true
}

/// `GET /api/v1/dnc/tenants`
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Response {
    let answer = told::tenants(&state.tenants.list().catalog);
    Json(TenantsShown::of(&answer)).into_response()
}

/// `GET /api/v1/dnc/tenants/{name}`
pub async fn show<C: Cluster>(Shared(state): Shared<State<C>>, NamePath(name): NamePath) -> Result<Response, Problem> {
    state.tenants.get(&name).await.map(|found| shown(StatusCode::OK, &found)).map_err(problem)
}

/// `POST /api/v1/dnc/tenants`
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<CreateBody>,
) -> Result<Response, Problem> {
    let request = v1::CreateTenantRequest {
        name: body.name,
        holds: body.holds.map(HoldsBody::into_message),
        requires: body.requires.map(RequiresBody::into_message),
    };
    state.tenants.create(request).await.map(|made| shown(StatusCode::CREATED, &made)).map_err(problem)
}

/// `PATCH /api/v1/dnc/tenants/{name}`
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
    state.tenants.update(request).await.map(|found| shown(StatusCode::OK, &found)).map_err(problem)
}

fn shown(status: StatusCode, found: &Found) -> Response {
    let tenant = told::tenant(&found.known.catalog, found.tenant());
    (status, Json(TenantShown::of(&tenant))).into_response()
}

fn problem(why: Error) -> Problem {
    match &why {
        Error::Invalid(invalid) => Problem::in_body(invalid),
        _ => Problem::of(&why),
    }
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
            AreasBody::These(areas) => v1::RegistryAreas { registry, all: false, areas },
        })
        .collect()
}
