//! Reports over REST, with the names of `dnc.v1`'s messages; and what operators ask of the nodes' memory.

use axum::Json;
use axum::extract::State as Shared;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::TenantHeader;
use super::problem::Problem;
use super::read::{Body, Params, Tenant};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::report::{Period, Whose};

/// Parameters of a compliance report.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ComplianceParams {
    /// The first day, UTC.
    #[serde(default)]
    #[param(required = true, format = Date)]
    start_date: String,
    /// The last day; 400 days together at most.
    #[serde(default)]
    #[param(required = true, format = Date)]
    end_date: String,
    /// All tenants together, which only the tenant `default` may ask for.
    #[serde(default)]
    all_tenants: bool,
}

/// Parameters of the statistics.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatsParams {
    /// All tenants together, which only the tenant `default` may ask for.
    #[serde(default)]
    all_tenants: bool,
}

/// Body of a warming.
#[derive(Deserialize, ToSchema)]
#[schema(as = Warming)]
#[serde(deny_unknown_fields)]
pub struct WarmBody {
    /// These shards of the cluster, counted from 0; without it, all.
    #[serde(default)]
    #[schema(max_items = 4096)]
    shards: Vec<u32>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(compliance))
        .routes(routes!(stats))
        .routes(routes!(filters))
        .routes(routes!(warm))
}

/// What was checked in a period, and how old the lists are now.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/reports/compliance",
    operation_id = "read_compliance",
    tag = "report",
    params(ComplianceParams, TenantHeader),
    responses(
        (status = 200, description = "The report.", body = v1::ComplianceReport),
        (status = 409, description = "All tenants were asked for, by one that may not."),
    )
)]
pub async fn compliance<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ComplianceParams>,
) -> Result<Json<v1::ComplianceReport>, Problem> {
    let period = Period::parse(&params.start_date, &params.end_date).map_err(Problem::in_parameters)?;
    let whose = Whose::asked(tenant, params.all_tenants).map_err(Problem::in_parameters)?;
    state.reports.compliance(whose, period).await.map(Json).map_err(Problem::in_parameters)
}

/// What is held now, and what was checked today.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/stats",
    operation_id = "read_stats",
    tag = "report",
    params(StatsParams, TenantHeader),
    responses(
        (status = 200, description = "The numbers.", body = v1::Stats),
        (status = 409, description = "All tenants were asked for, by one that may not."),
    )
)]
pub async fn stats<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<StatsParams>,
) -> Result<Json<v1::Stats>, Problem> {
    let whose = Whose::asked(tenant, params.all_tenants).map_err(Problem::in_parameters)?;
    state.reports.stats(whose).await.map(Json).map_err(Problem::in_parameters)
}

/// The bloom filters, by node and shard. For operators.
#[utoipa::path(
    get,
    path = "/internal/dnc/bloom/stats",
    operation_id = "read_filters",
    tag = "report",
    responses((status = 200, description = "What the nodes told.", body = v1::Filters))
)]
pub async fn filters<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::Filters> {
    Json(state.reports.filters().await)
}

/// Has the nodes read into memory what checks read, ahead of traffic. For operators.
#[utoipa::path(
    post,
    path = "/internal/dnc/cache/warm",
    operation_id = "warm_caches",
    tag = "report",
    request_body = WarmBody,
    responses((status = 200, description = "What was read, by node.", body = v1::WarmCacheReport))
)]
pub async fn warm<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<WarmBody>,
) -> Result<Json<v1::WarmCacheReport>, Problem> {
    state.reports.warm(body.shards).await.map(Json).map_err(Problem::in_body)
}
