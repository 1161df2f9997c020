//! The bloom filters as the nodes tell of them, and the warming of what checks read.

use std::time::Duration;

use dnc_proto::{internal as wire, v1};
use tokio::time::Instant;

use super::lists::count;
use super::{Reports, share};
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::route::NodeReplicas;

/// Time for the nodes to read what they hold.
pub const WARM: Duration = Duration::from_secs(60);

// === impl Reports ===

impl<C: Cluster> Reports<C> {
    /// The bloom filters, by node and shard.
    pub async fn filters(&self) -> v1::Filters {
        let nodes = self.cluster.replicas(self.deadline()).await;
        v1::Filters { total: Some(total(&nodes)), nodes: nodes.into_iter().map(node).collect() }
    }

    /// Has the nodes read what checks read into memory; of these shards, or all if there are none.
    pub async fn warm(&self, shards: Vec<u32>) -> Result<v1::WarmCacheReport, Invalid> {
        let there = self.cluster.known().catalog.shard_map.shards();
        if shards.iter().any(|shard| *shard >= there) {
            return Err(Invalid::new("shards", format!("there are {there} shards, the first of them is 0")));
        }
        let mut report = v1::WarmCacheReport::default();
        for asked in self.cluster.warm(shards, Instant::now() + WARM).await {
            let mut node = v1::NodeWarmed { node: asked.node, ..v1::NodeWarmed::default() };
            match asked.result {
                Ok(shards) => {
                    node.shards = count(shards.len());
                    for shard in shards {
                        node.suppressions += shard.suppressions;
                        node.exemptions += shard.exemptions;
                        node.resident_blocks += shard.resident_blocks;
                        node.resident_numbers += shard.resident_numbers;
                        node.bytes += shard.bytes;
                    }
                }
                Err(why) => {
                    node.error = why;
                    report.failed_nodes += 1;
                }
            }
            report.suppressions += node.suppressions;
            report.exemptions += node.exemptions;
            report.bytes += node.bytes;
            report.nodes.push(node);
        }
        Ok(report)
    }
}

/// What all filters did since the nodes started.
pub fn total(nodes: &[NodeReplicas]) -> v1::FilterStats {
    let mut total = v1::FilterStats::default();
    for replica in nodes.iter().filter_map(|node| node.result.as_ref().ok()).flat_map(|response| &response.replicas) {
        total.misses += replica.filter_misses;
        total.hits += replica.filter_hits;
        total.false_hits += replica.filter_false_hits;
    }
    total.hit_rate = share(total.hits, total.hits + total.misses);
    total.false_positive_rate = share(total.false_hits, total.false_hits + total.misses);
    total
}

fn node(asked: NodeReplicas) -> v1::NodeFilters {
    match asked.result {
        Ok(response) => v1::NodeFilters {
            node: asked.node,
            error: String::new(),
            shards: response.replicas.iter().map(shard).collect(),
        },
        Err(error) => v1::NodeFilters { node: asked.node, error, shards: Vec::new() },
    }
}

fn shard(replica: &wire::Replica) -> v1::ShardFilter {
    v1::ShardFilter {
        shard: replica.shard,
        numbers: replica.filter_numbers,
        capacity: replica.filter_capacity,
        estimated_false_positive_rate: replica.filter_false_positives,
        bytes: replica.filter_bytes,
        misses: replica.filter_misses,
        hits: replica.filter_hits,
        false_hits: replica.filter_false_hits,
    }
}
