//! How nodes stand: what an import waits for, what a sweep and a report need to know, and what is warmed.
//!
//! They are asked at once: of an import those of the shard map, how they stand all that have an address. An answer counts for the node that was asked only if it names it.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use dnc_core::ids::{NodeId, RegistryId, VersionId};
use dnc_meta::nodes::Line;
use dnc_proto::internal as wire;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};

use super::{Route, nodes};

/// How long one node may take to answer.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How far a version is on one node.
#[derive(Clone, Debug)]
pub struct NodeVersionStatus {
    /// The node.
    pub node: NodeId,
    /// Of each shard with a replica there; or why the node did not answer.
    pub result: Result<Vec<wire::ShardVersion>, String>,
}

/// How the replicas on one node stand.
#[derive(Clone, Debug)]
pub struct NodeReplicas {
    /// The node.
    pub node: NodeId,
    /// What it says; or why it did not answer.
    pub result: Result<wire::ReplicasResponse, String>,
}

/// What one node read into memory.
#[derive(Clone, Debug)]
pub struct NodeWarmed {
    /// The node.
    pub node: NodeId,
    /// By shard; or why the node did not answer.
    pub result: Result<Vec<wire::Warmed>, String>,
}

// === impl Route ===

impl Route {
    /// Asks all nodes of the shard map how far a version is on them.
    pub async fn version_status(
        &self,
        registry: RegistryId,
        version: VersionId,
        deadline: Instant,
    ) -> Vec<NodeVersionStatus> {
        let message = wire::VersionStatusRequest { registry: registry.0, version: version.0 };
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        let ask = async |mut client: NodeServiceClient<Line>, request| client.version_status(request).await;
        let asked = self
            .ask_all(self.placed(), message, limit, ask, |response: &wire::VersionStatusResponse| response.node)
            .await;
        asked
            .into_iter()
            .map(|(node, result)| NodeVersionStatus { node, result: result.map(|response| response.shards) })
            .collect()
    }

    /// Asks all nodes of the catalog that have an address how their replicas stand.
    pub async fn replicas(&self, deadline: Instant) -> Vec<NodeReplicas> {
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        let ask = async |mut client: NodeServiceClient<Line>, request| client.replicas(request).await;
        let message = wire::ReplicasRequest { checksums: false };
        let asked =
            self.ask_all(self.joined(), message, limit, ask, |response: &wire::ReplicasResponse| response.node).await;
        asked.into_iter().map(|(node, result)| NodeReplicas { node, result }).collect()
    }

    /// Has all nodes of the shard map read what checks read into memory; of these shards, or all if there are none.
    pub async fn warm(&self, shards: Vec<u32>, deadline: Instant) -> Vec<NodeWarmed> {
        let limit = deadline.saturating_duration_since(Instant::now());
        let ask = async |mut client: NodeServiceClient<Line>, request| client.warm(request).await;
        let message = wire::WarmRequest { shards };
        let asked =
            self.ask_all(self.placed(), message, limit, ask, |response: &wire::WarmResponse| response.node).await;
        asked
            .into_iter()
            .map(|(node, result)| NodeWarmed { node, result: result.map(|response| response.shards) })
            .collect()
    }

    /// Whether an answer is from the node that was asked. If not, the connection leads to another one and is given up.
    pub(super) fn is_from(&self, asked: NodeId, answered: NodeId) -> bool {
        if asked != answered {
            tracing::warn!(asked, answered, "another node answers at this node's address");
            metrics::counter!("dnc_router_wrong_node_total").increment(1);
            self.inner.nodes.disconnect(asked);
        }
        asked == answered
    }

    /// The nodes of the shard map.
    fn placed(&self) -> BTreeSet<NodeId> {
        self.known().catalog.shard_map.replicas.iter().flatten().copied().collect()
    }

    /// All nodes that can be asked, with replicas or without.
    fn joined(&self) -> BTreeSet<NodeId> {
        let known = self.known();
        known.catalog.nodes.values().filter(|node| node.is_reachable()).map(|node| node.id).collect()
    }

    async fn ask_all<M: Clone, R, F>(
        &self,
        asked: BTreeSet<NodeId>,
        message: M,
        limit: Duration,
        ask: impl Fn(NodeServiceClient<Line>, Request<M>) -> F,
        node_of: fn(&R) -> NodeId,
    ) -> Vec<(NodeId, Result<R, String>)>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let known = self.known();
        let (ask, known, message) = (&ask, &known, &message);
        join_all(asked.into_iter().map(|node| async move {
            let answered = async {
                let client = self.inner.nodes.client(&known.catalog, node).map_err(|s| s.message().to_owned())?;
                let request = nodes::request(&known.catalog, node, message.clone(), limit);
                match timeout(limit, ask(client, request)).await {
                    Ok(Ok(response)) => Ok(response.into_inner()),
                    Ok(Err(status)) => Err(status.message().to_owned()),
                    Err(_) => Err("no answer in time".to_owned()),
                }
            };
            let result = answered.await.and_then(|response| {
                let answered = node_of(&response);
                let why = || format!("node {answered} answers at the address of node {node}");
                if self.is_from(node, answered) { Ok(response) } else { Err(why()) }
            });
            (node, result)
        }))
        .await
    }
}
