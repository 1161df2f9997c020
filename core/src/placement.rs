//! Where shards go: planned on a consistent-hash ring, before they are placed; never on a check's path.
//!
//! `hashring` has no virtual nodes and neither knows zones nor loads, so this module puts many
//! points per node on it, walks it, and takes the first nodes that keep zones apart and loads even.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};

use hashring::HashRing;
use xxhash_rust::xxh3::Xxh3;

use crate::catalog::ShardMap;
use crate::ids::NodeId;

/// Points of each node on the ring: enough to spread neighbours, few enough to plan in milliseconds.
const POINTS: u32 = 64;

/// A node that can take replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub node: NodeId,
    /// Its failure zone.
    pub zone: String,
}

/// Why shards cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{replication} replicas of a shard need as many nodes, and there are {nodes}")]
pub struct TooFewNodes {
    /// Replicas wanted.
    pub replication: u32,
    /// Nodes there are.
    pub nodes: usize,
}

/// Plans the replicas of all shards. The same candidates, in any order, give the same plan.
///
/// Zones are kept apart as far as there are enough of them. No node takes more than its even
/// share of replicas, rounded up, unless zones or distinctness leave no other.
pub fn plan(candidates: &[Candidate], shards: u32, replication: u32) -> Result<ShardMap, TooFewNodes> {
    let zones: BTreeMap<NodeId, &str> = candidates.iter().map(|c| (c.node, c.zone.as_str())).collect();
    if zones.len() < replication as usize {
        return Err(TooFewNodes { replication, nodes: zones.len() });
    }
    let mut ring: HashRing<(NodeId, u32), Stable> = HashRing::with_hasher(Stable);
    ring.batch_add(zones.keys().flat_map(|node| (0..POINTS).map(move |point| (*node, point))).collect());
    let share = (shards as usize * replication as usize).div_ceil(zones.len());
    let mut load: BTreeMap<NodeId, usize> = zones.keys().map(|node| (*node, 0)).collect();
    let mut replicas = Vec::with_capacity(shards as usize);
    for shard in 0..shards {
        let points = ring.get_with_replicas(&shard, ring.len() - 1).unwrap_or_default();
        let mut order = Vec::with_capacity(zones.len());
        let mut seen = BTreeSet::new();
        for (node, _) in points {
            if seen.insert(node) {
                order.push(node);
            }
        }
        let chosen = choose(&order, &zones, &load, share, replication as usize);
        for node in &chosen {
            *load.entry(*node).or_default() += 1;
        }
        replicas.push(chosen);
    }
    Ok(ShardMap { replicas })
}

/// Takes nodes in ring order; the rules are given up one by one, the dearest last: zones apart, then an even load.
fn choose(
    order: &[NodeId],
    zones: &BTreeMap<NodeId, &str>,
    load: &BTreeMap<NodeId, usize>,
    share: usize,
    replication: usize,
) -> Vec<NodeId> {
    let mut chosen: Vec<NodeId> = Vec::with_capacity(replication);
    // Where the load cannot be even, the least loaded goes first: then nobody gets much more than its share.
    let mut by_load = order.to_vec();
    by_load.sort_by_key(|node| load[node]);
    for (apart, even) in [(true, true), (true, false), (false, true), (false, false)] {
        for node in if even { order } else { &by_load } {
            let full = chosen.len() == replication || chosen.contains(node);
            let zone_taken = apart && chosen.iter().any(|other| zones[other] == zones[node]);
            let loaded = even && load[node] >= share;
            if !full && !zone_taken && !loaded {
                chosen.push(*node);
            }
        }
    }
    chosen
}

/// XXH3 with a fixed seed: a plan must not depend on the process that makes it.
#[derive(Clone, Copy, Debug, Default)]
struct Stable;

impl BuildHasher for Stable {
    type Hasher = Xxh3Hasher;

    fn build_hasher(&self) -> Xxh3Hasher {
        Xxh3Hasher(Xxh3::new())
    }
}

struct Xxh3Hasher(Xxh3);

impl Hasher for Xxh3Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates(zones: &[usize]) -> Vec<Candidate> {
        zones.iter().zip(1u64..).map(|(zone, node)| Candidate { node, zone: format!("z{zone}") }).collect()
    }

    #[test]
    fn too_few_nodes_is_an_error() {
        assert_eq!(plan(&candidates(&[0, 0]), 16, 3), Err(TooFewNodes { replication: 3, nodes: 2 }));
    }

    #[test]
    fn three_zones_of_two_nodes_each_hold_one_replica_of_each_shard() {
        let candidates = candidates(&[0, 0, 1, 1, 2, 2]);
        let map = plan(&candidates, 64, 3).expect("enough nodes");
        for replicas in &map.replicas {
            let zones: BTreeSet<_> = replicas.iter().map(|node| candidates[*node as usize - 1].zone.clone()).collect();
            assert_eq!(zones.len(), 3);
        }
    }

    proptest! {
        #[test]
        fn every_plan_is_distinct_complete_even_and_repeatable(
            zones in proptest::collection::vec(0usize..3, 3..9),
            shards in 1u32..64,
        ) {
            let mut candidates = candidates(&zones);
            let map = plan(&candidates, shards, 3).expect("three nodes at least");
            prop_assert_eq!(map.shards(), shards);
            let mut load: BTreeMap<NodeId, usize> = BTreeMap::new();
            for replicas in &map.replicas {
                prop_assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
                for node in replicas {
                    *load.entry(*node).or_default() += 1;
                }
            }
            if zones.iter().collect::<BTreeSet<_>>().len() == 1 {
                let share = (shards as usize * 3).div_ceil(zones.len());
                prop_assert!(load.values().all(|l| *l <= share + 1));
            }
            candidates.reverse();
            prop_assert_eq!(plan(&candidates, shards, 3).expect("again"), map);
        }
    }
}
