//! The cluster's operators over REST, with the names of `dnc.v1`'s messages.

use axum::Json;
use axum::extract::State as Shared;
use dnc_proto::v1;
use dnc_proto::v1::explain_request::What;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::PhoneText;
use super::problem::Problem;
use super::read::Params;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::operate::Error;

/// What is to be explained: one of these.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WhyParams {
    /// A number, for its shard.
    #[param(value_type = Option<PhoneText>, nullable = false)]
    phone_number: Option<String>,
    /// A shard.
    #[param(nullable = false)]
    shard: Option<u32>,
    /// A node.
    #[param(nullable = false)]
    node: Option<u64>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(nodes))
        .routes(routes!(shards))
        .routes(routes!(history))
        .routes(routes!(why))
}

/// Shows whether the cluster is healthy, why not, and what to do about it.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/status",
    operation_id = "get_cluster_status",
    tag = "cluster",
    responses((status = 200, description = "How it stands, healthy or not.", body = v1::ClusterStatus))
)]
pub async fn status<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::ClusterStatus> {
    Json(state.operators.status().await)
}

/// Lists the nodes.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/nodes",
    operation_id = "list_nodes",
    tag = "cluster",
    responses((status = 200, description = "All nodes that joined and were not retired.", body = v1::ClusterNodes))
)]
pub async fn nodes<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::ClusterNodes> {
    Json(state.operators.nodes().await)
}

/// Lists the shards.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/shards",
    operation_id = "list_shards",
    tag = "cluster",
    responses((status = 200, description = "All shards, with their replicas.", body = v1::ClusterShards))
)]
pub async fn shards<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::ClusterShards> {
    Json(state.operators.shards().await)
}

/// Lists the plan that is carried out and those that have ended, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/history",
    operation_id = "get_plan_history",
    tag = "cluster",
    responses((status = 200, description = "The plans.", body = v1::PlanHistory))
)]
pub async fn history<C: Cluster>(Shared(state): Shared<State<C>>) -> Json<v1::PlanHistory> {
    Json(state.operators.history().await)
}

/// Explains what a shard, a node or the shard of a number is doing, and what to do about it.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/why",
    operation_id = "explain",
    tag = "cluster",
    params(WhyParams),
    responses(
        (status = 200, description = "What it is doing.", body = v1::Explanation),
        (status = 404, description = "There is no such shard or node.")
    )
)]
pub async fn why<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<WhyParams>,
) -> Result<Json<v1::Explanation>, Problem> {
    let what = match (params.phone_number, params.shard, params.node) {
        (Some(number), None, None) => What::PhoneNumber(number),
        (None, Some(shard), None) => What::Shard(shard),
        (None, None, Some(node)) => What::Node(node),
        _ => return Err(Problem::malformed("one of phone_number, shard and node is needed")),
    };
    state.operators.explain(v1::ExplainRequest { what: Some(what) }).await.map(Json).map_err(|why| match why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => {
            Problem::not_a_number("phone_number", &invalid.detail)
        }
        why => Problem::in_body(why),
    })
}
