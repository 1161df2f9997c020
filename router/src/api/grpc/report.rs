//! `ReportService`.

use dnc_proto::v1;
use dnc_proto::v1::report_service_server::ReportService;
use tonic::{Request, Response, Status};

use super::{named, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::report::{Period, Whose};

/// Reports over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> ReportService for Service<C> {
    async fn get_compliance(
        &self,
        request: Request<v1::ComplianceRequest>,
    ) -> Result<Response<v1::ComplianceReport>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let request = request.into_inner();
        let period = Period::parse(&request.start_date, &request.end_date).map_err(|why| status(&why))?;
        let whose = Whose::asked(tenant, request.all_tenants).map_err(|why| status(&why))?;
        let report = self.0.reports.compliance(whose, period).await.map_err(|why| status(&why))?;
        Ok(named(report, &request_id))
    }

    async fn get_stats(&self, request: Request<v1::StatsRequest>) -> Result<Response<v1::Stats>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let whose = Whose::asked(tenant, request.get_ref().all_tenants).map_err(|why| status(&why))?;
        let stats = self.0.reports.stats(whose).await.map_err(|why| status(&why))?;
        Ok(named(stats, &request_id))
    }

    async fn get_filters(&self, request: Request<v1::FiltersRequest>) -> Result<Response<v1::Filters>, Status> {
        let request_id = grpc_request_id(request.metadata());
        Ok(named(self.0.reports.filters().await, &request_id))
    }

    async fn warm_cache(
        &self,
        request: Request<v1::WarmCacheRequest>,
    ) -> Result<Response<v1::WarmCacheReport>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let report = self.0.reports.warm(request.into_inner().shards).await.map_err(|why| status(&why))?;
        Ok(named(report, &request_id))
    }
}
