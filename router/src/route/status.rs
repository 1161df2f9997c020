//! How far a version is on the nodes: what an import waits for before it activates one.

use std::time::Duration;

use dnc_core::ids::{NodeId, RegistryId, VersionId};
use dnc_proto::internal as wire;
use futures::future::join_all;
use tokio::time::{Instant, timeout};

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

// === impl Route ===

impl Route {
    /// Asks all nodes of the shard map how far a version is on them.
    pub async fn version_status(
        &self,
        registry: RegistryId,
        version: VersionId,
        deadline: Instant,
    ) -> Vec<NodeVersionStatus> {
        let known = self.known();
        let map = &known.catalog.shard_map;
        let nodes: std::collections::BTreeSet<NodeId> = map.replicas.iter().flatten().copied().collect();
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        join_all(nodes.into_iter().map(|node| {
            let known = known.clone();
            async move {
                let result = async {
                    let mut client =
                        self.inner.nodes.client(&known.catalog, node).map_err(|status| status.message().to_owned())?;
                    let message = wire::VersionStatusRequest { registry: registry.0, version: version.0 };
                    let request = nodes::request(&known.catalog, message, limit);
                    match timeout(limit, client.version_status(request)).await {
                        Ok(Ok(response)) => Ok(response.into_inner().shards),
                        Ok(Err(status)) => Err(status.message().to_owned()),
                        Err(_) => Err("no answer in time".to_owned()),
                    }
                }
                .await;
                NodeVersionStatus { node, result }
            }
        }))
        .await
    }
}
