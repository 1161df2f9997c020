//! Shards without a majority over REST: what is left of them, and having them go on from it.

use axum::Json;
use axum::extract::State as Shared;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::KeyHeader;
use super::problem::Problem;
use super::read::Body;
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;

/// What is given up.
#[derive(Deserialize, ToSchema)]
#[schema(as = RecoveryConfirmation)]
#[serde(deny_unknown_fields)]
pub struct RecoverBody {
    /// Exactly the shards that the preview names.
    #[schema(max_items = 4096)]
    shards: Vec<u32>,
    /// Exactly the nodes that the preview says are gone: they are given up for good.
    #[schema(max_items = 1000)]
    gone: Vec<u64>,
    /// Why: it is kept for ever.
    #[schema(pattern = r"\S", max_length = 256)]
    why: String,
    /// A UUID by which a repeated request is recognised, instead of the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(pattern = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]
    request_id: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(preview, recover))
}

/// Shows which shards have lost their majority, what is left of each, and what is lost if they go on from that. Changes nothing.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/recovery",
    operation_id = "preview_recovery",
    tag = "cluster",
    responses((status = 200, description = "What is left, and what would be lost.", body = v1::RecoveryPreview))
)]
pub async fn preview<C: Cluster>(Shared(state): Shared<State<C>>) -> Result<Json<v1::RecoveryPreview>, Problem> {
    state.operators.preview_recovery().await.map(Json).map_err(Problem::in_body)
}

/// UNSAFE: has shards that lost their majority for good go on from one replica each.
///
/// What was acknowledged and only the others had is lost, and the nodes that do not answer never come back under their ids.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/recovery",
    operation_id = "recover_shards",
    tag = "cluster",
    params(KeyHeader),
    request_body = RecoverBody,
    responses(
        (status = 200, description = "It is decided, and kept in the history for ever.", body = v1::Recovery),
        (status = 409, description = "A majority of every shard answers, or nothing is left to go on from.")
    )
)]
pub async fn recover<C: Cluster>(
    Shared(state): Shared<State<C>>,
    id: WriteId,
    Body(body): Body<RecoverBody>,
) -> Result<Json<v1::Recovery>, Problem> {
    let request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let request = v1::RecoverShardsRequest { shards: body.shards, why: body.why, request_id, gone: body.gone };
    state.operators.recover(request).await.map(Json).map_err(Problem::in_body)
}
