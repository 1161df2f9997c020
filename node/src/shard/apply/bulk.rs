//! Versions of bulk registries: staged run by run, amended, sealed, given up.

use std::sync::Arc;

use dnc_consensus::{Keyspace, Transition};
use dnc_core::block::BlockId;
use dnc_core::codec;
use dnc_core::command::{Edit, Run, Seal, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, VersionId};

use super::{Done, Stop};
use crate::shard::stage::{self, Difference};
use crate::shard::versions::{self, Key, Mark, MarkState};
use crate::shard::{Resident, Shard, ShardError, keys, limits, records};

/// How far a version has come that takes a command.
enum Begun {
    /// Nothing is known of it yet.
    New,
    /// It takes runs.
    Staging,
    /// It is complete.
    Sealed(Seal),
}

impl Shard {
    pub(super) fn stage(&self, key: Key, ancestry: Vec<VersionId>, run: Run, tx: &mut Transition<'_>) -> Done {
        stage::check(&run, self.id, self.shards)?;
        let changed = self.change(key, ancestry, tx, |parent, staged| stage::compare(run, parent, staged))?;
        Ok(ShardReply::Staged(changed))
    }

    pub(super) fn amend(&self, key: Key, ancestry: Vec<VersionId>, edits: Vec<Edit>, tx: &mut Transition<'_>) -> Done {
        stage::check_edits(&edits, self.id, self.shards)?;
        let each = self.change(key, ancestry, tx, |parent, staged| stage::amend(&edits, parent, staged))?;
        Ok(ShardReply::Amended(each))
    }

    /// Changes what is staged of a version, and says what was counted.
    fn change<T>(
        &self,
        key: Key,
        ancestry: Vec<VersionId>,
        tx: &mut Transition<'_>,
        difference: impl FnOnce(&Resident, &stage::Blocks) -> (Difference, T),
    ) -> Result<T, Stop> {
        let begun = self.begun(key, &ancestry, tx.state())?;
        if let Begun::Sealed(_) = begun {
            return Err(ShardRefusal::Sealed.into());
        }
        let parent = self.parent(key.0, &ancestry, tx.state())?;
        let staged = self.versions.staging(key);
        let (Difference { differs, mut same }, counted) = difference(&parent, &staged);
        same.retain(|id| staged.contains_key(id));
        drop(staged);
        for (id, block) in &differs {
            tx.put(&keys::block(key.0, *id, key.1), block.as_bytes());
        }
        for id in &same {
            tx.delete(&keys::block(key.0, *id, key.1));
        }
        if let Begun::New = begun {
            put_mark(key, &Mark { ancestry, state: MarkState::Staging }, tx);
        }
        tx.commit()?;
        self.versions.staged(key, differs, &same);
        Ok(counted)
    }

    pub(super) fn seal(&self, key: Key, ancestry: Vec<VersionId>, tx: &mut Transition<'_>) -> Done {
        if let Begun::Sealed(seal) = self.begun(key, &ancestry, tx.state())? {
            return Ok(ShardReply::Sealed(seal));
        }
        let parent = self.parent(key.0, &ancestry, tx.state())?;
        let resident = Arc::new(parent.with(self.versions.staging(key).iter()));
        let seal = resident.seal();
        // What is sealed must read back, or a replica that starts again could not answer from it. It would not if the
        // ancestry lacked a version that the parent has blocks of.
        if !versions::reads_back(tx.state(), key, &ancestry, seal)? {
            return Err(ShardRefusal::OtherAncestry.into());
        }
        put_mark(key, &Mark { ancestry, state: MarkState::Sealed(seal) }, tx);
        tx.commit()?;
        self.versions.sealed(key, resident);
        Ok(ShardReply::Sealed(seal))
    }

    pub(super) fn drop_version(&self, key: Key, tx: &mut Transition<'_>) -> Done {
        match versions::read_mark(tx.state(), key)?.map(|mark| mark.state) {
            Some(MarkState::Dropped) => return Ok(ShardReply::Done),
            // It was given up and forgotten before.
            None if key.1 < floor(tx.state(), key.0)? => return Ok(ShardReply::Done),
            None => {}
            Some(MarkState::Staging) => {
                for id in self.versions.staging(key).keys() {
                    tx.delete(&keys::block(key.0, *id, key.1));
                }
            }
            Some(MarkState::Sealed(_)) => {
                let marks = versions::marks_of(tx.state(), key.0)?;
                let is_parent = |mark: &Mark| mark.state == MarkState::Staging && mark.ancestry.first() == Some(&key.1);
                if marks.iter().any(|(_, mark)| is_parent(mark)) {
                    return Err(ShardRefusal::Kept.into());
                }
                // Its blocks stay: other versions may be made of them. A prune deletes those that none needs.
            }
        }
        put_mark(key, &Mark { ancestry: Vec::new(), state: MarkState::Dropped }, tx);
        tx.commit()?;
        self.versions.dropped(key);
        Ok(ShardReply::Done)
    }

    /// How far a version has come. Refused if it was given up, or was begun from others than this says, or cannot be made from them.
    fn begun(&self, key: Key, ancestry: &[VersionId], state: &Keyspace) -> Result<Begun, Stop> {
        limits::versions(ancestry)?;
        if let Some(mark) = versions::read_mark(state, key)? {
            return match mark.state {
                MarkState::Dropped => Err(ShardRefusal::Dropped.into()),
                _ if mark.ancestry != ancestry => Err(ShardRefusal::OtherAncestry.into()),
                MarkState::Staging => Ok(Begun::Staging),
                MarkState::Sealed(seal) => Ok(Begun::Sealed(seal)),
            };
        }
        if key.1 < floor(state, key.0)? {
            return Err(ShardRefusal::Dropped.into());
        }
        let Some((parent, before)) = ancestry.split_first() else {
            return Ok(Begun::New);
        };
        let mark = versions::read_mark(state, (key.0, *parent))?;
        let Some(Mark { ancestry: of_parent, state: MarkState::Sealed(_) }) = mark else {
            return Err(ShardRefusal::NoParent.into());
        };
        // Of the parent's own ancestry the catalog may have forgotten some since; and ids count up, so that the newest
        // of a line is the one with the highest.
        let mut known = of_parent.iter();
        let is_line = before.iter().all(|version| known.any(|of_parent| of_parent == version));
        let counts_down = key.1 > *parent && ancestry.is_sorted_by(|newer, older| newer > older);
        if is_line && counts_down { Ok(Begun::New) } else { Err(ShardRefusal::OtherAncestry.into()) }
    }

    /// The content of the version that a new one is made from: empty for a first version.
    fn parent(&self, registry: RegistryId, ancestry: &[VersionId], state: &Keyspace) -> Result<Arc<Resident>, Stop> {
        let Some(parent) = ancestry.first() else {
            return Ok(Arc::default());
        };
        match self.versions.content(state, (registry, *parent)) {
            Ok(content) => Ok(content),
            Err(ShardError::NotSealed(..)) => Err(ShardRefusal::NoParent.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Versions of the registry below this one that have no mark were given up and forgotten.
pub(super) fn floor(state: &Keyspace, registry: RegistryId) -> Result<VersionId, ShardError> {
    Ok(records::read(state, &keys::floor(registry))?.unwrap_or(VersionId(0)))
}

pub(super) fn put_mark(key: Key, mark: &Mark, tx: &mut Transition<'_>) {
    tx.put(&keys::version(key.0, key.1), &codec::encode(mark));
}

/// Deletes a block of a version.
pub(super) fn delete_block(registry: RegistryId, block: BlockId, version: VersionId, tx: &mut Transition<'_>) {
    tx.delete(&keys::block(registry, block, version));
}
