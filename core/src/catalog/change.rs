//! What can be proposed to the meta group, and what it answers.

use serde::{Deserialize, Serialize};

use super::{Founding, ShardMap};
use crate::ids::{NodeId, RegistryId, VersionId};
use crate::registry::{BadName, Coverage, RegistryKind};

/// Where a node listens, each as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddresses {
    /// For routers.
    pub service: String,
    /// For the other replicas of its shards.
    pub raft: String,
}

/// One proposal. Each is safe to repeat: the second time it changes nothing and gives the same answer, or is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Settles what a cluster is; the first one counts.
    Found(Founding),
    /// A node joins, or says where it listens now.
    RegisterNode {
        /// Made by the node with its data folder.
        incarnation: u128,
        /// Where it listens.
        addresses: NodeAddresses,
        /// Failure zone.
        zone: String,
    },
    /// Places the shards, once.
    PlaceShards(ShardMap),
    /// Adds a registry.
    CreateRegistry {
        /// Unique name.
        name: String,
        /// Whose numbers it holds.
        kind: RegistryKind,
        /// Country or state code.
        jurisdiction: String,
        /// Days that its lists may be old.
        max_age_days: u16,
    },
    /// Begins a version, made from the active one.
    BeginVersion {
        /// Of which registry.
        registry: RegistryId,
        /// Whoever loads it.
        load: u128,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
    /// Makes a version the one that answers checks.
    Activate {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// What it speaks for, all areas together.
        coverage: Coverage,
        /// Numbers in it.
        numbers: u64,
        /// Wrapping sum of the shards' checksums.
        checksum: u64,
    },
    /// Gives a version up.
    Discard {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
    },
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Done (or had been done before); the catalog's revision since then.
    Done {
        /// The catalog's revision.
        revision: u64,
    },
    /// A node's id.
    Node {
        /// The id.
        id: NodeId,
        /// The catalog's revision.
        revision: u64,
    },
    /// A registry's number.
    Registry {
        /// The number.
        id: RegistryId,
        /// The catalog's revision.
        revision: u64,
    },
    /// A version to load into.
    Version {
        /// The version.
        id: VersionId,
        /// The version that it is made from.
        parent: Option<VersionId>,
        /// The catalog's revision.
        revision: u64,
    },
    /// Not done; nothing changed.
    Refused(Refusal),
}

/// Why a proposal was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No founding yet.
    #[error("the cluster is not founded yet")]
    NotFounded,
    /// A founding that makes no cluster.
    #[error("a cluster has 1 to {max} shards, and 1 to 7 replicas of each on at least as many nodes", max = super::MAX_SHARDS)]
    BadFounding,
    /// The name is taken.
    #[error("a registry with this name exists, and it is another one")]
    NameTaken,
    /// The name is not one.
    #[error("{0}")]
    BadName(String),
    /// Too many of something.
    #[error("the catalog holds as many {0} as it can")]
    Full(String),
    /// No such registry.
    #[error("no such registry")]
    UnknownRegistry,
    /// No such version.
    #[error("no such version")]
    UnknownVersion,
    /// Versions of a live registry, or entries of a bulk one.
    #[error("a registry of type {0} changes entry by entry, it has no versions")]
    LiveRegistry(RegistryKind),
    /// Another version became active since this one began.
    #[error("another version became active since this one began; load it again")]
    Superseded,
    /// The active version cannot be given up.
    #[error("this version answers checks, it cannot be given up")]
    IsActive,
    /// The version was given up.
    #[error("this version was given up")]
    IsDiscarded,
    /// The shards have been placed otherwise.
    #[error("the shards are placed already")]
    AlreadyPlaced,
    /// A shard map that does not fit the founding or names unknown nodes.
    #[error("the shard map does not fit the cluster")]
    BadShardMap,
}

// === impl Refusal ===

impl From<BadName> for Refusal {
    fn from(why: BadName) -> Self {
        Refusal::BadName(why.to_string())
    }
}
