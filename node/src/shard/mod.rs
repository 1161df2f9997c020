//! One shard's replica: what its log decides, kept in RocksDB and in memory, and the answers that
//! checks get from it.
//!
//! [`machine`] takes the log in, and [`apply`] does what its commands say. [`answer`] is the hot
//! path: it reads the overlay of what is in the log but not applied, the records behind their bloom
//! filter, and the resident blocks. The order of these reads is what the read rule rests on; do not
//! change it without reading docs/adr/0002. [`query`] answers everything else. [`keys`] says how
//! it all is stored. Nothing here sends anything, reads a clock (but to bound its own work) or knows
//! other replicas.

mod answer;
mod apply;
mod bloom;
mod keys;
mod limits;
mod loaded;
mod machine;
mod overlay;
mod prune;
mod query;
mod records;
mod requests;
mod resident;
mod stage;
mod status;
mod tables;
mod versions;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use arc_swap::ArcSwapOption;
use dnc_consensus::Keyspace;
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use parking_lot::Mutex;

pub use self::answer::{ExemptHit, Found, Listed, LiveHit};
pub use self::bloom::Fill;
pub use self::limits::{MAX_ENTRIES, MAX_STANDING};
use self::loaded::Loaded;
use self::overlay::Overlay;
use self::requests::Requests;
pub use self::resident::Resident;
pub use self::status::{Size, Warmed};
use self::versions::Versions;
pub use self::versions::Wanted;

/// Why a replica cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// It has not loaded its state yet.
    #[error("the replica is starting")]
    Starting,
    /// A number of another shard was asked for.
    #[error("a number belongs to another shard")]
    Foreign,
    /// Its log holds an entry, not applied yet, that this program cannot read: it may list a number.
    #[error("log entry {0} cannot be read")]
    Unreadable(u64),
    /// Its state could not be read.
    #[error("read the replica's state")]
    Store(#[from] dnc_consensus::StoreError),
    /// Its state is not what this program writes.
    #[error("decode the replica's state")]
    Decode(#[from] dnc_core::codec::CodecError),
    /// A stored block is not a block.
    #[error("decode a stored block")]
    Block(#[from] dnc_core::block::BlockError),
    /// What is stored of a version is not what was sealed.
    #[error("version {1} of registry {0} is not what was sealed")]
    Checksum(RegistryId, VersionId),
    /// A version that should be complete is not.
    #[error("version {1} of registry {0} is not sealed here")]
    NotSealed(RegistryId, VersionId),
    /// A stored key is not a key.
    #[error("stored key of {0} bytes is malformed")]
    Key(usize),
    /// Records and their counts do not agree.
    #[error("stored records and their indexes do not agree")]
    Index,
    /// A question names a place that its index does not have.
    #[error("this is no place in the index that is asked for")]
    BadPlace,
    /// The answer to a question is larger than an answer may be.
    #[error("the answer would be larger than {0} bytes: ask for less")]
    TooMuch(usize),
    /// Looking took too long.
    #[error("{0} index entries were looked at, and the time is up")]
    TooLong(u64),
}

/// A replica of one shard.
pub struct Shard {
    /// Which shard.
    id: ShardId,
    /// How many shards there are: what belongs here depends on it.
    shards: u32,
    /// The replicated state and the filter in front of it, once loaded.
    loaded: ArcSwapOption<Loaded>,
    /// What is in the log and not applied yet.
    overlay: Overlay,
    /// Versions of bulk registries: staged and resident.
    versions: Versions,
    /// Requests applied lately, oldest first.
    requests: Mutex<Requests>,
    /// Newest catalog revision that a barrier in the log names, applied or not.
    barrier: AtomicU64,
    /// Suppressions that stand, for status.
    live: AtomicI64,
    /// What the filter was good for.
    filtered: Filtered,
}

/// What became of the numbers that checks asked the bloom filter for.
#[derive(Default)]
struct Filtered {
    /// Surely without records.
    misses: AtomicU64,
    /// Let through.
    hits: AtomicU64,
    /// Let through, and without records all the same.
    false_hits: AtomicU64,
}

// === impl Shard ===

impl Shard {
    /// A replica with nothing loaded; the consensus host loads it before the group starts.
    pub fn new(id: ShardId, shards: u32) -> Arc<Shard> {
        Arc::new(Shard {
            id,
            shards,
            loaded: ArcSwapOption::empty(),
            overlay: Overlay::default(),
            versions: Versions::default(),
            requests: Mutex::new(Requests::default()),
            barrier: AtomicU64::new(0),
            live: AtomicI64::new(0),
            filtered: Filtered::default(),
        })
    }

    /// Which shard this is a replica of.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Whether a number belongs to this shard.
    pub fn owns(&self, number: PhoneNumber) -> bool {
        number.block().shard(self.shards) == self.id.0
    }

    /// What was loaded last: it stays readable for as long as it is held.
    fn loaded(&self) -> Result<Arc<Loaded>, ShardError> {
        self.loaded.load_full().ok_or(ShardError::Starting)
    }
}

/// Calls `each` for all keys with a prefix, until the end or the first error.
fn scan(
    state: &Keyspace,
    prefix: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ShardError>,
) -> Result<(), ShardError> {
    scan_from(state, prefix, prefix, |key, value| each(key, value).map(ControlFlow::Continue))
}

/// Calls `each` for the keys with a prefix from `start` on, until it breaks, the end, or the first error.
fn scan_from(
    state: &Keyspace,
    prefix: &[u8],
    start: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ShardError>,
) -> Result<(), ShardError> {
    let mut outcome = Ok(());
    state.scan_from(prefix, start, |key, value| match each(key, value) {
        Ok(flow) => flow,
        Err(error) => {
            outcome = Err(error);
            ControlFlow::Break(())
        }
    })?;
    outcome
}
