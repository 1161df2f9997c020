//! `SuppressionService`.

use dnc_proto::v1;
use dnc_proto::v1::suppression_service_server::SuppressionService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, shown_id, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::suppress::{Addition, Removal};

/// Opt-outs over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> SuppressionService for Service<C> {
    async fn add_suppression(
        &self,
        request: Request<v1::AddSuppressionRequest>,
    ) -> Result<Response<v1::AddSuppressionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("add_suppression", api = "grpc", request_id = shown_id(&self.0, &request_id));
        let request = request.into_inner();
        let added = self
            .0
            .suppressions
            .add(
                tenant,
                Addition {
                    phone_number: request.phone_number,
                    registry: request.registry,
                    reason: request.reason,
                    added_by: request.added_by,
                    origin: request.origin,
                    request_id: request.request_id,
                },
            )
            .instrument(span)
            .await
            .map_err(|why| status(&why))?;
        let response = v1::AddSuppressionResponse {
            suppression_id: added.id.to_string(),
            phone_number: added.number.to_string(),
            registry: added.registry,
        };
        Ok(named(response, &request_id))
    }

    async fn remove_suppression(
        &self,
        request: Request<v1::RemoveSuppressionRequest>,
    ) -> Result<Response<v1::RemoveSuppressionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("remove_suppression", api = "grpc", request_id = shown_id(&self.0, &request_id));
        let request = request.into_inner();
        let removed = self
            .0
            .suppressions
            .remove(
                tenant,
                Removal {
                    phone_number: request.phone_number,
                    registry: request.registry,
                    reason: request.reason,
                    removed_by: request.removed_by,
                    request_id: request.request_id,
                },
            )
            .instrument(span)
            .await
            .map_err(|why| status(&why))?;
        let response = v1::RemoveSuppressionResponse {
            removed: removed.removed,
            phone_number: removed.number.to_string(),
            registry: removed.registry,
        };
        Ok(named(response, &request_id))
    }
}
