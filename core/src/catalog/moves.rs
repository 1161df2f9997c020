//! Plans of moves: what the catalog remembers of replicas on their way from one node to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Catalog;
use crate::ids::{NodeId, RequestId, ShardId};

/// Most moves of one plan.
pub const MAX_MOVES: usize = 16_384;
/// Most plans that are remembered once they have ended.
pub const MAX_HISTORY: usize = 50;
/// Longest reason of a plan, bytes.
pub const MAX_WHY: usize = 256;

/// What an operator wants of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Duty {
    /// It holds replicas, and takes new ones.
    #[default]
    Serving,
    /// It gives its replicas and leaderships away, and takes none.
    Draining,
    /// It is not coming back, or without its data: its replicas are made anew elsewhere.
    Lost,
}

/// How far a node is that has found damage in its data. It comes back without it, under another id: a replica that forgot
/// what it promised must not vote as the one that promised it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Repair {
    /// It waits for the word to give its data up, and serves what it can read until then.
    Waiting,
    /// It may give its data up; nobody counts on it any more.
    Granted,
    /// It has come back as this node, which is to hold its replicas.
    Succeeded(NodeId),
}

/// One replica goes from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// Of which shard.
    pub shard: ShardId,
    /// The node that takes it.
    pub to: NodeId,
    /// The node that gives it up; or the name of a place that is vacant since the shard was recovered.
    pub from: NodeId,
}

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// In words, for people.
    pub why: String,
    /// Bytes a second that each sender of a replica's state may use; 0 for as many as it can.
    pub throttle: u64,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
}

/// The moves that are being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names it.
    pub id: RequestId,
    /// What for.
    pub purpose: Purpose,
    /// The catalog's revision since it was adopted: a node that knows of its part knows at least this.
    pub since: u64,
    /// Moves not done yet, in the order in which they begin. One of a shard at a time.
    pub left: Vec<Move>,
    /// How many were done.
    pub done: u32,
    /// How many were given up, because it was cancelled.
    pub dropped: u32,
    /// No more moves begin; those under way are finished or taken back.
    pub cancelled: bool,
}

/// A plan that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastPlan {
    /// Its name.
    pub id: RequestId,
    /// What it was for.
    pub purpose: Purpose,
    /// How many moves were done.
    pub done: u32,
    /// How many were not, because it was cancelled.
    pub dropped: u32,
    /// When it ended, milliseconds since 1970.
    pub ended_ms: u64,
}

/// Where replicas are going.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// The plan that is being carried out.
    pub plan: Option<Plan>,
    /// Those that have ended, the newest last.
    pub past: Vec<PastPlan>,
    /// Shards whose replicas are not where they were first placed: their groups exist, and are never founded again.
    pub moved: BTreeSet<ShardId>,
    /// What is wanted of each node; those that are not named serve.
    pub duties: BTreeMap<NodeId, Duty>,
    /// Nodes that have found damage in their data, until they are retired.
    pub repairs: BTreeMap<NodeId, Repair>,
}

// === impl Catalog ===

impl Catalog {
    /// What is wanted of a node.
    pub fn duty(&self, node: NodeId) -> Duty {
        self.moves.duties.get(&node).copied().unwrap_or_default()
    }

    /// The node on which a replica of the shard is being made.
    pub fn incoming(&self, shard: ShardId) -> Option<NodeId> {
        self.moves.plan.as_ref()?.current(shard).map(|step| step.to)
    }

    /// The nodes that hold a replica of the shard, or on which one is being made.
    pub fn hosts(&self, shard: ShardId) -> Vec<NodeId> {
        let replicas = self.shard_map.replicas(shard);
        let incoming = self.incoming(shard).filter(|node| !replicas.contains(node));
        replicas.iter().copied().chain(incoming).collect()
    }

    /// The shards that a node hosts.
    pub fn hosted_by(&self, node: NodeId) -> Vec<ShardId> {
        let mut shards: BTreeSet<ShardId> = self.shard_map.shards_of(node).collect();
        if let Some(plan) = &self.moves.plan {
            let to_it = plan.left.iter().filter(|step| step.to == node);
            shards.extend(to_it.filter(|step| plan.current(step.shard) == Some(step)).map(|step| step.shard));
        }
        shards.into_iter().collect()
    }
}

// === impl Plan ===

impl Plan {
    /// The move of a shard that is under way or comes next.
    pub fn current(&self, shard: ShardId) -> Option<&Move> {
        self.left.iter().find(|step| step.shard == shard)
    }

    /// All moves, done or not.
    pub fn total(&self) -> usize {
        self.done as usize + self.dropped as usize + self.left.len()
    }
}
