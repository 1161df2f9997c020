//! Plans over REST: previewed, carried out, cancelled; and the nodes that come and go by them.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::KeyHeader;
use super::problem::Problem;
use super::read::{NamePath, OptionalBody, Params};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::operate::Error;

/// What a plan is asked for.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PlanQuestion)]
#[serde(deny_unknown_fields)]
pub struct PreviewBody {
    /// Nodes that are to be drained.
    #[serde(default)]
    leaving: Vec<u64>,
    /// Bytes a second that each sender may use, raised to 524288 if it is less; 0 for as many as it can.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    throttle: u64,
    /// A node whose data is lost; 0 for none.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    lost: u64,
    /// The node that takes its replicas; 0 for whichever fits.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    replacement: u64,
}

/// How a plan is to be carried out.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PlanOptions)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    /// Bytes a second that each sender may use, raised to 524288 if it is less; 0 for as many as it can.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    throttle: u64,
    /// A UUID by which a repeated request is recognised, instead of the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(pattern = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]
    request_id: String,
}

/// How a lost node is to be replaced.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ReplacementOptions)]
#[serde(deny_unknown_fields)]
pub struct ReplaceBody {
    /// The node that takes its replicas; 0 for whichever fits.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    replacement: u64,
    /// Bytes a second that each sender may use, raised to 524288 if it is less; 0 for as many as it can.
    #[serde(default)]
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    throttle: u64,
    /// A UUID by which a repeated request is recognised, instead of the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(pattern = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]
    request_id: String,
}

/// Which plan is to be cancelled.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CancelParams {
    /// Its id; whichever is carried out if it is not given.
    #[serde(default)]
    #[param(pattern = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]
    plan_id: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(preview, cancel))
        .routes(routes!(apply))
        .routes(routes!(drain))
        .routes(routes!(decommission))
        .routes(routes!(recommission))
        .routes(routes!(replace))
}

/// Shows the moves that the cluster needs, and what they come to. Changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/plan",
    operation_id = "preview_plan",
    tag = "cluster",
    request_body = Option<PreviewBody>,
    responses(
        (status = 200, description = "The plan.", body = v1::PlanPreview),
        (status = 404, description = "There is no such node."),
        (status = 409, description = "The plan cannot work; the detail has the reason for each node.")
    )
)]
pub async fn preview<C: Cluster>(
    Shared(state): Shared<State<C>>,
    OptionalBody(body): OptionalBody<PreviewBody>,
) -> Result<Json<v1::PlanPreview>, Problem> {
    let PreviewBody { leaving, throttle, lost, replacement } = body;
    let request = v1::PreviewPlanRequest { leaving, throttle, lost, replacement };
    state.operators.preview(request).await.map(Json).map_err(Problem::in_body)
}

/// Begins no more moves of the plan that is carried out; those under way are finished or taken back.
#[utoipa::path(
    delete,
    path = "/api/v1/cluster/plan",
    operation_id = "cancel_plan",
    tag = "cluster",
    params(CancelParams),
    responses(
        (status = 200, description = "How far it is.", body = v1::PlanProgress),
        (status = 404, description = "There is no such plan, or none is carried out.")
    )
)]
pub async fn cancel<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<CancelParams>,
) -> Result<Json<v1::PlanProgress>, Problem> {
    let request = v1::CancelPlanRequest { plan_id: params.plan_id };
    state.operators.cancel(request).await.map(Json).map_err(Problem::in_parameters)
}

/// Has the moves made that the cluster needs.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/apply",
    operation_id = "apply_plan",
    tag = "cluster",
    params(KeyHeader),
    request_body = Option<StartBody>,
    responses((status = 202, description = "The plan is carried out.", body = v1::PlanStarted))
)]
pub async fn apply<C: Cluster>(
    Shared(state): Shared<State<C>>,
    id: WriteId,
    OptionalBody(body): OptionalBody<StartBody>,
) -> Result<(StatusCode, Json<v1::PlanStarted>), Problem> {
    let request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    started(state.operators.apply(v1::ApplyPlanRequest { throttle: body.throttle, request_id }).await)
}

/// Has a node give its replicas and leaderships away. Refused at once if they have nowhere to go.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/nodes/{id}/drain",
    operation_id = "drain_node",
    tag = "cluster",
    params(("id" = u64, Path, description = "The node."), KeyHeader),
    request_body = Option<StartBody>,
    responses(
        (status = 202, description = "The plan is carried out.", body = v1::PlanStarted),
        (status = 404, description = "There is no such node.")
    )
)]
pub async fn drain<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(node): NamePath,
    id: WriteId,
    OptionalBody(body): OptionalBody<StartBody>,
) -> Result<(StatusCode, Json<v1::PlanStarted>), Problem> {
    let node = node_id(&node)?;
    let request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    started(state.operators.drain(v1::DrainNodeRequest { node, throttle: body.throttle, request_id }).await)
}

/// Lets a drained or replaced node go that holds nothing. Its id is never given again.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/nodes/{id}/decommission",
    operation_id = "retire_node",
    tag = "cluster",
    params(("id" = u64, Path, description = "The node.")),
    responses(
        (status = 200, description = "It is gone.", body = v1::NodeRetired),
        (status = 404, description = "There is no such node."),
        (status = 409, description = "It serves, or holds replicas.")
    )
)]
pub async fn decommission<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(node): NamePath,
) -> Result<Json<v1::NodeRetired>, Problem> {
    let node = node_id(&node)?;
    state.operators.retire(v1::RetireNodeRequest { node }).await.map(Json).map_err(Problem::in_body)
}

/// Has a node serve again. It gets replicas by the next plan.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/nodes/{id}/recommission",
    operation_id = "recommission_node",
    tag = "cluster",
    params(("id" = u64, Path, description = "The node.")),
    responses(
        (status = 200, description = "It serves.", body = v1::ClusterNode),
        (status = 404, description = "There is no such node.")
    )
)]
pub async fn recommission<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(node): NamePath,
) -> Result<Json<v1::ClusterNode>, Problem> {
    let node = node_id(&node)?;
    state.operators.recommission(v1::RecommissionNodeRequest { node }).await.map(Json).map_err(Problem::in_body)
}

/// Has the replicas of a node whose data is lost made anew elsewhere.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/nodes/{id}/replace",
    operation_id = "replace_node",
    tag = "cluster",
    params(("id" = u64, Path, description = "The node whose data is lost."), KeyHeader),
    request_body = Option<ReplaceBody>,
    responses(
        (status = 202, description = "The plan is carried out.", body = v1::PlanStarted),
        (status = 404, description = "There is no such node.")
    )
)]
pub async fn replace<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(node): NamePath,
    id: WriteId,
    OptionalBody(body): OptionalBody<ReplaceBody>,
) -> Result<(StatusCode, Json<v1::PlanStarted>), Problem> {
    let node = node_id(&node)?;
    let request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let ReplaceBody { replacement, throttle, .. } = body;
    started(state.operators.replace(v1::ReplaceNodeRequest { node, replacement, throttle, request_id }).await)
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn started(done: Result<v1::PlanStarted, Error>) -> Result<(StatusCode, Json<v1::PlanStarted>), Problem> {
    done.map(|started| (StatusCode::ACCEPTED, Json(started))).map_err(Problem::in_body)
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn node_id(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::field("id", &Invalid::new("id", "the number of a node")))
}
