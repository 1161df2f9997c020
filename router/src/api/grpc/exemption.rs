//! `ExemptionService`.

use dnc_proto::v1;
use dnc_proto::v1::exemption_service_server::ExemptionService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::exempt::{Grant, Revocation};

/// Exemptions over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> ExemptionService for Service<C> {
    async fn grant_exemption(
        &self,
        request: Request<v1::GrantExemptionRequest>,
    ) -> Result<Response<v1::Exemption>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("grant_exemption", api = "grpc", request_id);
        let request = request.into_inner();
        let grant = Grant {
            phone_number: request.phone_number,
            ground: request.ground,
            since: request.since,
            expires_at: request.expires_at,
            proof: request.proof,
            proof_sha256: request.proof_sha256,
            notes: request.notes,
            granted_by: request.granted_by,
            request_id: request.request_id,
        };
        let granted = self.0.exemptions.grant(tenant, grant).instrument(span).await;
        Ok(named(granted.map_err(|why| status(&why))?.into(), &request_id))
    }

    async fn revoke_exemption(
        &self,
        request: Request<v1::RevokeExemptionRequest>,
    ) -> Result<Response<v1::RevokeExemptionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("revoke_exemption", api = "grpc", request_id);
        let request = request.into_inner();
        let revocation = Revocation {
            phone_number: request.phone_number,
            exemption_ids: request.exemption_ids,
            reason: request.reason,
            revoked_by: request.revoked_by,
            request_id: request.request_id,
        };
        let revoked = self.0.exemptions.revoke(tenant, revocation).instrument(span).await;
        let revoked = revoked.map_err(|why| status(&why))?;
        let response =
            v1::RevokeExemptionResponse { revoked: revoked.revoked, phone_number: revoked.number.to_string() };
        Ok(named(response, &request_id))
    }

    async fn list_exemptions(
        &self,
        request: Request<v1::ListExemptionsRequest>,
    ) -> Result<Response<v1::ListExemptionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let listed = self.0.exemptions.list(tenant, &request.get_ref().phone_number).await;
        let (number, exemptions) = listed.map_err(|why| status(&why))?;
        let response = v1::ListExemptionsResponse {
            phone_number: number.to_string(),
            exemptions: exemptions.into_iter().map(v1::Exemption::from).collect(),
        };
        Ok(named(response, &request_id))
    }
}
