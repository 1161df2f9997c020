//! Recoveries: what the catalog remembers of shards that lost their majority for good and went on from one replica.
//!
//! Nothing of it is ever forgotten: it says which promises were broken, when, and why. See `docs/adr/0016`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Catalog;
use crate::ids::{NodeId, Position, RequestId, ShardId};

/// Most recoveries of a cluster's life. They are never forgotten, so there must be an end.
pub const MAX_RECOVERIES: usize = 100;

/// Longest reason of a recovery, bytes.
pub const MAX_REASON: usize = 1_024;

/// A shard that is to go on from one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// The shard.
    pub shard: ShardId,
    /// The node with the replica that is left; of several, the one with the newest log.
    pub node: NodeId,
    /// Where its log ended when it was looked at.
    pub last: Position,
    /// The generation of the shard's group by which it was looked at.
    pub generation: u64,
}

/// Shards that went on from one replica each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Names it.
    pub id: RequestId,
    /// In the words of whoever had it done.
    pub why: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// The catalog's revision since then.
    pub revision: u64,
    /// The nodes that were given up, each with the data folder that it had.
    pub lost: BTreeMap<NodeId, u128>,
    /// The shards, with the replicas that they went on from.
    pub shards: Vec<Survivor>,
}

/// The group of a shard that was recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// How often it was.
    pub generation: u64,
    /// The node from which it went on the last time.
    pub survivor: NodeId,
}

/// All recoveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recoveries {
    /// The newest last.
    pub past: Vec<Recovery>,
    /// The groups that were recovered; the others are of generation 0.
    pub lineages: BTreeMap<ShardId, Lineage>,
    /// Replicas that a recovered shard lacks yet, each by the name of the node that had it, or by a name that no node has. A
    /// move from there fills the place.
    pub vacant: BTreeMap<ShardId, Vec<NodeId>>,
}

// === impl Catalog ===

impl Catalog {
    /// The generation of a shard's group. What a replica of another one says does not count.
    pub fn generation(&self, shard: ShardId) -> u64 {
        self.recoveries.lineages.get(&shard).map_or(0, |lineage| lineage.generation)
    }

    /// Where each shard's replicas are or are missing, for plans.
    pub fn places(&self) -> Vec<Vec<NodeId>> {
        let mut places = self.shard_map.replicas.clone();
        for (shard, vacant) in &self.recoveries.vacant {
            if let Some(replicas) = places.get_mut(shard.0 as usize) {
                replicas.extend(vacant);
            }
        }
        places
    }

    /// The nodes of the catalog that a recovery gave up.
    pub fn given_up(&self) -> BTreeSet<NodeId> {
        self.nodes.keys().copied().filter(|node| self.recoveries.gave_up(*node)).collect()
    }
}

// === impl Recoveries ===

impl Recoveries {
    /// How many replicas a shard lacks since it was recovered.
    pub fn lacks(&self, shard: ShardId) -> usize {
        self.vacant.get(&shard).map_or(0, Vec::len)
    }

    /// Whether a recovery gave up this node. Its id is never given again.
    pub fn gave_up(&self, node: NodeId) -> bool {
        self.past.iter().any(|recovery| recovery.lost.contains_key(&node))
    }

    /// The id that the node with this data folder had, if a recovery gave it up.
    pub fn lost(&self, incarnation: u128) -> Option<NodeId> {
        let lost = self.past.iter().flat_map(|recovery| &recovery.lost);
        lost.into_iter().find(|(_, folder)| **folder == incarnation).map(|(node, _)| *node)
    }

    /// The recoveries of a shard.
    pub fn of(&self, shard: ShardId) -> impl Iterator<Item = (&Recovery, &Survivor)> {
        self.past.iter().flat_map(move |recovery| {
            recovery.shards.iter().filter(move |survivor| survivor.shard == shard).map(move |from| (recovery, from))
        })
    }
}
