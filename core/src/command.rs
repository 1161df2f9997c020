//! What is written to a shard's log, and what comes back.
//!
//! Routers make these; nodes apply them. Every command is safe to repeat: a repeated one is
//! recognised by its request id, its version's state or its revision, and changes nothing.

use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockId};
use crate::ids::{RegistryId, RequestId, VersionId};
use crate::number::PhoneNumber;

/// Most bytes of blocks in one run: a log entry stays under 1 MB.
pub const MAX_RUN_BYTES: usize = 256 << 10;

/// Longest free text in an entry, in bytes.
pub const MAX_TEXT: usize = 1_024;

/// One entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardCommand {
    /// Lists a number in a live registry.
    Suppress {
        /// The number.
        number: PhoneNumber,
        /// The live registry.
        registry: RegistryId,
        /// The entry; its id is the request's id.
        suppression: Suppression,
    },
    /// Removes the entries that it names, and no others.
    Release {
        /// Names this request.
        request: RequestId,
        /// The number.
        number: PhoneNumber,
        /// The live registry.
        registry: RegistryId,
        /// The entries to remove, as the requester saw them.
        entries: Vec<RequestId>,
    },
    /// Stages part of a version.
    Stage {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// The versions that it was made from, newest first.
        ancestry: Vec<VersionId>,
        /// The part.
        run: Run,
    },
    /// Says that all runs of a version are in: it becomes resident, and its checksum is reported.
    Seal {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// The versions that it was made from, newest first.
        ancestry: Vec<VersionId>,
    },
    /// Deletes what was staged of a version that was given up.
    Drop {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
    },
    /// From here on, no check may be judged by a catalog older than this.
    Barrier {
        /// The catalog revision.
        revision: u64,
    },
}

/// The complete content of a range of blocks, as far as they belong to the shard: a block in the range that is not named is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// First block of the range.
    pub first: BlockId,
    /// Last block of the range, inclusive.
    pub last: BlockId,
    /// The blocks that are not empty, in ascending order.
    pub blocks: Vec<(BlockId, Block)>,
}

/// One opt-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Names it: the id of the request that made it.
    pub id: RequestId,
    /// Who asked for it.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// Who entered it.
    pub added_by: String,
    /// When, milliseconds since 1970.
    pub added_ms: u64,
}

/// Who asked for a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The person called.
    Consumer,
    /// The company itself.
    Company,
}

/// What a shard answers to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    /// Nothing more to say.
    Done,
    /// The suppression stands.
    Suppressed {
        /// Its id: that of an earlier request, if this one repeats it.
        id: RequestId,
    },
    /// How many entries a release removed.
    Released {
        /// Entries removed.
        removed: u64,
    },
    /// What a run changed against the parent version.
    Staged(Changed),
    /// The version is complete and resident here.
    Sealed(Seal),
    /// Not done; nothing changed.
    Refused(ShardRefusal),
}

/// Numbers that changed against the parent version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// In this version, not in the parent.
    pub added: u64,
    /// In the parent, not in this version.
    pub dropped: u64,
    /// In both.
    pub unchanged: u64,
}

/// What a sealed version holds in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Wrapping sum of its blocks' checksums.
    pub checksum: u64,
    /// Numbers in it.
    pub numbers: u64,
}

/// Why a shard refused a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ShardRefusal {
    /// A run for a version that is complete.
    #[error("this version is sealed, it takes no more runs")]
    Sealed,
    /// A version that was dropped.
    #[error("this version was given up")]
    Dropped,
    /// A run with blocks out of order, out of range, or of another shard.
    #[error("a run's blocks must be in order, in its range and of this shard")]
    BadRun,
    /// A number whose block is of another shard.
    #[error("this number belongs to another shard")]
    WrongShard,
    /// A request id that named another request: recognising it as that one would leave this one undone.
    #[error("this request id named another request; every request needs its own")]
    RequestReused,
    /// A number with too many entries.
    #[error("a number has at most {0} entries in a registry")]
    TooManyEntries(u32),
}

// === impl Changed ===

impl std::ops::AddAssign for Changed {
    fn add_assign(&mut self, other: Changed) {
        self.added += other.added;
        self.dropped += other.dropped;
        self.unchanged += other.unchanged;
    }
}
