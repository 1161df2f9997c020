//! `TenantService`.

use dnc_proto::v1;
use dnc_proto::v1::tenant_service_server::TenantService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;
use crate::tenants::{Error, Found};

/// Tenants over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> TenantService for Service<C> {
    async fn create_tenant(&self, request: Request<v1::CreateTenantRequest>) -> Result<Response<v1::Tenant>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("create_tenant", api = "grpc", request_id);
        told(self.0.tenants.create(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn get_tenant(&self, request: Request<v1::GetTenantRequest>) -> Result<Response<v1::Tenant>, Status> {
        let request_id = grpc_request_id(request.metadata());
        told(self.0.tenants.get(&request.into_inner().name).await, &request_id)
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Result<Response<v1::ListTenantsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(told::tenants(&self.0.tenants.list().catalog), &request_id))
    }

    async fn update_tenant(&self, request: Request<v1::UpdateTenantRequest>) -> Result<Response<v1::Tenant>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("update_tenant", api = "grpc", request_id);
        told(self.0.tenants.update(request.into_inner()).instrument(span).await, &request_id)
    }
}

#[allow(clippy::result_large_err)] // tonic's own error type.
fn told(found: Result<Found, Error>, request_id: &str) -> Result<Response<v1::Tenant>, Status> {
    let found = found.map_err(|why| status(&why))?;
    Ok(named(told::tenant(&found.known.catalog, found.tenant()), request_id))
}
