//! The catalog: all that the meta group decides. Pure state and pure changes, applied alike by
//! every meta voter, and by every router and node that follows them.
//!
//! Start at [`Catalog::apply`]. Nothing here knows of time, chance or I/O: whoever proposes a
//! change brings them along in it.

mod apply;
mod change;
pub mod moves;
pub mod recoveries;
mod restore;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::change::{Change, Decision, NewRegistry, NodeAddresses, Refusal};
pub use self::moves::{Duty, Move, Moves, PastPlan, Plan, Purpose, Repair};
pub use self::recoveries::{Lineage, Recoveries, Recovery, Survivor};
pub use self::restore::{RestorePart, Restored, Restoring};
use crate::ids::{NodeId, RegistryId, RequestId, ShardId, TenantId, VersionId};
use crate::registry::Registry;
use crate::rule::Rule;
use crate::tenant::Tenant;

/// Most nodes that a catalog holds.
pub const MAX_NODES: usize = 1_000;
/// Most registries that a catalog holds.
pub const MAX_REGISTRIES: usize = 1_000;
/// Most tenants that a catalog holds.
pub const MAX_TENANTS: usize = 1_000;
/// Most shards that a cluster can be founded with.
pub const MAX_SHARDS: u32 = 4_096;

/// Everything that is decided by consensus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Counts the changes made.
    pub revision: u64,
    /// The revision at which something last changed that can change a verdict.
    pub view_revision: u64,
    /// What was settled when the cluster was founded.
    pub founding: Option<Founding>,
    /// Every node that ever joined and was not retired, by id.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Where each shard's replicas are; empty until enough nodes have joined.
    pub shard_map: ShardMap,
    /// Where replicas are going, and what is wanted of nodes.
    pub moves: Moves,
    /// All registries, by number.
    pub registries: BTreeMap<RegistryId, Registry>,
    /// All tenants, by number.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// All rules, by id.
    pub rules: BTreeMap<RequestId, Rule>,
    /// The next ids to give: none is ever given twice.
    pub next: NextIds,
    /// What it will hold, while it is restored from a backup.
    pub restoring: Option<Box<Restoring>>,
    /// The backup that it was restored from, if it was.
    pub restored: Option<Restored>,
    /// Shards that lost their majority for good.
    pub recoveries: Recoveries,
}

/// What is settled once, when a cluster is founded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// Names the cluster: messages of another one are refused.
    pub cluster: u128,
    /// Key of the HMAC under which phone numbers appear in logs.
    pub log_key: [u8; 32],
    /// Number of shards, fixed for good.
    pub shards: u32,
    /// Replicas of each shard.
    pub replication: u32,
    /// Nodes that must have joined before the shards are placed.
    pub initial_nodes: u32,
}

/// One storage process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Made by the node with its data folder: a node that lost its folder is another node.
    pub incarnation: u128,
    /// Where it listens. An address is empty once another node has taken it over.
    pub addresses: NodeAddresses,
    /// Failure zone, for spreading replicas.
    pub zone: String,
}

/// Where each shard's replicas are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// Voters of each shard, by shard number.
    pub replicas: Vec<Vec<NodeId>>,
}

/// Counters of ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextIds {
    /// The last node id given.
    pub node: NodeId,
    /// The last registry number given.
    pub registry: u32,
    /// The last version given, over all registries.
    pub version: u64,
    /// The last tenant number given.
    pub tenant: u32,
}

// === impl Catalog ===

impl Catalog {
    /// Finds a registry by its name.
    pub fn registry_named(&self, name: &str) -> Option<&Registry> {
        self.registries.values().find(|r| r.name == name)
    }

    /// Finds a tenant by its name.
    pub fn tenant_named(&self, name: &str) -> Option<&Tenant> {
        self.tenants.values().find(|t| t.name == name)
    }

    /// The active version of a registry.
    pub fn active(&self, registry: RegistryId) -> Option<VersionId> {
        self.registries.get(&registry)?.active
    }
}

// === impl Node ===

impl Node {
    /// Whether the catalog says where it listens: not if another node has taken its address.
    pub fn is_reachable(&self) -> bool {
        !self.addresses.service.is_empty() && !self.addresses.raft.is_empty()
    }
}

// === impl ShardMap ===

impl ShardMap {
    /// Number of shards that are placed.
    pub fn shards(&self) -> u32 {
        u32::try_from(self.replicas.len()).expect("bounded by MAX_SHARDS")
    }

    /// The voters of a shard.
    pub fn replicas(&self, shard: ShardId) -> &[NodeId] {
        self.replicas.get(shard.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The shards of which a node holds a replica.
    pub fn shards_of(&self, node: NodeId) -> impl Iterator<Item = ShardId> + '_ {
        self.replicas
            .iter()
            .zip(0u32..)
            .filter(move |(replicas, _)| replicas.contains(&node))
            .map(|(_, shard)| ShardId(shard))
    }
}
