//! `RuleService`.

use dnc_proto::v1;
use dnc_proto::v1::rule_service_server::RuleService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status, tenant};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;

/// Rules over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> RuleService for Service<C> {
    async fn add_rule(&self, request: Request<v1::AddRuleRequest>) -> Result<Response<v1::Rule>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("add_rule", api = "grpc", request_id);
        let added = self.0.rules.add(tenant, request.into_inner()).instrument(span).await;
        let (known, rule) = added.map_err(|why| status(&why))?;
        Ok(named(told::rule(&known.catalog, &rule), &request_id))
    }

    async fn get_rule(&self, request: Request<v1::GetRuleRequest>) -> Result<Response<v1::Rule>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let found = self.0.rules.get(tenant, &request.into_inner().id).await;
        let (known, rule) = found.map_err(|why| status(&why))?;
        Ok(named(told::rule(&known.catalog, &rule), &request_id))
    }

    async fn list_rules(
        &self,
        request: Request<v1::ListRulesRequest>,
    ) -> Result<Response<v1::ListRulesResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let listed = self.0.rules.list(tenant, &request.into_inner().r#type);
        let (known, rules) = listed.map_err(|why| status(&why))?;
        Ok(named(told::rules(&known.catalog, &rules), &request_id))
    }

    async fn remove_rule(
        &self,
        request: Request<v1::RemoveRuleRequest>,
    ) -> Result<Response<v1::RemoveRuleResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let tenant = tenant(&self.0, request.metadata())?;
        let span = tracing::info_span!("remove_rule", api = "grpc", request_id);
        let removed = self.0.rules.remove(tenant, &request.into_inner().id).instrument(span).await;
        let rule = removed.map_err(|why| status(&why))?;
        let rule = Some(told::rule(&self.0.cluster.known().catalog, &rule));
        Ok(named(v1::RemoveRuleResponse { rule }, &request_id))
    }
}
