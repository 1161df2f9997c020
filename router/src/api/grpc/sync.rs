//! `SyncService`.

use dnc_proto::v1;
use dnc_proto::v1::sync_service_server::SyncService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::api::syncs;
use crate::cluster::Cluster;

/// Syncs over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> SyncService for Service<C> {
    async fn start_sync(
        &self,
        request: Request<v1::StartSyncRequest>,
    ) -> Result<Response<v1::StartSyncResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("start_sync", api = "grpc", request_id);
        let started = syncs::start(&self.0, request.into_inner()).instrument(span).await;
        Ok(named(started.map_err(|why| status(&why))?, &request_id))
    }

    async fn list_syncs(
        &self,
        request: Request<v1::ListSyncsRequest>,
    ) -> Result<Response<v1::ListSyncsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let listed = syncs::list(&self.0, request.into_inner()).await;
        Ok(named(listed.map_err(|why| status(&why))?, &request_id))
    }

    async fn lookup(&self, request: Request<v1::LookupRequest>) -> Result<Response<v1::LookupResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("lookup", api = "grpc", request_id);
        let looked = syncs::lookup(&self.0, tenant, request.into_inner()).instrument(span).await;
        Ok(named(looked.map_err(|why| status(&why))?, &request_id))
    }
}
