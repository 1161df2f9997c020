//! A group that has lost its majority for good goes on as another generation of itself, from one replica that is left.
//!
//! A group without a majority can decide nothing, not even who belongs to it. So the decision is made elsewhere, and
//! carried out here on a replica that does not run: its log gets one more entry, which makes this replica the only voter,
//! and its vote says that it led the term of that entry. To Raft this is a leader of a one-voter group that was restarted:
//! it waits for its lease, is elected, commits its log to the end and goes on. No entry is taken away: one that no majority is known to have
//! may have been acknowledged all the same.
//!
//! The members that are believed to be gone would still be a majority of what the group was, and may come back with any
//! term. What keeps them out is the *generation*: every call between replicas names it, and a replica of another
//! generation is refused before anything is read (see `network::service`). It counts up with each recovery, is on disk
//! before the recovered replica can speak, and is kept when a replica is discarded.

use rocksdb::WriteBatch;

use crate::db::{Family, Record};
use crate::error::StoreError;
use crate::log;
use crate::raft_types::{Entry, LogId, Payload, Vote, log_id, position};
use crate::replica::Applied;
use crate::store::Store;
use crate::types::{GroupId, LogPosition, NodeId};

impl Store {
    /// The generation of a group that the replica here belongs to: 0, unless the group was recovered.
    pub(crate) fn generation(&self, group: GroupId) -> Result<u64, StoreError> {
        Ok(self.db().record(group, Record::Generation)?.unwrap_or_default())
    }

    /// Makes the replica `me` of a group that does not run here the only voter of the group's next generation, and returns
    /// the end of its log when that is on disk. Once it is, doing it again changes nothing. Blocks.
    ///
    /// Refused if the replica is not of the generation before, or holds nothing of the group.
    pub(crate) fn recover(&self, group: GroupId, me: NodeId, generation: u64) -> Result<LogPosition, RecoverError> {
        let last = self.end_of(group)?;
        let found = self.generation(group)?;
        if let (true, Some(last)) = (found == generation, last) {
            return Ok(last);
        }
        if found.checked_add(1) != Some(generation) {
            return Err(RecoverError::Generation { group, found, generation });
        }
        let last = last.ok_or(RecoverError::Empty(group))?;
        let db = self.db();
        let vote: Option<Vote> = db.record(group, Record::Vote)?;
        // Above every term that this replica has heard of, in its log or from a candidate.
        let term = vote.map_or(0, |vote| vote.leader_id.term).max(last.term) + 1;
        let at = LogPosition { term, index: last.index + 1 };
        let alone = openraft::Membership::new_with_defaults(vec![[me].into()], []);
        let mut batch = WriteBatch::default();
        if log::last(db, group)?.is_none_or(|entry| entry.log_id.index < last.index) {
            // The state was received, and the log is cut before it only now: an entry after it leaves no gap.
            batch.delete_range_cf(db.family(Family::Log), log::key(group, 0), log::key(group, last.index + 1));
            db.put_record(&mut batch, group, Record::Purged, &log_id(last));
        }
        log::put(db, &mut batch, group, &Entry { log_id: log_id(at), payload: Payload::Membership(alone) });
        db.put_record(&mut batch, group, Record::Vote, &Vote::new_committed(term, me));
        self.put_generation(&mut batch, group, generation);
        self.write_synced(batch)?;
        Ok(at)
    }

    /// Has the replica of a group that does not run here begin a generation with nothing: what it held of an earlier one
    /// is deleted, also what it promised, for it promised that to another group. Blocks.
    pub(crate) fn begin_generation(&self, group: GroupId, generation: u64) -> Result<(), StoreError> {
        let found = self.generation(group)?;
        if found >= generation {
            return Ok(());
        }
        self.discard(group)?;
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.db().family(Family::State), Record::Vote.key(group));
        self.put_generation(&mut batch, group, generation);
        self.write_synced(batch)
    }

    /// Where the log of a group's replica ends: in the log, or before it in what was applied of it.
    fn end_of(&self, group: GroupId) -> Result<Option<LogPosition>, StoreError> {
        let db = self.db();
        let last = log::last(db, group)?.map(|entry| position(&entry.log_id));
        let purged: Option<LogId> = db.record(group, Record::Purged)?;
        let applied: Applied = db.record(group, Record::Applied)?.unwrap_or_default();
        Ok(last.max(applied.at).max(purged.as_ref().map(position)))
    }

    /// The floor goes: below it the replica gave no vote in the generation before, and nobody is asked for one now.
    fn put_generation(&self, batch: &mut WriteBatch, group: GroupId, generation: u64) {
        batch.delete_cf(self.db().family(Family::State), Record::Floor.key(group));
        self.db().put_record(batch, group, Record::Generation, &generation);
    }
}

/// Why a replica does not go on alone.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is here is not what was to go on.
    #[error("the replica of group {group} is of generation {found}, and cannot go on as generation {generation}")]
    Generation {
        /// The group.
        group: GroupId,
        /// The replica's generation.
        found: u64,
        /// The one that it was to begin.
        generation: u64,
    },
    /// There is nothing to go on from.
    #[error("there is nothing of group {0} here to recover it from")]
    Empty(GroupId),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
    use openraft::{EntryPayload, RaftLogReader};

    use super::*;
    use crate::raft_types::Command;
    use crate::testing::{Recorder, replica, store};

    const GROUP: GroupId = GroupId(7);

    fn command(term: u64, index: u64) -> Entry {
        let at = LogPosition { term, index };
        Entry { log_id: log_id(at), payload: EntryPayload::Normal(Command(b"a=1".to_vec())) }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_recovered_replica_keeps_every_entry_and_is_the_only_voter_above_all_terms() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        {
            let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            log.blocking_append((0..5).map(|index| command(3, index))).await.expect("append");
            // It has voted for a candidate since.
            log.save_vote(&Vote::new(9, 2)).await.expect("vote");
        }
        let at = store.recover(GROUP, 1, 1).expect("recovered");
        assert_eq!(at, LogPosition { term: 10, index: 5 });
        assert_eq!(store.recover(GROUP, 1, 1).expect("again"), at, "it is done once");
        let (replica, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
        let entries = log.try_get_log_entries(0..9).await.expect("read");
        assert_eq!(entries.len(), 6);
        assert!(entries[..5].iter().all(|entry| matches!(entry.payload, EntryPayload::Normal(_))));
        let tail = replica.tail.read();
        assert_eq!((tail.last, tail.membership_at), (Some(at), Some(at)));
        assert_eq!(tail.membership.expect("a membership").voters(), BTreeSet::from([1]));
        assert_eq!(log.read_vote().await.expect("vote"), Some(Vote::new_committed(10, 1)));
        assert_eq!(replica.generation, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_replica_whose_state_is_ahead_of_its_log_goes_on_without_a_gap() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        {
            let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            log.blocking_append((0..3).map(|index| command(3, index))).await.expect("append");
        }
        // As a snapshot leaves it whose process ended before the log was cut.
        let mut batch = WriteBatch::default();
        let applied: Applied = store.db().record(GROUP, Record::Applied).expect("read").unwrap_or_default();
        let applied = Applied { at: Some(LogPosition { term: 4, index: 9 }), ..applied };
        store.db().put_record(&mut batch, GROUP, Record::Applied, &applied);
        store.db().write(batch).expect("write");
        let at = store.recover(GROUP, 1, 1).expect("recovered");
        assert_eq!(at, LogPosition { term: 5, index: 10 });
        let (replica, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
        assert_eq!(log.try_get_log_entries(0..99).await.expect("no gap").len(), 1);
        let state = log.get_log_state().await.expect("state");
        assert_eq!((state.last_purged_log_id, state.last_log_id), (applied.at.map(log_id), Some(log_id(at))));
        assert_eq!(replica.tail.read().last, Some(at));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_nothing_or_is_of_another_generation_is_not_recovered() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        assert!(matches!(store.recover(GROUP, 1, 1), Err(RecoverError::Empty(GROUP))));
        let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
        log.blocking_append([command(3, 0)]).await.expect("append");
        let skipped = store.recover(GROUP, 1, 2);
        assert!(matches!(skipped, Err(RecoverError::Generation { found: 0, generation: 2, .. })));
        assert_eq!(
            log.get_log_state().await.expect("state").last_log_id,
            Some(log_id(LogPosition { term: 3, index: 0 }))
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_generation_begins_with_nothing_and_outlives_a_discard() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        {
            let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            log.blocking_append([command(3, 0), command(3, 1)]).await.expect("append");
            log.save_vote(&Vote::new(900, 2)).await.expect("vote");
        }
        store.begin_generation(GROUP, 2).expect("begun");
        {
            let (replica, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            assert_eq!(log.get_log_state().await.expect("state").last_log_id, None);
            assert_eq!(log.read_vote().await.expect("vote"), None, "it promised that to another group");
            assert!(replica.reaches_floor());
            log.blocking_append([command(4, 0)]).await.expect("append");
        }
        store.begin_generation(GROUP, 2).expect("begun before");
        store.begin_generation(GROUP, 1).expect("older");
        let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
        assert_eq!(log.try_get_log_entries(0..9).await.expect("read").len(), 1, "nothing more was deleted");
        store.discard(GROUP).expect("discarded");
        assert_eq!(store.generation(GROUP).expect("read"), 2);
        assert_eq!(store.generation(GroupId(8)).expect("read"), 0);
    }
}
