//! Registries over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use dnc_proto::v1;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{KeyHeader, TenantHeader};
use super::problem::Problem;
use super::read::{Body, Tenant};
use super::write_id::WriteId;
use crate::api::answer;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::registries::{Error, NewRegistry};

/// Body of a new registry.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRegistry)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Unique in the cluster.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    #[schema(pattern = "^(federal|state|internal|litigation|wireless|partner)$")]
    r#type: String,
    /// Country or state code.
    #[serde(default)]
    #[schema(max_length = 64)]
    jurisdiction: String,
    /// Days that a list may be old before its numbers are UNKNOWN; 0 for the usual 31.
    #[serde(default)]
    #[schema(maximum = 366)]
    max_age_days: u32,
}

/// All registries.
#[derive(Serialize, ToSchema)]
#[schema(as = Registries)]
pub struct ListShown {
    registries: Vec<RegistryShown>,
    /// The revision of the catalog.
    revision: u64,
}

/// One registry.
#[derive(Serialize, ToSchema)]
#[schema(as = Registry)]
pub struct RegistryShown {
    id: u32,
    name: String,
    #[schema(pattern = "^(federal|state|internal|litigation|wireless|partner)$")]
    r#type: String,
    /// Country or state code; may be empty.
    jurisdiction: String,
    /// Days that a list may be old before its numbers are UNKNOWN.
    max_age_days: u32,
    /// 0 if none is.
    active_version: u64,
    /// In the active version.
    numbers: u64,
    covers_everywhere: bool,
    /// What the active version covers, by area.
    coverage: Vec<CoverageShown>,
}

/// One area that a version covers.
#[derive(Serialize, ToSchema)]
#[schema(as = AreaCoverage)]
struct CoverageShown {
    /// A North American area code, or `+` and the calling code of another country.
    area: String,
    /// Of which day the list is.
    #[schema(format = Date)]
    list_date: String,
    file: String,
    numbers: u64,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(list, create))
}

/// Lists the registries.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/registries",
    operation_id = "list_registries",
    tag = "registry",
    responses((status = 200, description = "All of them.", body = ListShown))
)]
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<ListShown> {
    let known = state.registries.list();
    let registries = known.catalog.registries.values();
    Json(ListShown {
        registries: registries.map(answer::registry).map(RegistryShown::of).collect(),
        revision: known.catalog.revision,
    })
}

/// Makes a registry, or finds the same one.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries",
    operation_id = "create_registry",
    tag = "registry",
    params(TenantHeader, KeyHeader),
    request_body = CreateBody,
    responses((status = 201, description = "It exists now.", body = RegistryShown))
)]
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(_): Tenant,
    // Not needed: a registry is made once under its name.
    WriteId(_): WriteId,
    Body(body): Body<CreateBody>,
) -> Result<(StatusCode, Json<RegistryShown>), Problem> {
    let made = state
        .registries
        .create(NewRegistry {
            name: body.name,
            kind: body.r#type,
            jurisdiction: body.jurisdiction,
            max_age_days: body.max_age_days,
        })
        .await
        .map_err(|why| match &why {
            Error::Invalid(invalid) => Problem::in_body(invalid),
            _ => Problem::of(&why),
        })?;
    let shown = RegistryShown::of(answer::registry(&made));
    Ok((StatusCode::CREATED, Json(shown)))
}

// === impl RegistryShown ===

impl RegistryShown {
    fn of(registry: v1::Registry) -> Self {
        Self {
            id: registry.id,
            name: registry.name,
            r#type: registry.r#type,
            jurisdiction: registry.jurisdiction,
            max_age_days: registry.max_age_days,
            active_version: registry.active_version,
            numbers: registry.numbers,
            covers_everywhere: registry.covers_everywhere,
            coverage: registry.coverage.into_iter().map(CoverageShown::of).collect(),
        }
    }
}

// === impl CoverageShown ===

impl CoverageShown {
    fn of(coverage: v1::AreaCoverage) -> Self {
        Self { area: coverage.area, list_date: coverage.list_date, file: coverage.file, numbers: coverage.numbers }
    }
}
