//! Waits until the replicas have a complete version: only then may it answer checks.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::catalog::ShardMap;
use dnc_core::command::Seal;
use dnc_core::ids::{NodeId, RegistryId, ShardId, VersionId};
use dnc_core::registry::Content;
use tokio::time::Instant;

use super::error::Error;
use crate::cluster::Cluster;
use crate::route::NodeVersionStatus;

/// Time for one round of questions.
const ROUND: Duration = Duration::from_secs(3);
/// Time between the first two rounds; each later one is twice as long as the one before, up to [`PAUSE_MAX`]. What is
/// left to do after a change list takes some milliseconds, after a whole list seconds.
const PAUSE: Duration = Duration::from_millis(25);
/// The longest time between rounds.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// What the replicas must have.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// What each shard sealed, by shard.
    Seals(&'a [Seal]),
    /// What the shards sealed together, as the catalog has it; the replicas of each must agree.
    Together {
        /// Wrapping sum of the shards' checksums.
        checksum: u64,
        /// Numbers in all shards.
        numbers: u64,
    },
}

/// How far the replicas are, together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// All live voters of every shard, a majority at least, have it and agree.
    Ready,
    /// Not yet.
    Waiting(String),
    /// A replica holds something else than its shard sealed.
    Differs { shard: ShardId, node: NodeId },
    /// The shards together hold something else than was sealed.
    OtherSum,
}

/// Waits until all live voters of every shard, a majority at least, have the version, as it was sealed.
pub async fn wait<C: Cluster>(
    cluster: &C,
    (registry, version): (RegistryId, VersionId),
    expected: Expected<'_>,
    deadline: Instant,
) -> Result<(), Error> {
    let mut pause = PAUSE;
    loop {
        let round = deadline.min(Instant::now() + ROUND);
        let statuses = cluster.version_status(registry, version, round).await;
        let map = &cluster.known().catalog.shard_map;
        match standing(map, expected, &statuses) {
            Standing::Ready => return Ok(()),
            Standing::Differs { shard, node } => {
                return Err(Error::NotVerified(format!(
                    "the replica of shard {shard} on node {node} differs from what was sealed"
                )));
            }
            Standing::OtherSum => {
                return Err(Error::NotVerified("the shards hold something else than what was sealed".into()));
            }
            Standing::Waiting(why) if Instant::now() + pause >= deadline => {
                return Err(Error::NotVerified(why));
            }
            Standing::Waiting(_) => tokio::time::sleep(pause).await,
        }
        pause = PAUSE_MAX.min(pause * 2);
    }
}

fn standing(map: &ShardMap, expected: Expected<'_>, statuses: &[NodeVersionStatus]) -> Standing {
    let live: BTreeMap<NodeId, _> =
        statuses.iter().filter_map(|status| Some((status.node, status.result.as_ref().ok()?))).collect();
    let mut waiting = (map.shards() == 0).then(|| "the shards are not placed yet".to_owned());
    let mut sum = Seal { checksum: 0, numbers: 0 };
    for shard in (0..map.shards()).map(ShardId) {
        let voters = map.replicas(shard);
        let mut seal = match expected {
            Expected::Seals(seals) => seals.get(shard.0 as usize).copied(),
            Expected::Together { .. } => None,
        };
        let mut alive = 0;
        for node in voters {
            let Some(versions) = live.get(node) else {
                continue;
            };
            alive += 1;
            let version = versions.iter().find(|version| version.shard == shard.0);
            let Some(version) = version.filter(|version| version.ready) else {
                waiting.get_or_insert_with(|| format!("shard {shard} is not ready on node {node}"));
                continue;
            };
            let found = Seal { checksum: version.checksum, numbers: version.numbers };
            if *seal.get_or_insert(found) != found {
                return Standing::Differs { shard, node: *node };
            }
        }
        if alive * 2 <= voters.len() {
            waiting.get_or_insert_with(|| format!("shard {shard} has no live majority"));
        }
        if let Some(seal) = seal {
            sum.checksum = sum.checksum.wrapping_add(seal.checksum);
            sum.numbers += seal.numbers;
        }
    }
    match expected {
        Expected::Seals(seals) if seals.len() < map.shards() as usize => {
            Standing::Waiting(waiting.unwrap_or_else(|| "not every shard is sealed".into()))
        }
        Expected::Together { checksum, numbers } if waiting.is_none() && sum != (Seal { checksum, numbers }) => {
            Standing::OtherSum
        }
        _ => waiting.map_or(Standing::Ready, Standing::Waiting),
    }
}

// === impl Expected ===

impl Expected<'_> {
    /// What the catalog knows of a sealed version.
    pub fn of(content: &Content) -> Self {
        Expected::Together { checksum: content.checksum, numbers: content.numbers }
    }
}

#[cfg(test)]
mod tests {
    use dnc_proto::internal::ShardVersion;

    use super::*;

    const SEALS: [Seal; 2] = [Seal { checksum: 7, numbers: 70 }, Seal { checksum: 8, numbers: 80 }];

    fn map() -> ShardMap {
        ShardMap { replicas: vec![vec![1, 2, 3], vec![1, 2, 3]] }
    }

    fn version(shard: u32, ready: bool) -> ShardVersion {
        ShardVersion { shard, ready, checksum: SEALS[shard as usize].checksum, numbers: SEALS[shard as usize].numbers }
    }

    fn node(node: NodeId, ready: [bool; 2]) -> NodeVersionStatus {
        NodeVersionStatus { node, result: Ok(vec![version(0, ready[0]), version(1, ready[1])]) }
    }

    fn dead(node: NodeId) -> NodeVersionStatus {
        NodeVersionStatus { node, result: Err("no answer".into()) }
    }

    #[test]
    fn all_live_voters_must_have_it_and_they_must_be_a_majority() {
        let ready = [true, true];
        let all = [node(1, ready), node(2, ready), node(3, ready)];
        assert_eq!(standing(&map(), Expected::Seals(&SEALS), &all), Standing::Ready);
        let two = [node(1, ready), node(2, ready), dead(3)];
        assert_eq!(standing(&map(), Expected::Seals(&SEALS), &two), Standing::Ready);
        let lagging = [node(1, ready), node(2, ready), node(3, [true, false])];
        assert!(matches!(
            standing(&map(), Expected::Seals(&SEALS), &lagging),
            Standing::Waiting(why) if why.contains("node 3")
        ));
        let one = [node(1, ready), dead(2), dead(3)];
        assert!(matches!(standing(&map(), Expected::Seals(&SEALS), &one), Standing::Waiting(_)));
        assert!(matches!(standing(&map(), Expected::Seals(&SEALS[..1]), &all), Standing::Waiting(_)));
    }

    #[test]
    fn where_no_shards_are_placed_nothing_is_ready() {
        let nothing = Expected::Together { checksum: 0, numbers: 0 };
        for expected in [Expected::Seals(&[]), nothing] {
            assert!(matches!(standing(&ShardMap::default(), expected, &[]), Standing::Waiting(_)));
        }
    }

    #[test]
    fn a_live_voter_that_does_not_know_the_shard_is_waited_for() {
        let ready = [true, true];
        let mut all = [node(1, ready), node(2, ready), node(3, ready)];
        all[2].result = Ok(vec![version(0, true)]);
        assert!(matches!(standing(&map(), Expected::Seals(&SEALS), &all), Standing::Waiting(_)));
    }

    #[test]
    fn a_replica_that_holds_something_else_is_found() {
        let ready = [true, true];
        let mut all = [node(1, ready), node(2, ready), node(3, ready)];
        if let Ok(versions) = &mut all[1].result {
            versions[1].checksum = 9;
        }
        assert_eq!(standing(&map(), Expected::Seals(&SEALS), &all), Standing::Differs { shard: ShardId(1), node: 2 });
    }

    #[test]
    fn of_an_older_version_the_replicas_must_agree_and_the_shards_add_up() {
        let all = [node(1, [true, true]), node(2, [true, true]), node(3, [true, true])];
        let together = Expected::Together { checksum: 15, numbers: 150 };
        assert_eq!(standing(&map(), together, &all), Standing::Ready);
        let other = Expected::Together { checksum: 15, numbers: 151 };
        assert_eq!(standing(&map(), other, &all), Standing::OtherSum);
        let mut differing = all.clone();
        if let Ok(versions) = &mut differing[2].result {
            versions[0].checksum = 9;
        }
        assert_eq!(standing(&map(), together, &differing), Standing::Differs { shard: ShardId(0), node: 3 });
    }
}
