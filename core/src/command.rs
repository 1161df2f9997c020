//! What is written to a shard's log, and what comes back.
//!
//! Routers make these; nodes apply them. Every command is safe to repeat: a repeated one is
//! recognised by its request id, its version's state or its revision, and changes nothing.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockId};
use crate::counts::Counts;
use crate::exemption::Exemption;
use crate::ids::{RegistryId, RequestId, TenantId, VersionId};
use crate::number::PhoneNumber;
use crate::record::Record;
use crate::suppression::{Removal, Suppression};

/// Most bytes of blocks in one run: a log entry stays under 1 MB.
pub const MAX_RUN_BYTES: usize = 256 << 10;

/// Most entries that one command adds.
pub const MAX_BATCH: usize = 500;

/// Most entries that one sweep ends, and most blocks that one prune looks at.
pub const MAX_SWEEP: u32 = 1_000;

/// One entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardCommand {
    /// Lists a number in a live registry.
    Suppress(Addition),
    /// Lists several numbers, all or none. Each entry has an id of its own.
    SuppressMany {
        /// Names this request.
        request: RequestId,
        /// The entries, at most [`MAX_BATCH`].
        additions: Vec<Addition>,
    },
    /// Removes the entries that it names, and no others; what they were stays readable as a trace.
    Release {
        /// Names this request.
        request: RequestId,
        /// The number.
        number: PhoneNumber,
        /// The live registry.
        registry: RegistryId,
        /// Whose entries.
        tenant: TenantId,
        /// The entries to remove, as the requester saw them.
        entries: Vec<RequestId>,
        /// Who, when, why.
        removal: Removal,
    },
    /// Notes that somebody made sure that entries still hold.
    Verify {
        /// Names this request.
        request: RequestId,
        /// The number.
        number: PhoneNumber,
        /// The live registry.
        registry: RegistryId,
        /// Whose entries.
        tenant: TenantId,
        /// When, milliseconds since 1970.
        verified_ms: u64,
    },
    /// Exempts a number from federal and state listings, for one tenant.
    Grant {
        /// The number.
        number: PhoneNumber,
        /// The exemption; its id is the request's id.
        exemption: Exemption,
    },
    /// Ends the exemptions that it names, and no others; what they were stays readable as a trace.
    Revoke {
        /// Names this request.
        request: RequestId,
        /// The number.
        number: PhoneNumber,
        /// Whose exemptions.
        tenant: TenantId,
        /// The exemptions to end.
        exemptions: Vec<RequestId>,
        /// Who, when, why.
        removal: Removal,
    },
    /// Ends suppressions and exemptions whose time has come.
    Sweep {
        /// A time that a majority of the shard's clocks have reached, milliseconds since 1970.
        now_ms: u64,
        /// Most entries to end.
        limit: u32,
    },
    /// Adds to the counters of a day.
    Count {
        /// Names this request.
        request: RequestId,
        /// Whose checks.
        tenant: TenantId,
        /// The day, UTC.
        day: Date,
        /// What to add.
        counts: Box<Counts>,
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
    /// Stages part of a version as changes of what it is made from.
    Amend {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// The versions that it was made from, newest first.
        ancestry: Vec<VersionId>,
        /// The changes, by block, ascending.
        edits: Vec<Edit>,
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
    /// Deletes blocks that no kept version needs, a part of the registry at a time.
    Prune {
        /// Of which registry.
        registry: RegistryId,
        /// The versions whose content stays.
        keep: Vec<VersionId>,
        /// The first block to look at.
        from: BlockId,
        /// Most blocks to look at.
        limit: u32,
    },
    /// From here on, no check may be judged by a catalog older than this.
    Barrier {
        /// The catalog revision.
        revision: u64,
    },
    /// Takes entries of a backup, at most [`MAX_BATCH`], each with the id, the times and the removal that it had. One
    /// that is there already stays as it is, but for a removal that it lacks.
    Restore {
        /// The entries.
        records: Vec<Record>,
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

/// A number to be listed in a live registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// The number.
    pub number: PhoneNumber,
    /// The live registry.
    pub registry: RegistryId,
    /// The entry; its id is the request's id.
    pub suppression: Suppression,
}

/// What changes in one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The block.
    pub block: BlockId,
    /// Numbers that come in.
    pub add: Block,
    /// Numbers that go. None of them is in `add`.
    pub drop: Block,
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
    /// These suppressions stand.
    SuppressedMany {
        /// How many of them were new.
        added: u64,
    },
    /// How many entries a release removed.
    Released {
        /// Entries removed.
        removed: u64,
    },
    /// How many entries were verified.
    Verified {
        /// Entries verified.
        entries: u64,
    },
    /// The exemption stands.
    Granted {
        /// Its id.
        id: RequestId,
    },
    /// How many exemptions were ended.
    Revoked {
        /// Exemptions ended.
        removed: u64,
    },
    /// How many entries a sweep ended.
    Swept {
        /// Entries ended.
        ended: u64,
        /// Whether more are due.
        more: bool,
    },
    /// How far a prune has come.
    Pruned {
        /// Blocks deleted.
        deleted: u64,
        /// The block to go on from; none at the end.
        next: Option<BlockId>,
        /// Versions of which blocks are still stored, among those looked at.
        holding: Vec<VersionId>,
    },
    /// What a run changed against the parent version.
    Staged(Changed),
    /// The version is complete and resident here.
    Sealed(Seal),
    /// The entries are there.
    Restored {
        /// How many of them were not there before.
        new: u64,
    },
    /// Not done; nothing changed.
    Refused(ShardRefusal),
    /// What each edit changed against the parent version, in their order.
    Amended(Vec<Changed>),
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
    /// A command with more entries than it may have, or with none.
    #[error("a command adds 1 to {0} entries")]
    BadBatch(u32),
    /// A version that another one in the making needs, or that is complete, cannot be dropped.
    #[error("the version is kept")]
    Kept,
    /// A request that was carried out once, and of which an entry was removed since: it does not stand any more.
    #[error(
        "this request was carried out, and its entry was removed since; to list the number again, make a new request"
    )]
    Ended,
    /// A text, the metadata, counters or a list of versions that are longer than they may be.
    #[error("a text, the metadata, the counters or the list of versions is too long")]
    TooLarge,
    /// A version that this shard was told to be made from others.
    #[error("the version was begun here from other versions than this says")]
    OtherAncestry,
    /// A version that is made from one that is not complete here.
    #[error("the version that this one is made from is not complete here")]
    NoParent,
}

// === impl Changed ===

impl std::ops::AddAssign for Changed {
    fn add_assign(&mut self, other: Changed) {
        self.added += other.added;
        self.dropped += other.dropped;
        self.unchanged += other.unchanged;
    }
}
