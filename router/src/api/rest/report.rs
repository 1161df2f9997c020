//! Reports over REST, with the names of `dnc.v1`'s messages; and what operators ask of the nodes' memory.

use axum::Json;
use axum::extract::State as Shared;
use axum::routing::{get, post};
use dnc_proto::v1;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{Body, Params, Tenant};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::report::{Error, Period, Whose};

/// Parameters of a compliance report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceParams {
    #[serde(default)]
    start_date: String,
    #[serde(default)]
    end_date: String,
    #[serde(default)]
    all_tenants: bool,
}

/// Parameters of the statistics.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsParams {
    #[serde(default)]
    all_tenants: bool,
}

/// Body of a warming.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmBody {
    #[serde(default)]
    shards: Vec<u32>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/reports/compliance", get(compliance))
        .route("/api/v1/dnc/stats", get(stats))
        .route("/internal/dnc/bloom/stats", get(filters))
        .route("/internal/dnc/cache/warm", post(warm))
}

/// `GET /api/v1/dnc/reports/compliance`
pub async fn compliance<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ComplianceParams>,
) -> Result<Json<v1::ComplianceReport>, Problem> {
    let period = Period::parse(&params.start_date, &params.end_date).map_err(|why| Problem::field(why.field, &why))?;
    let whose = Whose::asked(tenant, params.all_tenants).map_err(|why| problem(&why))?;
    state.reports.compliance(whose, period).await.map(Json).map_err(|why| problem(&why))
}

/// `GET /api/v1/dnc/stats`
pub async fn stats<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<StatsParams>,
) -> Result<Json<v1::Stats>, Problem> {
    let whose = Whose::asked(tenant, params.all_tenants).map_err(|why| problem(&why))?;
    state.reports.stats(whose).await.map(Json).map_err(|why| problem(&why))
}

/// `GET /internal/dnc/bloom/stats`
pub async fn filters<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::Filters> {
    Json(state.reports.filters().await)
}

/// `POST /internal/dnc/cache/warm`
pub async fn warm<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<WarmBody>,
) -> Result<Json<v1::WarmCacheReport>, Problem> {
    state.reports.warm(body.shards).await.map(Json).map_err(|why| Problem::in_body(&why))
}

fn problem(why: &Error) -> Problem {
    match why {
        Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
        _ => Problem::of(why),
    }
}
