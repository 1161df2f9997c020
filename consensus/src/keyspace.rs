//! The replicated keys and values of one group, and their epochs.
//!
//! A snapshot is received into a new epoch beside the one in use; when it is complete the group
//! moves over, and the old epoch is deleted when its last reader is gone. So nobody ever reads a
//! half-received or a half-deleted state.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::db::{Db, Family, after_prefix};
use crate::error::StoreError;
use crate::types::GroupId;

/// The state of a group in one epoch. Cheap to clone.
///
/// It stays readable and consistent for as long as it is held, but it does not follow the group
/// into the next epoch: [`Machine::load`] brings a new one, which must then replace it. Whoever
/// keeps an old one reads an old state.
///
/// [`Machine::load`]: crate::Machine::load
#[derive(Clone)]
pub struct Keyspace {
    space: Arc<Space>,
}

struct Space {
    db: Arc<Db>,
    group: GroupId,
    epoch: u64,
    prefix: [u8; PREFIX],
    /// Delete the keys when the last holder is gone.
    doomed: AtomicBool,
}

/// The epochs of a store that somebody holds. A group may stop and start again in one process while
/// readers of its earlier life go on, so both lives share their epochs through this.
pub(crate) struct Epochs {
    db: Arc<Db>,
    /// No epoch with this number, or a higher one, was used by this process.
    next: AtomicU64,
    state: Mutex<EpochsState>,
}

#[derive(Default)]
struct EpochsState {
    in_use: HashMap<GroupId, Weak<Space>>,
    /// Groups whose leftovers of earlier processes are gone.
    cleaned: HashSet<GroupId>,
}

/// Bytes in front of the machine's own keys: group and epoch.
pub(crate) const PREFIX: usize = 16;

// === impl Keyspace ===

impl Keyspace {
    fn new(db: Arc<Db>, group: GroupId, epoch: u64, doomed: bool) -> Self {
        let prefix = prefix(group, epoch);
        Self { space: Arc::new(Space { db, group, epoch, prefix, doomed: AtomicBool::new(doomed) }) }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.space.db.get(Family::Data, &self.full_key(key))
    }

    /// Calls `f` with each key that begins with `prefix` and its value, in key order, until `f`
    /// breaks. What is written meanwhile is not seen.
    pub fn scan(&self, prefix: &[u8], f: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.scan_from(prefix, prefix, f)
    }

    /// The same, from the key `start` on (a whole key, not what follows the prefix).
    pub fn scan_from(
        &self,
        prefix: &[u8],
        start: &[u8],
        mut f: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let from = self.full_key(start.max(prefix));
        let to = after_prefix(&self.full_key(prefix));
        if from >= to {
            return Ok(());
        }
        let mut pairs = self.space.db.range(Family::Data, &from, &to);
        pairs.seek_to_first();
        while let Some((key, value)) = pairs.item() {
            if f(&key[PREFIX..], value).is_break() {
                return Ok(());
            }
            pairs.next();
        }
        pairs.status().map_err(|source| self.space.db.read_failed(source))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.space.epoch
    }

    pub(crate) fn prefix(&self) -> &[u8; PREFIX] {
        &self.space.prefix
    }

    pub(crate) fn db(&self) -> &Arc<Db> {
        &self.space.db
    }

    pub(crate) fn full_key(&self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(PREFIX + key.len());
        full.extend_from_slice(&self.space.prefix);
        full.extend_from_slice(key);
        full
    }
}

// === impl Epochs ===

impl Epochs {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Self { db, next: AtomicU64::new(1), state: Mutex::default() }
    }

    /// The state of a group that starts in this epoch. The first start in this process deletes what
    /// an earlier one left; whatever this one leaves deletes itself.
    pub(crate) fn open(&self, group: GroupId, epoch: u64) -> Result<Keyspace, StoreError> {
        let mut state = self.state.lock();
        if !state.cleaned.contains(&group) {
            let left = delete_other_epochs(&self.db, group, epoch)?;
            if left > 0 {
                tracing::info!(%group, epochs = left, "deleted what an unfinished snapshot had left");
            }
            state.cleaned.insert(group);
        }
        self.next.fetch_max(epoch + 1, Ordering::SeqCst);
        if let Some(space) = state.in_use.get(&group).and_then(Weak::upgrade)
            && space.epoch == epoch
        {
            return Ok(Keyspace { space });
        }
        let keyspace = Keyspace::new(self.db.clone(), group, epoch, false);
        state.in_use.insert(group, Arc::downgrade(&keyspace.space));
        Ok(keyspace)
    }

    /// A number that no epoch of this process has had.
    pub(crate) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// An empty state for a snapshot that is being received. It deletes itself unless the group
    /// moves into it.
    pub(crate) fn begin(&self, group: GroupId) -> Keyspace {
        let epoch = self.next();
        Keyspace::new(self.db.clone(), group, epoch, true)
    }

    /// The group moves into an epoch that was begun: it stays from now on.
    pub(crate) fn keep(&self, new: &Keyspace) {
        new.space.doomed.store(false, Ordering::SeqCst);
        self.state.lock().in_use.insert(new.space.group, Arc::downgrade(&new.space));
    }

    /// The group has left an epoch: it is deleted when its last reader is gone.
    pub(crate) fn leave(&self, old: &Keyspace) {
        old.space.doomed.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("group", &self.space.group).field("epoch", &self.space.epoch).finish()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        if !self.doomed.load(Ordering::SeqCst) {
            return;
        }
        let end = after_prefix(&self.prefix);
        if let Err(error) = self.db.delete_range(Family::Data, &self.prefix, &end) {
            // Not lost: the next start of the group finds and deletes it.
            tracing::warn!(group = %self.group, epoch = self.epoch, %error, "cannot delete a left epoch");
        }
    }
}

/// The bytes in front of the keys of an epoch.
fn prefix(group: GroupId, epoch: u64) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix[..8].copy_from_slice(&group.0.to_be_bytes());
    prefix[8..].copy_from_slice(&epoch.to_be_bytes());
    prefix
}

/// Deletes all epochs of a group but the one in use: what broken transfers and crashes left.
/// Returns how many there were.
pub(crate) fn delete_other_epochs(db: &Db, group: GroupId, in_use: u64) -> Result<usize, StoreError> {
    let end = after_prefix(&group.0.to_be_bytes());
    let mut from = prefix(group, 0).to_vec();
    let mut deleted = 0;
    loop {
        let found = {
            let mut keys = db.range(Family::Data, &from, &end);
            keys.seek_to_first();
            let found = keys.key().map(|key| {
                let epoch = key[8..PREFIX].try_into().expect("eight bytes of every data key");
                u64::from_be_bytes(epoch)
            });
            keys.status().map_err(|source| db.read_failed(source))?;
            found
        };
        let Some(epoch) = found else { return Ok(deleted) };
        let first = prefix(group, epoch);
        let next = after_prefix(&first);
        if epoch != in_use {
            db.delete_range(Family::Data, &first, &next)?;
            deleted += 1;
        }
        from = next;
    }
}

#[cfg(test)]
mod tests {
    use rocksdb::WriteBatch;

    use super::*;
    use crate::config::StoreOptions;

    fn open() -> (tempfile::TempDir, Arc<Db>) {
        let folder = tempfile::tempdir().expect("folder");
        let db = Arc::new(Db::open(folder.path(), &StoreOptions::default()).expect("open"));
        (folder, db)
    }

    fn existing(db: Arc<Db>, group: GroupId, epoch: u64) -> Keyspace {
        Keyspace::new(db, group, epoch, false)
    }

    fn put(space: &Keyspace, keys: &[&[u8]]) {
        let mut batch = WriteBatch::default();
        for key in keys {
            batch.put_cf(space.db().family(Family::Data), space.full_key(key), key);
        }
        space.db().write(batch).expect("write");
    }

    fn keys(space: &Keyspace, prefix: &[u8], start: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let collect = |key: &[u8], value: &[u8]| {
            assert_eq!(key, value);
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        };
        space.scan_from(prefix, start, collect).expect("scan");
        keys
    }

    #[test]
    fn a_scan_stays_inside_its_prefix_group_and_epoch() {
        let (_folder, db) = open();
        let space = existing(db.clone(), GroupId(1), 0);
        put(&space, &[b"a", b"b", b"b\xff", b"b\xff\xff", b"c"]);
        put(&existing(db.clone(), GroupId(1), 1), &[b"b1"]);
        put(&existing(db, GroupId(2), 0), &[b"b2"]);
        assert_eq!(keys(&space, b"b", b"b"), [b"b".to_vec(), b"b\xff".to_vec(), b"b\xff\xff".to_vec()]);
        assert_eq!(keys(&space, b"b", b"b\xff"), [b"b\xff".to_vec(), b"b\xff\xff".to_vec()]);
        assert_eq!(keys(&space, b"b", b"a").len(), 3);
        assert_eq!(keys(&space, b"b", b"c").len(), 0);
        assert_eq!(keys(&space, b"", b"").len(), 5);
        let mut seen = 0;
        let stop = |_: &[u8], _: &[u8]| {
            seen += 1;
            ControlFlow::Break(())
        };
        space.scan(b"", stop).expect("scan");
        assert_eq!(seen, 1);
        assert_eq!(space.get(b"c").expect("get").as_deref(), Some(b"c".as_slice()));
        assert_eq!(space.get(b"d").expect("get"), None);
    }

    #[test]
    fn an_epoch_that_was_left_stays_readable_until_its_last_holder_is_gone() {
        let (_folder, db) = open();
        let epochs = Epochs::new(db.clone());
        let old = epochs.open(GroupId(1), 0).expect("open");
        put(&old, &[b"x"]);
        let reader = old.clone();
        epochs.leave(&old);
        drop(old);
        assert!(reader.get(b"x").expect("get").is_some());
        drop(reader);
        assert!(existing(db, GroupId(1), 0).get(b"x").expect("get").is_none());
    }

    #[test]
    fn a_temporary_epoch_is_deleted_unless_it_is_kept() {
        let (_folder, db) = open();
        let epochs = Epochs::new(db.clone());
        let given_up = epochs.begin(GroupId(1));
        put(&given_up, &[b"x"]);
        drop(given_up);
        let kept = epochs.begin(GroupId(1));
        put(&kept, &[b"x"]);
        epochs.keep(&kept);
        drop(kept);
        assert!(existing(db.clone(), GroupId(1), 1).get(b"x").expect("get").is_none());
        assert!(existing(db, GroupId(1), 2).get(b"x").expect("get").is_some());
    }

    #[test]
    fn leftover_epochs_are_found_and_deleted() {
        let (_folder, db) = open();
        for epoch in [0, 3, 4, u64::MAX] {
            put(&existing(db.clone(), GroupId(1), epoch), &[b"x", b"y"]);
        }
        put(&existing(db.clone(), GroupId(2), 0), &[b"x"]);
        assert_eq!(delete_other_epochs(&db, GroupId(1), 3).expect("delete"), 3);
        assert_eq!(delete_other_epochs(&db, GroupId(1), 3).expect("delete"), 0);
        assert_eq!(keys(&existing(db.clone(), GroupId(1), 3), b"", b"").len(), 2);
        assert_eq!(keys(&existing(db, GroupId(2), 0), b"", b"").len(), 1);
    }

    #[test]
    fn two_lives_of_a_group_share_their_epoch_and_never_use_one_twice() {
        let (_folder, db) = open();
        let epochs = Epochs::new(db.clone());
        let first_life = epochs.open(GroupId(1), 0).expect("open");
        put(&first_life, &[b"x"]);
        let unfinished = epochs.begin(GroupId(1));
        let second_life = epochs.open(GroupId(1), 0).expect("open");
        let received = epochs.begin(GroupId(1));
        assert_ne!(received.epoch(), unfinished.epoch());
        put(&received, &[b"y"]);
        epochs.keep(&received);
        epochs.leave(&second_life);
        drop(second_life);
        drop(unfinished);
        assert!(first_life.get(b"x").expect("get").is_some(), "its reader is not gone");
        drop(first_life);
        assert!(existing(db, GroupId(1), 0).get(b"x").expect("get").is_none());
        assert!(received.get(b"y").expect("get").is_some());
    }
}
