//! Calls of the cluster's operators.

use std::time::Duration;

use dnc_proto::v1;
use dnc_proto::v1::cluster_service_client::ClusterServiceClient;
use dnc_proto::v1::explain_request::What;
use tonic::transport::Channel;

use super::attempts::Policy;
use super::{CHANGES, Client, Error, MAX_ANSWER_BYTES, WRITES, name, unconfirmed};

/// Plans: nodes are asked how they stand before and after.
const PLANS: Policy =
    Policy { attempt: Duration::from_secs(18), total: Duration::from_secs(40), pause: Duration::from_millis(100) };

// === impl Client ===

impl Client {
    /// Whether the cluster is healthy, why not, and what to do about it.
    pub async fn cluster_status(&self) -> Result<v1::ClusterStatus, Error> {
        let send = async |channel, request| cluster(channel).get_cluster_status(request).await;
        Ok(self.call(WRITES, v1::GetClusterStatusRequest {}, send).await?)
    }

    /// All nodes.
    pub async fn list_nodes(&self) -> Result<v1::ClusterNodes, Error> {
        let send = async |channel, request| cluster(channel).list_nodes(request).await;
        Ok(self.call(WRITES, v1::ListNodesRequest {}, send).await?)
    }

    /// All shards.
    pub async fn list_shards(&self) -> Result<v1::ClusterShards, Error> {
        let send = async |channel, request| cluster(channel).list_shards(request).await;
        Ok(self.call(WRITES, v1::ListShardsRequest {}, send).await?)
    }

    /// The moves that the cluster needs; changes nothing.
    pub async fn preview_plan(&self, request: v1::PreviewPlanRequest) -> Result<v1::PlanPreview, Error> {
        let send = async |channel, request| cluster(channel).preview_plan(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// Has these moves made. Makes the request id if there is none.
    pub async fn apply_plan(&self, mut request: v1::ApplyPlanRequest) -> Result<v1::PlanStarted, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| cluster(channel).apply_plan(request).await;
        self.call(PLANS, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Has a node give its replicas away. Makes the request id if there is none.
    pub async fn drain_node(&self, mut request: v1::DrainNodeRequest) -> Result<v1::PlanStarted, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| cluster(channel).drain_node(request).await;
        self.call(PLANS, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Has the replicas of a lost node made anew. Makes the request id if there is none.
    pub async fn replace_node(&self, mut request: v1::ReplaceNodeRequest) -> Result<v1::PlanStarted, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| cluster(channel).replace_node(request).await;
        self.call(PLANS, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Has a node serve again.
    pub async fn recommission_node(&self, node: u64) -> Result<v1::ClusterNode, Error> {
        let send = async |channel, request| cluster(channel).recommission_node(request).await;
        Ok(self.call(CHANGES, v1::RecommissionNodeRequest { node }, send).await?)
    }

    /// Lets a node go that holds nothing.
    pub async fn retire_node(&self, node: u64) -> Result<v1::NodeRetired, Error> {
        let send = async |channel, request| cluster(channel).retire_node(request).await;
        Ok(self.call(CHANGES, v1::RetireNodeRequest { node }, send).await?)
    }

    /// Begins no more moves of a plan; of whichever is carried out if none is named.
    pub async fn cancel_plan(&self, plan: &str) -> Result<v1::PlanProgress, Error> {
        let send = async |channel, request| cluster(channel).cancel_plan(request).await;
        Ok(self.call(PLANS, v1::CancelPlanRequest { plan_id: plan.into() }, send).await?)
    }

    /// The plan that is carried out, and those that have ended.
    pub async fn plan_history(&self) -> Result<v1::PlanHistory, Error> {
        let send = async |channel, request| cluster(channel).get_plan_history(request).await;
        Ok(self.call(WRITES, v1::GetPlanHistoryRequest {}, send).await?)
    }

    /// Which shards have lost their majority, and what is left of them; changes nothing.
    pub async fn preview_recovery(&self) -> Result<v1::RecoveryPreview, Error> {
        let send = async |channel, request| cluster(channel).preview_recovery(request).await;
        Ok(self.call(WRITES, v1::PreviewRecoveryRequest {}, send).await?)
    }

    /// Has these shards go on without a majority. Makes the request id if there is none.
    pub async fn recover_shards(&self, mut request: v1::RecoverShardsRequest) -> Result<v1::Recovery, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| cluster(channel).recover_shards(request).await;
        self.call(PLANS, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// What a shard, a node or the shard of a number is doing, and what to do about it.
    pub async fn explain(&self, what: What) -> Result<v1::Explanation, Error> {
        let send = async |channel, request| cluster(channel).explain(request).await;
        Ok(self.call(WRITES, v1::ExplainRequest { what: Some(what) }, send).await?)
    }
}

fn cluster(channel: Channel) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
