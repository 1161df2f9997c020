//! Backups over REST. Each call answers when it is done, which takes as long as it takes; a caller that leaves ends it.

use axum::Json;
use axum::extract::State as Shared;
use dnc_proto::v1;
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::read::{Body, Params};
use crate::api::state::State;
use crate::backup::{Error, Progress};
use crate::cluster::Cluster;

/// Where backups are.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PlaceParams {
    /// `file:///folder` on the router's machine, or `s3://bucket/path`.
    #[param(max_length = 2048, format = "backup-place")]
    place: String,
}

/// Where a backup is to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewBackup)]
#[serde(deny_unknown_fields)]
pub struct PlaceBody {
    /// `file:///folder` on the router's machine, or `s3://bucket/path`.
    #[schema(max_length = 2048, format = "backup-place")]
    place: String,
}

/// Which backup.
#[derive(Deserialize, ToSchema)]
#[schema(as = NamedBackup)]
#[serde(deny_unknown_fields)]
pub struct NamedBody {
    /// `file:///folder` on the router's machine, or `s3://bucket/path`.
    #[schema(max_length = 2048, format = "backup-place")]
    place: String,
    /// Its name there.
    #[schema(pattern = "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$")]
    name: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(verify)).routes(routes!(restore))
}

/// Lists the backups in a place, those included that were never completed.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/backups",
    operation_id = "list_backups",
    tag = "cluster",
    params(PlaceParams),
    responses((status = 200, description = "The backups, the newest first.", body = v1::BackupList))
)]
pub async fn list<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<PlaceParams>,
) -> Result<Json<v1::BackupList>, Problem> {
    state.backups.list(&params.place).await.map(Json).map_err(|why| Problem::of(&why))
}

/// Makes a backup while the cluster serves: everything acknowledged before is in it.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/backups",
    operation_id = "create_backup",
    tag = "cluster",
    request_body = PlaceBody,
    responses(
        (status = 200, description = "It is complete.", body = v1::BackupResult),
        (status = 409, description = "The place does not take it, or the cluster is being restored.")
    )
)]
pub async fn create<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<PlaceBody>,
) -> Result<Json<v1::BackupResult>, Problem> {
    untold(async move |progress: Progress| state.backups.create(&body.place, &progress).await).await
}

/// Reads a backup and compares it with its checksums.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/backups/verify",
    operation_id = "verify_backup",
    tag = "cluster",
    request_body = NamedBody,
    responses(
        (status = 200, description = "It is whole.", body = v1::BackupResult),
        (status = 404, description = "There is no such backup."),
        (status = 409, description = "It is not complete, or damaged; the file is named.")
    )
)]
pub async fn verify<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<NamedBody>,
) -> Result<Json<v1::BackupResult>, Problem> {
    untold(async move |progress: Progress| state.backups.verify(&body.place, &body.name, &progress).await).await
}

/// Restores a backup into a newly founded cluster. No check is CLEAR until all of it is there.
#[utoipa::path(
    post,
    path = "/api/v1/cluster/backups/restore",
    operation_id = "restore_backup",
    tag = "cluster",
    request_body = NamedBody,
    responses(
        (status = 200, description = "It is restored, and answers checks.", body = v1::BackupResult),
        (status = 404, description = "There is no such backup."),
        (status = 409, description = "The cluster is not empty, or the backup is not complete, or damaged.")
    )
)]
pub async fn restore<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Body(body): Body<NamedBody>,
) -> Result<Json<v1::BackupResult>, Problem> {
    untold(async move |progress: Progress| state.backups.restore(&body.place, &body.name, &progress).await).await
}

/// Does it apart from the request, so that it ends in order when the caller leaves; nobody is told how far it is.
async fn untold<F>(work: impl FnOnce(Progress) -> F + Send + 'static) -> Result<Json<v1::BackupResult>, Problem>
where
    F: Future<Output = Result<v1::BackupResult, Error>> + Send,
{
    let (sender, _caller) = mpsc::channel(1);
    let running = tokio::spawn(async move { work(Progress::new(sender)).await }.in_current_span());
    let done = running.await.map_err(|_| Problem::of(&Error::Unexpected))?;
    done.map(Json).map_err(|why| Problem::of(&why))
}
