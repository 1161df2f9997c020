//! A host's disk: what is written is readable at once, and gone in a power cut unless it was synced before.
//!
//! All writes of a host go through one log, as in the product's RocksDB: of what was not synced, a power cut leaves a
//! prefix, of any length.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dnc_consensus::{GroupId, LogPosition};
use dnc_core::ids::{NodeId, ShardId};
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::SmallRng;

use crate::raft::{Entry, LogId, SnapshotMeta, Vote, position};

/// A disk. Clones are the same disk; it outlives its host's lives.
#[derive(Clone, Default)]
pub struct Disk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// What a reader sees.
    seen: Content,
    /// What survives.
    durable: Content,
    /// Written and not synced, oldest first.
    pending: VecDeque<Write>,
    /// Writes so far.
    written: u64,
}

/// All that a disk holds.
#[derive(Clone, Default)]
pub struct Content {
    /// Raft's part, by group.
    pub groups: BTreeMap<GroupId, GroupContent>,
    /// The revision of the catalog that placed a replica here.
    pub placed: BTreeMap<ShardId, u64>,
    /// The id that this node was given.
    pub node: Option<NodeId>,
    /// A copy of the catalog.
    pub catalog: Vec<u8>,
}

/// What a group has on disk.
#[derive(Clone, Default)]
pub struct GroupContent {
    /// The vote.
    pub vote: Option<Vote>,
    /// The log.
    pub log: BTreeMap<u64, Entry>,
    /// The log is cut up to here.
    pub purged: Option<LogId>,
    /// What is known to be committed.
    pub committed: Option<LogId>,
    /// The state, as it was written last.
    pub saved: Option<Arc<Saved>>,
    /// Where the log of earlier lives ended, if the replica was discarded: below it, it gives no vote.
    pub floor: Option<LogPosition>,
}

/// A state.
pub struct Saved {
    /// Where it is in the log.
    pub meta: SnapshotMeta,
    /// Its keys and values, in order.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// One write.
pub enum Write {
    /// Nothing: to wait for what was written before it.
    Nothing,
    /// Raft's vote.
    Vote(GroupId, Vote),
    /// Entries at the log's end.
    Append(GroupId, Vec<Entry>),
    /// Cuts the log's end: all entries from this index on.
    Truncate(GroupId, u64),
    /// Cuts the log's beginning, this entry included.
    Purge(GroupId, LogId),
    /// What is known to be committed.
    Committed(GroupId, Option<LogId>),
    /// A state.
    Save(GroupId, Arc<Saved>),
    /// A group's log and state are deleted. What the replica promised stays, as in the product: its vote, and a floor.
    Discard(GroupId),
    /// A replica is placed here.
    Place(ShardId, u64),
    /// It is not any more.
    Forget(ShardId),
    /// The id that this node was given.
    Node(NodeId),
    /// A copy of the catalog.
    Catalog(Vec<u8>),
}

// === impl Disk ===

impl Disk {
    /// Writes, and says which write it is.
    pub fn write(&self, write: Write) -> u64 {
        let mut inner = self.inner.lock();
        inner.seen.take(&write);
        inner.pending.push_back(write);
        inner.written += 1;
        inner.written
    }

    /// Reads.
    pub fn read<T>(&self, read: impl FnOnce(&Content) -> T) -> T {
        read(&self.inner.lock().seen)
    }

    /// Reads what a group has.
    pub fn group<T>(&self, group: GroupId, read: impl FnOnce(&GroupContent) -> T) -> T {
        match self.inner.lock().seen.groups.get(&group) {
            Some(content) => read(content),
            None => read(&GroupContent::default()),
        }
    }

    /// Everything up to this write survives from now on.
    pub fn sync(&self, upto: u64) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let oldest = inner.written - inner.pending.len() as u64;
        for _ in oldest..upto {
            let Some(write) = inner.pending.pop_front() else { return };
            inner.durable.take(&write);
        }
    }

    /// Everything that was written survives from now on.
    pub fn sync_all(&self) {
        let written = self.inner.lock().written;
        self.sync(written);
    }

    /// The power fails. Returns how many writes are lost.
    pub fn power_cut(&self, rng: &mut SmallRng) -> usize {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let kept = rng.random_range(0..=inner.pending.len());
        for write in inner.pending.drain(..kept) {
            inner.durable.take(&write);
        }
        let lost = inner.pending.len();
        inner.pending.clear();
        inner.seen = inner.durable.clone();
        lost
    }
}

// === impl Content ===

impl Content {
    fn take(&mut self, write: &Write) {
        match write {
            Write::Nothing => {}
            Write::Vote(id, vote) => self.groups.entry(*id).or_default().vote = Some(*vote),
            Write::Append(id, entries) => {
                let log = &mut self.groups.entry(*id).or_default().log;
                log.extend(entries.iter().map(|entry| (entry.log_id.index, entry.clone())));
            }
            Write::Truncate(id, from) => {
                self.groups.entry(*id).or_default().log.split_off(from);
            }
            Write::Purge(id, upto) => {
                let content = self.groups.entry(*id).or_default();
                content.log = content.log.split_off(&(upto.index + 1));
                content.purged = Some(*upto);
            }
            Write::Committed(id, committed) => self.groups.entry(*id).or_default().committed = *committed,
            Write::Save(id, saved) => self.groups.entry(*id).or_default().saved = Some(saved.clone()),
            Write::Discard(id) => {
                let content = self.groups.entry(*id).or_default();
                let last = content.log.values().next_back().map(|entry| position(&entry.log_id));
                let saved = content.saved.as_ref().and_then(|saved| saved.meta.last_log_id.as_ref().map(position));
                let floor = content.floor.max(last).max(saved).max(content.purged.as_ref().map(position));
                *content = GroupContent { vote: content.vote, floor, ..GroupContent::default() };
            }
            Write::Place(shard, revision) => {
                self.placed.insert(*shard, *revision);
            }
            Write::Forget(shard) => {
                self.placed.remove(shard);
            }
            Write::Node(node) => self.node = Some(*node),
            Write::Catalog(catalog) => self.catalog.clone_from(catalog),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        for seed in 0..20 {
            let disk = Disk::default();
            for revision in 1..=3 {
                disk.write(Write::Place(ShardId(revision), 1));
            }
            disk.sync(2);
            assert_eq!(disk.read(|content| content.placed.len()), 3);
            let lost = disk.power_cut(&mut SmallRng::seed_from_u64(seed));
            let left = disk.read(|content| content.placed.len());
            assert_eq!(left + lost, 3);
            assert!(left >= 2);
            disk.write(Write::Node(1));
            disk.sync_all();
            assert_eq!(disk.power_cut(&mut SmallRng::seed_from_u64(seed)), 0);
        }
    }
}
