//! One shard's replica: what its log decides, kept in RocksDB and in memory, and the answers that
//! checks get from it.
//!
//! [`machine`] applies the log. [`answer`] is the hot path: it reads the overlay of adds that are in
//! the log but not applied, the live records behind their bloom filter, and the resident blocks. The
//! order of these reads is what the read rule rests on; do not change it without reading
//! docs/adr/0002. Nothing here sends anything or knows other replicas.

mod answer;
mod bloom;
mod entries;
mod keys;
mod machine;
mod overlay;
mod resident;
mod stage;
mod versions;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dnc_consensus::Keyspace;
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use parking_lot::RwLock;

pub use self::answer::{Found, Hit, LiveEntry, Size};
use self::entries::Requests;
use self::overlay::Overlay;
pub use self::resident::Resident;
use self::versions::Versions;
pub use self::versions::Wanted;

/// Why a replica cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// It has not loaded its state yet.
    #[error("the replica is starting")]
    Starting,
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
}

/// A replica of one shard.
pub struct Shard {
    /// Which shard.
    id: ShardId,
    /// How many shards there are: what belongs here depends on it.
    shards: u32,
    /// The replicated state, once loaded.
    state: RwLock<Option<Keyspace>>,
    /// Suppressions in the log that are not applied yet.
    overlay: Overlay,
    /// Says of nearly every number without live entries that it has none.
    bloom: Arc<bloom::Bloom>,
    /// Versions of bulk registries: staged and resident.
    versions: Versions,
    /// Requests applied lately, oldest first.
    requests: parking_lot::Mutex<Requests>,
    /// Newest catalog revision that a barrier in the log names, applied or not.
    barrier: AtomicU64,
    /// Counts the beginnings and ends of loads: odd while one runs. An answer during which it changed is no answer, for
    /// the state that it began with is deleted after a load.
    loads: AtomicU64,
    /// Live entries, for status and sizing.
    live_entries: AtomicU64,
}

// === impl Shard ===

impl Shard {
    /// A replica with nothing loaded; the consensus host loads it before the group starts.
    pub fn new(id: ShardId, shards: u32) -> Arc<Shard> {
        Arc::new(Shard {
            id,
            shards,
            state: RwLock::new(None),
            overlay: Overlay::default(),
            bloom: Arc::new(bloom::Bloom::new(0)),
            versions: Versions::default(),
            requests: parking_lot::Mutex::new(Requests::default()),
            barrier: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            live_entries: AtomicU64::new(0),
        })
    }

    /// Which shard this is a replica of.
    pub fn id(&self) -> ShardId {
        self.id
    }

    fn state(&self) -> Result<Keyspace, ShardError> {
        self.state.read().clone().ok_or(ShardError::Starting)
    }
}

/// Calls `each` for all keys with a prefix, until the end or the first error.
fn scan(
    state: &Keyspace,
    prefix: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ShardError>,
) -> Result<(), ShardError> {
    let mut outcome = Ok(());
    state.scan(prefix, |key, value| match each(key, value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            outcome = Err(error);
            ControlFlow::Break(())
        }
    })?;
    outcome
}
