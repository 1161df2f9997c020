//! The versions of bulk registries in one shard: those being staged, and those resident.
//!
//! What is on disk decides; this is its picture in memory. A sealed version that no check needs is
//! let go from memory and read again when it is wanted.

mod read;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dnc_consensus::Keyspace;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Seal;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::{codec, view::View};
use dnc_planted::Bug;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

pub use self::read::reads_back;
use self::read::{Content, read_sealed, read_versions};
use super::resident::Resident;
use super::stage::Blocks;
use super::{ShardError, keys, records, scan};

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
    /// Given up; its blocks may be deleted.
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
    staging: HashMap<Key, Arc<Blocks>>,
    resident: HashMap<Key, Arc<Resident>>,
    /// What was read last to compare a load with, and is not resident.
    base: Option<(Key, Arc<Resident>)>,
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
        for (registry, marks) in all_marks(state)? {
            let sought = marks.into_iter().filter(|(version, mark)| match mark.state {
                MarkState::Staging => true,
                MarkState::Sealed(_) => wanted.includes(&(registry, *version)),
                MarkState::Dropped => false,
            });
            for (version, content) in read_versions(state, registry, sought.collect())? {
                match content {
                    Content::Staged(blocks) => drop(staging.insert((registry, version), Arc::new(blocks))),
                    Content::Sealed(read) => drop(resident.insert((registry, version), Arc::new(read))),
                }
            }
        }
        let mut inner = self.inner.write();
        inner.staging = staging;
        inner.resident = resident;
        inner.base = None;
        inner.prepared.clear();
        // Somebody may have wished for something else meanwhile.
        inner.lacking |= inner.wanted != wanted;
        Ok(())
    }

    /// A resident version.
    pub fn resident(&self, key: Key) -> Option<Arc<Resident>> {
        self.inner.read().resident.get(&key).cloned()
    }

    /// A sealed version's content for comparing with: from memory, or read from the keyspace.
    pub fn content(&self, state: &Keyspace, key: Key) -> Result<Arc<Resident>, ShardError> {
        {
            let inner = self.inner.read();
            let base = inner.base.as_ref().filter(|(of, _)| *of == key).map(|(_, base)| base);
            if let Some(known) = inner.resident.get(&key).or(base) {
                return Ok(known.clone());
            }
        }
        match read_mark(state, key)? {
            Some(Mark { ancestry, state: MarkState::Sealed(seal) }) => {
                let read = Arc::new(read_sealed(state, key, &ancestry, seal)?);
                self.inner.write().base = Some((key, read.clone()));
                Ok(read)
            }
            _ => Err(ShardError::NotSealed(key.0, key.1)),
        }
    }

    /// Notes what changed of a version being staged, and what is as the parent has it.
    pub fn staged(&self, key: Key, differs: Vec<(BlockId, Block)>, same: &[BlockId]) {
        let mut inner = self.inner.write();
        let blocks = Arc::make_mut(inner.staging.entry(key).or_default());
        blocks.extend(differs);
        for id in same {
            blocks.remove(id);
        }
    }

    /// Blocks in which a version being staged differs from its parent. To be let go before the next change.
    pub fn staging(&self, key: Key) -> Arc<Blocks> {
        self.inner.read().staging.get(&key).cloned().unwrap_or_default()
    }

    /// A version is complete: it answers from now on.
    pub fn sealed(&self, key: Key, resident: Arc<Resident>) {
        let mut inner = self.inner.write();
        inner.staging.remove(&key);
        inner.resident.insert(key, resident);
        inner.base = None;
        inner.prepared.clear();
    }

    /// A version was given up.
    pub fn dropped(&self, key: Key) {
        let mut inner = self.inner.write();
        inner.staging.remove(&key);
        inner.resident.remove(&key);
        inner.base = None;
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
        let is_here = |key: &Key| inner.resident.contains_key(key) || !dnc_planted::is(Bug::AnswerWithoutVersion);
        let ready: Option<Vec<_>> =
            view.versions().filter(is_here).map(|key| Some((key.0, inner.resident.get(&key)?.clone()))).collect();
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
        let mut failed = None;
        for (registry, marks) in all_marks(state)? {
            let missing = marks.into_iter().filter(|(version, mark)| {
                let key = (registry, *version);
                matches!(mark.state, MarkState::Sealed(_)) && wanted.includes(&key) && self.resident(key).is_none()
            });
            match read_versions(state, registry, missing.collect()) {
                Ok(read) => {
                    for (version, content) in read {
                        if let Content::Sealed(read) = content {
                            self.inner.write().resident.entry((registry, version)).or_insert_with(|| Arc::new(read));
                        }
                    }
                }
                // The log goes on meanwhile: what was given up while it was read is not damaged, and is not looked for the next time.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            None => {
                self.inner.write().lacking = false;
                Ok(())
            }
            Some(error) => Err(error),
        }
    }

    /// What is resident: blocks, their bytes, and numbers. What versions share counts once for each.
    pub fn size(&self) -> (u64, u64, u64) {
        let inner = self.inner.read();
        inner.resident.values().fold((0, 0, 0), |(blocks, bytes, numbers), resident| {
            (blocks + resident.len() as u64, bytes + resident.bytes(), numbers + resident.seal().numbers)
        })
    }
}

/// A version's mark.
pub fn read_mark(state: &Keyspace, key: Key) -> Result<Option<Mark>, ShardError> {
    records::read(state, &keys::version(key.0, key.1))
}

/// The versions of a registry, ascending.
pub fn marks_of(state: &Keyspace, registry: RegistryId) -> Result<Vec<(VersionId, Mark)>, ShardError> {
    let mut marks = Vec::new();
    scan(state, &keys::versions(registry), |key, value| {
        marks.push((keys::parse_version(key)?.1, codec::decode(value)?));
        Ok(())
    })?;
    Ok(marks)
}

fn all_marks(state: &Keyspace) -> Result<BTreeMap<RegistryId, Vec<(VersionId, Mark)>>, ShardError> {
    let mut marks: BTreeMap<RegistryId, Vec<(VersionId, Mark)>> = BTreeMap::new();
    scan(state, &[keys::VERSION], |key, value| {
        let (registry, version) = keys::parse_version(key)?;
        marks.entry(registry).or_default().push((version, codec::decode(value)?));
        Ok(())
    })?;
    Ok(marks)
}
