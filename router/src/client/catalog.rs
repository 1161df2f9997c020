//! Calls that show and change registries, tenants and rules.

use dnc_proto::v1;
use dnc_proto::v1::rule_service_client::RuleServiceClient;
use dnc_proto::v1::tenant_service_client::TenantServiceClient;
use tonic::transport::Channel;

use super::{CHANGES, Client, Error, MAX_ANSWER_BYTES, WRITES, name, registries, unconfirmed};

// === impl Client ===

impl Client {
    /// Makes a registry, or finds the same one.
    pub async fn create_registry(&self, request: v1::CreateRegistryRequest) -> Result<v1::Registry, Error> {
        let send = async |channel, request| registries(channel).create_registry(request).await;
        Ok(self.call(CHANGES, request, send).await?)
    }

    /// All registries.
    pub async fn list_registries(&self) -> Result<v1::ListRegistriesResponse, Error> {
        let send = async |channel, request| registries(channel).list_registries(request).await;
        Ok(self.call(WRITES, v1::ListRegistriesRequest {}, send).await?)
    }

    /// One registry, by its name or number.
    pub async fn get_registry(&self, registry: &str) -> Result<v1::Registry, Error> {
        let send = async |channel, request| registries(channel).get_registry(request).await;
        Ok(self.call(WRITES, v1::GetRegistryRequest { registry: registry.into() }, send).await?)
    }

    /// Changes a registry's settings.
    pub async fn update_registry(&self, request: v1::UpdateRegistryRequest) -> Result<v1::Registry, Error> {
        let send = async |channel, request| registries(channel).update_registry(request).await;
        Ok(self.call(CHANGES, request, send).await?)
    }

    /// Gives a registry up.
    pub async fn retire_registry(&self, registry: &str) -> Result<v1::Registry, Error> {
        let send = async |channel, request| registries(channel).retire_registry(request).await;
        Ok(self.call(CHANGES, v1::RetireRegistryRequest { registry: registry.into() }, send).await?)
    }

    /// Makes a tenant, or finds the same one.
    pub async fn create_tenant(&self, request: v1::CreateTenantRequest) -> Result<v1::Tenant, Error> {
        let send = async |channel, request| tenants(channel).create_tenant(request).await;
        Ok(self.call(CHANGES, request, send).await?)
    }

    /// All tenants.
    pub async fn list_tenants(&self) -> Result<v1::ListTenantsResponse, Error> {
        let send = async |channel, request| tenants(channel).list_tenants(request).await;
        Ok(self.call(WRITES, v1::ListTenantsRequest {}, send).await?)
    }

    /// One tenant.
    pub async fn get_tenant(&self, tenant: &str) -> Result<v1::Tenant, Error> {
        let send = async |channel, request| tenants(channel).get_tenant(request).await;
        Ok(self.call(WRITES, v1::GetTenantRequest { name: tenant.into() }, send).await?)
    }

    /// Changes what a tenant holds and requires.
    pub async fn update_tenant(&self, request: v1::UpdateTenantRequest) -> Result<v1::Tenant, Error> {
        let send = async |channel, request| tenants(channel).update_tenant(request).await;
        Ok(self.call(CHANGES, request, send).await?)
    }

    /// Adds a rule. Makes the request id if there is none.
    pub async fn add_rule(&self, mut request: v1::AddRuleRequest) -> Result<v1::Rule, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| rules(channel).add_rule(request).await;
        self.call(CHANGES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// The rules that hold for this client's tenant, of one type or, if it is empty, all.
    pub async fn list_rules(&self, kind: &str) -> Result<v1::ListRulesResponse, Error> {
        let send = async |channel, request| rules(channel).list_rules(request).await;
        Ok(self.call(WRITES, v1::ListRulesRequest { r#type: kind.into() }, send).await?)
    }

    /// Removes a rule.
    pub async fn remove_rule(&self, id: &str) -> Result<v1::RemoveRuleResponse, Error> {
        let send = async |channel, request| rules(channel).remove_rule(request).await;
        Ok(self.call(CHANGES, v1::RemoveRuleRequest { id: id.into() }, send).await?)
    }
}

fn tenants(channel: Channel) -> TenantServiceClient<Channel> {
    TenantServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

fn rules(channel: Channel) -> RuleServiceClient<Channel> {
    RuleServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
