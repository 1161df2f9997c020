//! Ends suppressions and exemptions whose time has come.
//!
//! A clock may be wrong, so a shard is swept by a time that a majority of its replicas' clocks have reached. Every router
//! does this, every few seconds and out of step with the others; what one has ended, another finds ended.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::catalog::ShardMap;
use dnc_core::command::{MAX_SWEEP, ShardCommand, ShardReply};
use dnc_core::ids::{NodeId, ShardId};
use futures::StreamExt;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, can_answer};
use crate::route::NodeReplicas;

/// Time between two rounds: at least, and how much longer at most, by chance.
const PAUSE: Duration = Duration::from_millis(1_500);
const JITTER: Duration = Duration::from_millis(1_000);
/// Time for the nodes to say how they stand, and for the sweeps of one shard.
const LIMIT: Duration = Duration::from_secs(2);
/// Shards that are swept at a time.
const SHARDS_AT_ONCE: usize = 8;
/// Sweeps of one shard in one round; what is left is for the next one.
const SWEEPS: usize = 10;

/// Sweeps until `stop`.
pub async fn run<C: Cluster>(cluster: C, stop: CancellationToken) {
    let sweeping = async {
        loop {
            sleep(PAUSE + JITTER.mul_f64(rand::random_range(0.0..1.0))).await;
            round(&cluster).await;
        }
    };
    let _: Option<()> = stop.run_until_cancelled(sweeping).await;
}

/// Sweeps the shards that are due.
async fn round<C: Cluster>(cluster: &C) {
    let known = cluster.known();
    if !can_answer(&known.catalog) {
        return;
    }
    let nodes = cluster.replicas(Instant::now() + LIMIT).await;
    futures::stream::iter(due(&known.catalog.shard_map, &nodes))
        .map(|(shard, now_ms)| sweep(cluster, shard, now_ms))
        .buffer_unordered(SHARDS_AT_ONCE)
        .for_each(async |()| {})
        .await;
}

async fn sweep<C: Cluster>(cluster: &C, shard: ShardId, now_ms: u64) {
    let deadline = Instant::now() + LIMIT;
    let command = ShardCommand::Sweep { now_ms, limit: MAX_SWEEP };
    for _ in 0..SWEEPS {
        match cluster.write(shard, &command, deadline).await {
            Ok(ShardReply::Swept { ended, more }) => {
                metrics::counter!("dnc_swept_total").increment(ended);
                if !more {
                    return;
                }
            }
            Ok(other) => {
                tracing::error!(shard = shard.0, ?other, "a sweep was answered by something else");
                return;
            }
            // The next round, or another router, tries again.
            Err(error) => {
                tracing::debug!(shard = shard.0, %error, "sweep");
                return;
            }
        }
    }
}

/// The shards of which entries are due, each with the newest time that a majority of its replicas' clocks have reached.
fn due(map: &ShardMap, nodes: &[NodeReplicas]) -> Vec<(ShardId, u64)> {
    let mut clocks: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut first: BTreeMap<u32, u64> = BTreeMap::new();
    for (node, response) in nodes.iter().filter_map(|asked| Some((asked.node, asked.result.as_ref().ok()?))) {
        clocks.insert(node, response.now_ms);
        for replica in response.replicas.iter().filter(|replica| replica.due_ms > 0) {
            let first = first.entry(replica.shard).or_insert(u64::MAX);
            *first = replica.due_ms.min(*first);
        }
    }
    first
        .into_iter()
        .filter_map(|(shard, due_ms)| {
            let shard = ShardId(shard);
            // A replica that does not say what time it is supports none.
            let mut reached: Vec<u64> =
                map.replicas(shard).iter().map(|node| clocks.get(node).copied().unwrap_or(0)).collect();
            reached.sort_unstable_by(|a, b| b.cmp(a));
            let now_ms = *reached.get(reached.len() / 2)?;
            (due_ms <= now_ms).then_some((shard, now_ms))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dnc_proto::internal::{Replica, ReplicasResponse};

    use super::*;
    use crate::testing::Fake;

    fn says(node: NodeId, now_ms: u64, due_ms: u64) -> NodeReplicas {
        let replicas = vec![Replica { shard: 0, due_ms, ..Replica::default() }];
        NodeReplicas { node, result: Ok(ReplicasResponse { node, now_ms, replicas, ..ReplicasResponse::default() }) }
    }

    fn silent(node: NodeId) -> NodeReplicas {
        NodeReplicas { node, result: Err("no answer in time".into()) }
    }

    fn swept(nodes: &[NodeReplicas]) -> Vec<(u32, u64)> {
        let map = ShardMap { replicas: vec![vec![1, 2, 3]] };
        due(&map, nodes).into_iter().map(|(shard, now_ms)| (shard.0, now_ms)).collect()
    }

    #[test]
    fn a_shard_is_swept_by_the_newest_time_that_a_majority_of_clocks_have_reached() {
        assert_eq!(swept(&[says(1, 100, 50), says(2, 90, 50), says(3, 80, 50)]), [(0, 90)]);
        // One clock that runs far ahead ends nothing early, and one that lags holds nothing up.
        assert_eq!(swept(&[says(1, 9_999, 95), says(2, 90, 95), says(3, 80, 95)]), []);
        assert_eq!(swept(&[says(1, 100, 95), says(2, 99, 95), says(3, 0, 95)]), [(0, 99)]);
    }

    #[test]
    fn a_time_that_only_a_minority_tells_ends_nothing() {
        assert_eq!(swept(&[says(1, 100, 50), silent(2), silent(3)]), []);
        assert_eq!(swept(&[says(1, 100, 50), says(2, 90, 50), silent(3)]), [(0, 90)]);
        // A node that holds no replica of the shard has no say.
        assert_eq!(swept(&[says(1, 100, 50), says(8, 90, 50), says(9, 90, 50)]), []);
    }

    #[test]
    fn a_shard_where_nothing_is_due_is_left_alone() {
        assert_eq!(swept(&[says(1, 100, 0), says(2, 100, 0), says(3, 100, 0)]), []);
        assert_eq!(swept(&[says(1, 100, 200), says(2, 100, 200), says(3, 100, 200)]), []);
        // A replica that lags behind in its log may not know yet of what is due first.
        assert_eq!(swept(&[says(1, 100, 200), says(2, 100, 60), says(3, 100, 0)]), [(0, 100)]);
    }

    #[tokio::test]
    async fn a_round_writes_to_the_shards_that_are_due_and_to_no_other() {
        let fake = Fake::founded();
        round(&fake).await;
        assert!(fake.written().is_empty());
        fake.stand(vec![says(1, 100, 50), says(2, 90, 50), says(3, 80, 50)]);
        round(&fake).await;
        let sweep = ShardCommand::Sweep { now_ms: 90, limit: MAX_SWEEP };
        assert_eq!(fake.written(), [(ShardId(0), sweep)]);
    }
}
