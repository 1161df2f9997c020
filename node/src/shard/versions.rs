//! The versions of bulk registries in one shard: those being staged, and those resident.
//!
//! What is on disk decides; this is its picture in memory. A sealed version that no check needs is
//! let go from memory and read again when it is wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dnc_consensus::Keyspace;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Seal;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::{codec, view::View};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::resident::Resident;
use super::{ShardError, keys};

/// A version of a registry.
pub type Key = (RegistryId, VersionId);

/// How far a version has come, as the keyspace has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The versions that it was made from, newest first.
    pub ancestry: Vec<VersionId>,
    /// How far.
    pub state: MarkState,
}

/// How far a version has come in this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarkState {
    /// Takes runs.
    Staging,
    /// Complete.
    Sealed(Seal),
    /// Given up; its blocks are deleted.
    Dropped,
}

/// Which sealed versions must be resident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody has said yet: all of them.
    #[default]
    All,
    /// These, and those that the catalog does not know as sealed.
    These {
        /// Versions that a check may ask for.
        asked: BTreeSet<(RegistryId, VersionId)>,
        /// Versions that were sealed once, and that nobody needs to be resident now.
        idle: BTreeSet<(RegistryId, VersionId)>,
    },
}

/// Staged and resident versions.
#[derive(Default)]
pub struct Versions {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    staging: HashMap<Key, BTreeMap<BlockId, Block>>,
    resident: HashMap<Key, Arc<Resident>>,
    wanted: Wanted,
    /// Whether something that is wanted could not be read back: the next wish is tried even if it is the same.
    lacking: bool,
    /// The residents of views that were asked for lately, by the view's revision.
    prepared: Vec<(u64, Prepared)>,
}

/// The residents that a view needs, looked up once.
pub type Prepared = Arc<Vec<(RegistryId, Arc<Resident>)>>;

/// Views kept prepared.
const MAX_PREPARED: usize = 4;

// === impl Wanted ===

impl Wanted {
    fn includes(&self, key: &Key) -> bool {
        match self {
            Wanted::All => true,
            Wanted::These { asked, idle } => asked.contains(key) || !idle.contains(key),
        }
    }
}

// === impl Versions ===

impl Versions {
    /// Reads everything that is wanted from the keyspace, and forgets what was there before.
    pub fn load(&self, state: &Keyspace) -> Result<(), ShardError> {
        let wanted = self.inner.read().wanted.clone();
        let mut staging = HashMap::new();
        let mut resident = HashMap::new();
        for (key, mark) in marks(state)? {
            match mark.state {
                MarkState::Staging => {
                    staging.insert(key, own_blocks(state, key)?);
                }
                MarkState::Sealed(seal) if wanted.includes(&key) => {
                    let read = read_resident(state, key, &mark.ancestry, seal)?;
                    resident.insert(key, Arc::new(read));
                }
                MarkState::Sealed(_) | MarkState::Dropped => {}
            }
        }
        let mut inner = self.inner.write();
        inner.staging = staging;
        inner.resident = resident;
        inner.prepared.clear();
        Ok(())
    }

    /// A resident version.
    pub fn resident(&self, key: Key) -> Option<Arc<Resident>> {
        self.inner.read().resident.get(&key).cloned()
    }

    /// A version's content for comparing with: from memory, or read from the keyspace.
    pub fn content(&self, state: &Keyspace, key: Key) -> Result<Arc<Resident>, ShardError> {
        if let Some(resident) = self.resident(key) {
            return Ok(resident);
        }
        match read_mark(state, key)? {
            Some(Mark { ancestry, state: MarkState::Sealed(seal) }) => {
                Ok(Arc::new(read_resident(state, key, &ancestry, seal)?))
            }
            _ => Err(ShardError::NotSealed(key.0, key.1)),
        }
    }

    /// Notes what a run changed, and what it left as the parent has it.
    pub fn staged(&self, key: Key, differs: Vec<(BlockId, Block)>, same: &[BlockId]) {
        let mut inner = self.inner.write();
        let blocks = inner.staging.entry(key).or_default();
        blocks.extend(differs);
        for id in same {
            blocks.remove(id);
        }
    }

    /// Blocks in which a version being staged differs from its parent.
    pub fn staging(&self, key: Key) -> BTreeMap<BlockId, Block> {
        self.inner.read().staging.get(&key).cloned().unwrap_or_default()
    }

    /// Whether a version being staged has its own content of a block.
    pub fn has_staged(&self, key: Key, block: BlockId) -> bool {
        self.inner.read().staging.get(&key).is_some_and(|blocks| blocks.contains_key(&block))
    }

    /// A version is complete: it answers from now on.
    pub fn sealed(&self, key: Key, resident: Arc<Resident>) {
        let mut inner = self.inner.write();
        inner.staging.remove(&key);
        inner.resident.insert(key, resident);
        inner.prepared.clear();
    }

    /// A version was given up.
    pub fn dropped(&self, key: Key) {
        let mut inner = self.inner.write();
        inner.staging.remove(&key);
        inner.resident.remove(&key);
        inner.prepared.clear();
    }

    /// The residents that a view needs; `None` if one of them is not here.
    pub fn prepared(&self, view: &View) -> Option<Prepared> {
        {
            let inner = self.inner.read();
            if let Some((_, ready)) = inner.prepared.iter().find(|(r, _)| *r == view.revision) {
                return Some(ready.clone());
            }
        }
        let mut inner = self.inner.write();
        let ready: Option<Vec<_>> =
            view.versions().map(|key| Some((key.0, inner.resident.get(&key)?.clone()))).collect();
        let ready = Arc::new(ready?);
        if inner.prepared.len() >= MAX_PREPARED {
            inner.prepared.remove(0);
        }
        inner.prepared.push((view.revision, ready.clone()));
        Some(ready)
    }

    /// Says which sealed versions are wanted: lets go of others, and reads those that are missing.
    pub fn want(&self, state: Option<&Keyspace>, wanted: Wanted) -> Result<(), ShardError> {
        {
            let mut inner = self.inner.write();
            if inner.wanted == wanted && !inner.lacking {
                return Ok(());
            }
            inner.resident.retain(|key, _| wanted.includes(key));
            inner.prepared.clear();
            inner.wanted = wanted.clone();
            inner.lacking = state.is_some();
        }
        let Some(state) = state else {
            return Ok(());
        };
        for (key, mark) in marks(state)? {
            let MarkState::Sealed(seal) = mark.state else {
                continue;
            };
            if wanted.includes(&key) && self.resident(key).is_none() {
                let resident = Arc::new(read_resident(state, key, &mark.ancestry, seal)?);
                self.inner.write().resident.entry(key).or_insert(resident);
            }
        }
        self.inner.write().lacking = false;
        Ok(())
    }

    /// Bytes of blocks and numbers resident; blocks shared between versions count once for each.
    pub fn size(&self) -> (u64, u64) {
        let inner = self.inner.read();
        inner.resident.values().fold((0, 0), |(bytes, numbers), r| (bytes + r.bytes(), numbers + r.seal().numbers))
    }
}

/// A version's mark.
pub fn read_mark(state: &Keyspace, key: Key) -> Result<Option<Mark>, ShardError> {
    state.get(&keys::version(key.0, key.1))?.map(|bytes| codec::decode(&bytes)).transpose().map_err(ShardError::from)
}

fn marks(state: &Keyspace) -> Result<Vec<(Key, Mark)>, ShardError> {
    let mut marks = Vec::new();
    super::scan(state, keys::VERSION, |key, value| {
        marks.push((keys::parse_version(key)?, codec::decode(value)?));
        Ok(())
    })?;
    Ok(marks)
}

/// The blocks that are written under this very version.
fn own_blocks(state: &Keyspace, key: Key) -> Result<BTreeMap<BlockId, Block>, ShardError> {
    let mut blocks = BTreeMap::new();
    super::scan(state, &keys::blocks(key.0), |stored, value| {
        let (id, version) = keys::parse_block(stored)?;
        if version == key.1 {
            blocks.insert(id, Block::from_bytes(value)?);
        }
        Ok(())
    })?;
    Ok(blocks)
}

/// A sealed version's content: of each block what the newest version of the line wrote. Anything
/// but what was sealed is an error: a list with a block missing would answer CLEAR.
fn read_resident(state: &Keyspace, key: Key, ancestry: &[VersionId], seal: Seal) -> Result<Resident, ShardError> {
    let line: BTreeSet<VersionId> = ancestry.iter().copied().chain([key.1]).collect();
    let mut blocks: BTreeMap<BlockId, Block> = BTreeMap::new();
    // Keys are ordered by block and then by version, so a later one of the line replaces an earlier one.
    super::scan(state, &keys::blocks(key.0), |stored, value| {
        let (id, version) = keys::parse_block(stored)?;
        if line.contains(&version) {
            blocks.insert(id, Block::from_bytes(value)?);
        }
        Ok(())
    })?;
    let resident = Resident::new(blocks);
    if resident.seal() == seal { Ok(resident) } else { Err(ShardError::Checksum(key.0, key.1)) }
}
