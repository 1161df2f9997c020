//! Raft's log and vote, on the store that all groups of a process share.
//!
//! Everything is written to RocksDB at once, so that it is readable and in order; what must be on
//! disk before Raft goes on waits for the one thread that syncs for all groups (see `wal_sync`).

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dnc_planted::Bug;
use futures::Stream;
use futures::stream;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use rocksdb::WriteBatch;

use crate::config::READ_BYTES_SOFT;
use crate::db::{Family, Record};
use crate::error::StoreError;
use crate::log;
use crate::raft_types::{Entry, LogId, Types, Vote, membership, position};
use crate::replica::Replica;

/// The log and the vote of one group. All clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    replica: Arc<Replica>,
}

// === impl LogStore ===

impl LogStore {
    pub(crate) fn new(replica: Arc<Replica>) -> Self {
        Self { replica }
    }

    fn write_record<T: serde::Serialize>(&self, record: Record, value: &T) -> Result<(), StoreError> {
        let db = self.replica.store.db();
        let mut batch = WriteBatch::default();
        db.put_record(&mut batch, self.replica.group, record, value);
        db.write(batch)
    }

    fn read_record<T: serde::de::DeserializeOwned>(&self, record: Record) -> Result<Option<T>, StoreError> {
        self.replica.store.db().record(self.replica.group, record)
    }

    fn read(&self, from: u64, to: u64, bytes_soft: usize) -> Result<Vec<Entry>, StoreError> {
        log::read(self.replica.store.db(), self.replica.group, from, to, bytes_soft)
    }

    fn append_now(&self, entries: impl IntoIterator<Item = Entry>) -> Result<(), StoreError> {
        let Replica { group, store, machine, tail, log_bytes, .. } = &*self.replica;
        store.wal().check()?;
        let mut batch = WriteBatch::default();
        let mut memberships = Vec::new();
        let mut last = None;
        let mut bytes = 0;
        for entry in entries {
            let at = position(&entry.log_id);
            bytes += log::put(store.db(), &mut batch, *group, &entry) as u64;
            match &entry.payload {
                // The machine knows of the entry before anyone can: the leader sends it on as soon
                // as it is readable, and readers trust the tail.
                EntryPayload::Normal(command) => machine.appended(at, &command.0),
                EntryPayload::Membership(new) => memberships.push((at, membership(new))),
                EntryPayload::Blank => {}
            }
            last = Some(at);
        }
        store.db().write(batch)?;
        log_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(last) = last {
            tail.appended(last, memberships);
        }
        Ok(())
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        Ok(self.read(from, to, usize::MAX)?)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start, end, READ_BYTES_SOFT)?)
    }

    /// In portions: what is waiting to be applied may be more than memory holds.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        let portions = stream::unfold((self.clone(), from, true), move |(log, from, first)| async move {
            if from >= to {
                return None;
            }
            let group = log.replica.group;
            match log.read(from, to, READ_BYTES_SOFT) {
                Ok(entries) => {
                    let next = entries.last()?.log_id.index + 1;
                    // The log may begin later than the range, but there is no gap inside.
                    if !first && entries[0].log_id.index != from {
                        let what = format!("the log of group {group} has no entry {from}");
                        let error = log.replica.store.db().contradicts(what);
                        return Some((vec![Err(error.into())], (log, to, false)));
                    }
                    Some((entries.into_iter().map(Ok).collect(), (log, next, false)))
                }
                Err(error) => Some((vec![Err(error.into())], (log, to, false))),
            }
        });
        Box::pin(futures::StreamExt::flat_map(portions, |portion: Vec<_>| stream::iter(portion)))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.read_record(Record::Vote)?)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let last = log::last(self.replica.store.db(), self.replica.group)?;
        let last_purged_log_id: Option<LogId> = self.read_record(Record::Purged)?;
        let last_log_id = last.map(|entry| entry.log_id).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.write_record(Record::Vote, vote)?;
        self.replica.store.wal().wait().await
    }

    /// Not synced: an older committed position after a power cut only means that more entries wait
    /// for the leader's word before they are applied again.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        Ok(self.write_record(Record::Committed, &committed)?)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.read_record::<Option<LogId>>(Record::Committed)?.flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.append_now(entries)?;
        if dnc_planted::is(Bug::AcknowledgeBeforeSync) {
            callback.io_completed(Ok(()));
            return Ok(());
        }
        self.replica.store.wal().submit(move |result| callback.io_completed(result));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let Replica { group, store, machine, tail, .. } = &*self.replica;
        let from = last_log_id.as_ref().map_or(0, |last| last.index + 1);
        store.db().delete_range(Family::Log, &log::key(*group, from), &log::end(*group))?;
        // The tail stops naming the entries before the machine forgets them.
        tail.truncated(last_log_id.as_ref().map(position));
        machine.truncated(last_log_id.map_or(0, |last| last.index));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let Replica { group, store, tail, .. } = &*self.replica;
        let mut batch = WriteBatch::default();
        let (from, to) = (log::key(*group, 0), log::key(*group, log_id.index + 1));
        batch.delete_range_cf(store.db().family(Family::Log), from, to);
        store.db().put_record(&mut batch, *group, Record::Purged, &log_id);
        store.db().write(batch)?;
        tail.purged(position(&log_id));
        Ok(())
    }
}

/// A range of indexes as `[from, to)`.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use futures::StreamExt;
    use openraft::storage::{RaftLogStorageExt, RaftStateMachine};

    use super::*;
    use crate::raft_types::{Command, log_id};
    use crate::testing::{Recorder, replica, store};
    use crate::types::LogPosition;

    fn at(term: u64, index: u64) -> LogPosition {
        LogPosition { term, index }
    }

    fn command(term: u64, index: u64, command: &str) -> Entry {
        let payload = EntryPayload::Normal(Command(command.as_bytes().to_vec()));
        Entry { log_id: log_id(at(term, index)), payload }
    }

    fn voters(term: u64, index: u64, voters: &[u64]) -> Entry {
        let voters: BTreeSet<u64> = voters.iter().copied().collect();
        let membership = openraft::Membership::new_with_defaults(vec![voters], []);
        Entry { log_id: log_id(at(term, index)), payload: EntryPayload::Membership(membership) }
    }

    fn overlay(machine: &Recorder) -> Vec<u64> {
        machine.seen.lock().overlay.keys().copied().collect()
    }

    async fn apply(state_machine: &mut crate::state_machine::StateMachine, entries: Vec<Entry>) {
        let entries = entries.into_iter().map(|entry| Ok((entry, None)));
        state_machine.apply(stream::iter(entries)).await.expect("apply");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_overlay_is_what_the_log_has_above_the_applied_position() {
        let folder = tempfile::tempdir().expect("folder");
        let entries = vec![
            voters(0, 0, &[1]),
            command(1, 1, "a=1"),
            command(1, 2, "b=2"),
            voters(1, 3, &[1, 2]),
            command(1, 4, "c=3"),
            command(1, 5, "d=4"),
        ];
        {
            let store = store(&folder);
            let machine = Arc::new(Recorder::default());
            let (replica, mut log, mut state_machine) = replica(&store, 1, machine.clone());
            log.blocking_append(entries.clone()).await.expect("append");
            assert_eq!(overlay(&machine), [1, 2, 4, 5]);
            assert_eq!(replica.tail.read().last, Some(at(1, 5)));
            assert_eq!(replica.tail.read().membership_at, Some(at(1, 3)));
            apply(&mut state_machine, entries[..2].to_vec()).await;
            assert_eq!(overlay(&machine), [2, 4, 5]);
            log.truncate_after(Some(log_id(at(1, 4)))).await.expect("truncate");
            assert_eq!(overlay(&machine), [2, 4]);
            assert_eq!(replica.tail.read().last, Some(at(1, 4)));
        }
        let store = store(&folder);
        let machine = Arc::new(Recorder::default());
        let (replica, mut log, _) = replica(&store, 1, machine.clone());
        assert_eq!(overlay(&machine), [2, 4], "replayed before the group starts");
        assert_eq!(machine.seen.lock().applied, Some(at(1, 1)));
        assert_eq!(replica.tail.read().last, Some(at(1, 4)));
        assert_eq!(replica.tail.read().membership_at, Some(at(1, 3)));
        log.truncate_after(Some(log_id(at(1, 2)))).await.expect("truncate");
        assert_eq!(overlay(&machine), [2]);
        assert_eq!(replica.tail.read().membership_at, Some(at(0, 0)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn long_reads_come_in_portions_and_a_gap_is_damage() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let (_, mut log, _) = replica(&store, 1, Arc::new(Recorder::default()));
        let large = "x".repeat(READ_BYTES_SOFT / 2);
        let entries: Vec<_> = (0..9).map(|index| command(1, index, &large)).collect();
        log.blocking_append(entries).await.expect("append");
        assert_eq!(log.limited_get_log_entries(0, 9).await.expect("read").len(), 2);
        let all: Vec<_> = log.entries_stream(1..9).await.collect().await;
        let indexes: Vec<_> = all.into_iter().map(|entry| entry.expect("entry").log_id.index).collect();
        assert_eq!(indexes, (1..9).collect::<Vec<_>>());
        store
            .db()
            .delete_range(Family::Log, &log::key(crate::GroupId(1), 4), &log::key(crate::GroupId(1), 5))
            .expect("gap");
        assert!(log.try_get_log_entries(0..9).await.is_err());
        let all: Vec<_> = log.entries_stream(0..9).await.collect().await;
        assert!(all.iter().any(Result::is_err));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn groups_do_not_see_each_other() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let (_, mut one, _) = replica(&store, 1, Arc::new(Recorder::default()));
        let (_, mut two, _) = replica(&store, 2, Arc::new(Recorder::default()));
        one.blocking_append([command(1, 0, "a=1")]).await.expect("append");
        two.blocking_append([command(1, 0, "b=1"), command(1, 1, "b=2")]).await.expect("append");
        one.save_vote(&Vote::new(3, 1)).await.expect("vote");
        two.truncate_after(None).await.expect("truncate");
        assert_eq!(one.get_log_state().await.expect("state").last_log_id, Some(log_id(at(1, 0))));
        assert_eq!(two.get_log_state().await.expect("state").last_log_id, None);
        assert_eq!(two.read_vote().await.expect("vote"), None);
    }
}
