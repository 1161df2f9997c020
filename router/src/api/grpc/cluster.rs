//! `ClusterService`.

use dnc_proto::v1;
use dnc_proto::v1::cluster_service_server::ClusterService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::operate::Error;

/// What operators see and do, over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> ClusterService for Service<C> {
    async fn get_cluster_status(
        &self,
        request: Request<v1::GetClusterStatusRequest>,
    ) -> Result<Response<v1::ClusterStatus>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(self.0.operators.status().await, &request_id))
    }

    async fn list_nodes(&self, request: Request<v1::ListNodesRequest>) -> Result<Response<v1::ClusterNodes>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(self.0.operators.nodes().await, &request_id))
    }

    async fn list_shards(
        &self,
        request: Request<v1::ListShardsRequest>,
    ) -> Result<Response<v1::ClusterShards>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(self.0.operators.shards().await, &request_id))
    }

    async fn preview_plan(
        &self,
        request: Request<v1::PreviewPlanRequest>,
    ) -> Result<Response<v1::PlanPreview>, Status> {
        let request_id = grpc_request_id(request.metadata());
        told(self.0.operators.preview(request.into_inner()).await, &request_id)
    }

    async fn apply_plan(&self, request: Request<v1::ApplyPlanRequest>) -> Result<Response<v1::PlanStarted>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("apply_plan", api = "grpc", request_id);
        told(self.0.operators.apply(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn drain_node(&self, request: Request<v1::DrainNodeRequest>) -> Result<Response<v1::PlanStarted>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("drain_node", api = "grpc", request_id);
        told(self.0.operators.drain(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn recommission_node(
        &self,
        request: Request<v1::RecommissionNodeRequest>,
    ) -> Result<Response<v1::ClusterNode>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("recommission_node", api = "grpc", request_id);
        told(self.0.operators.recommission(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn replace_node(
        &self,
        request: Request<v1::ReplaceNodeRequest>,
    ) -> Result<Response<v1::PlanStarted>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("replace_node", api = "grpc", request_id);
        told(self.0.operators.replace(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn retire_node(&self, request: Request<v1::RetireNodeRequest>) -> Result<Response<v1::NodeRetired>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("retire_node", api = "grpc", request_id);
        told(self.0.operators.retire(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn cancel_plan(&self, request: Request<v1::CancelPlanRequest>) -> Result<Response<v1::PlanProgress>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("cancel_plan", api = "grpc", request_id);
        told(self.0.operators.cancel(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn get_plan_history(
        &self,
        request: Request<v1::GetPlanHistoryRequest>,
    ) -> Result<Response<v1::PlanHistory>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(self.0.operators.history().await, &request_id))
    }

    async fn preview_recovery(
        &self,
        request: Request<v1::PreviewRecoveryRequest>,
    ) -> Result<Response<v1::RecoveryPreview>, Status> {
        let request_id = grpc_request_id(request.metadata());
        told(self.0.operators.preview_recovery().await, &request_id)
    }

    async fn recover_shards(
        &self,
        request: Request<v1::RecoverShardsRequest>,
    ) -> Result<Response<v1::Recovery>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("recover_shards", api = "grpc", request_id);
        told(self.0.operators.recover(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::Explanation>, Status> {
        let request_id = grpc_request_id(request.metadata());
        told(self.0.operators.explain(request.into_inner()).await, &request_id)
    }
}

#[allow(clippy::result_large_err)] // tonic's own error type.
fn told<T>(answer: Result<T, Error>, request_id: &str) -> Result<Response<T>, Status> {
    answer.map(|message| named(message, request_id)).map_err(|why| status(&why))
}
