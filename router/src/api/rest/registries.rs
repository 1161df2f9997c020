//! Registries over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use dnc_proto::v1;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::read::Body;
use crate::api::answer;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::registries::{Error, NewRegistry};

/// Body of a new registry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    name: String,
    r#type: String,
    #[serde(default)]
    jurisdiction: String,
    #[serde(default)]
    max_age_days: u32,
}

/// All registries.
#[derive(Serialize)]
pub struct ListShown {
    registries: Vec<RegistryShown>,
    revision: u64,
}

/// One registry.
#[derive(Serialize)]
pub struct RegistryShown {
    id: u32,
    name: String,
    r#type: String,
    jurisdiction: String,
    max_age_days: u32,
    active_version: u64,
    numbers: u64,
    covers_everywhere: bool,
    coverage: Vec<CoverageShown>,
}

#[derive(Serialize)]
struct CoverageShown {
    area: String,
    list_date: String,
    file: String,
    numbers: u64,
}

/// `GET /api/v1/dnc/registries`
pub async fn list<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<ListShown> {
    let known = state.registries.list();
    let registries = known.catalog.registries.values();
    Json(ListShown {
        registries: registries.map(answer::registry).map(RegistryShown::of).collect(),
        revision: known.catalog.revision,
    })
}

/// `POST /api/v1/dnc/registries`
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
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
