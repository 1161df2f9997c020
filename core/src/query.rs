//! What can be asked of a shard besides checks: suppressions by their attributes, exemptions, counters.
//!
//! The leader answers, once it has made sure that it still leads, so an answer shows every write
//! that was acknowledged before the question.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockId};
use crate::counts::Counts;
use crate::exemption::Exemption;
use crate::ids::{RegistryId, TenantId, VersionId};
use crate::number::PhoneNumber;
use crate::record::{Record, Table};
use crate::suppression::{Removal, Suppression};

/// Most entries in one page.
pub const MAX_PAGE: u32 = 1_000;

/// One question to a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardQuery {
    /// Suppressions of a tenant, in the order of an index.
    Search(Search),
    /// Exemptions of a number, ended ones included.
    Exemptions {
        /// Whose.
        tenant: TenantId,
        /// Of which number.
        number: PhoneNumber,
    },
    /// Live suppressions in each registry, by tenant.
    Live,
    /// Counters of days.
    Counts {
        /// Of which tenant; none means all.
        tenant: Option<TenantId>,
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// A page of a table, of all tenants, in the order of its keys.
    Table {
        /// Which.
        table: Table,
        /// Where to go on: what the page before ended with.
        after: Option<Vec<u8>>,
    },
    /// Some blocks of a complete version, ascending.
    Blocks {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// The first block that may be among them.
        from: BlockId,
    },
}

/// Which suppressions, in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Whose.
    pub tenant: TenantId,
    /// The index to walk.
    pub by: By,
    /// Only this registry.
    pub registry: Option<RegistryId>,
    /// Where to go on: the place of the last entry of the page before.
    pub after: Option<Vec<u8>>,
    /// Most entries in the answer.
    pub limit: u32,
}

/// An index over suppressions. Each orders its entries in its own way; the order is the same on all shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// By number: those in a range.
    Number {
        /// The first number, E.164 digits.
        first: u64,
        /// The last number.
        last: u64,
    },
    /// By the time they were added, in a range, milliseconds since 1970.
    Added {
        /// From.
        from_ms: u64,
        /// Until, inclusive.
        until_ms: u64,
    },
    /// Those with this very reason, by the time they were added.
    Reason {
        /// The reason.
        reason: String,
        /// From.
        from_ms: u64,
        /// Until, inclusive.
        until_ms: u64,
    },
    /// Those that this person entered, by the time they were added.
    AddedBy {
        /// Who.
        added_by: String,
        /// From.
        from_ms: u64,
        /// Until, inclusive.
        until_ms: u64,
    },
    /// Those that nobody verified since a time, longest ago first.
    NotVerifiedSince {
        /// The time, milliseconds since 1970.
        since_ms: u64,
    },
    /// Those that were removed, by the time of their removal.
    Removed {
        /// From.
        from_ms: u64,
        /// Until, inclusive.
        until_ms: u64,
    },
}

/// What a shard answers to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardAnswer {
    /// Suppressions, in the order of the index.
    Entries {
        /// The entries.
        entries: Vec<Entry>,
        /// Whether there are more.
        more: bool,
    },
    /// Exemptions of a number.
    Exemptions(Vec<(Exemption, Option<Removal>)>),
    /// Live suppressions in each registry, by tenant.
    Live(Vec<(RegistryId, TenantId, u64)>),
    /// Counters of days.
    Counts(Vec<(TenantId, Date, Counts)>),
    /// A page of a table.
    Table {
        /// The entries.
        records: Vec<Record>,
        /// Where to go on; none at the end.
        next: Option<Vec<u8>>,
    },
    /// Blocks of a version.
    Blocks {
        /// The blocks, none of them empty.
        blocks: Vec<(BlockId, Block)>,
        /// The block to go on from; none at the end.
        next: Option<BlockId>,
    },
}

/// One suppression in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the index: greater than that of the entry before, on all shards together.
    pub place: Vec<u8>,
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: RegistryId,
    /// The suppression.
    pub suppression: Suppression,
    /// How it was removed, if it was.
    pub removal: Option<Removal>,
}
