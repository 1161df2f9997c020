//! Giving a replica up: its log and its state are deleted, its vote is not.
//!
//! A replica that voted, was removed, and is made anew in the same process would be another voter under the same id:
//! it could vote twice in a term, or for a candidate whose log is older than the one that it had. So what it promised
//! stays: its vote, and as a floor the end of the log that it had. Below its floor a replica gives no vote.

use rocksdb::WriteBatch;

use crate::db::{Family, Record, after_prefix};
use crate::error::StoreError;
use crate::log;
use crate::raft_types::{LogId, position};
use crate::replica::Applied;
use crate::store::Store;
use crate::types::{GroupId, LogPosition};

impl Store {
    /// Deletes the log and the state of a group of which nothing runs here (see `Host::discard_group`), and returns when
    /// that is on disk. Blocks.
    ///
    /// What another thread still reads of the state is gone for it too.
    pub(crate) fn discard(&self, group: GroupId) -> Result<(), StoreError> {
        let db = self.db();
        let purged: Option<LogId> = db.record(group, Record::Purged)?;
        let applied: Applied = db.record(group, Record::Applied)?.unwrap_or_default();
        let last = log::last(db, group)?.map(|entry| position(&entry.log_id));
        let floor = self.floor(group)?.max(last).max(applied.at).max(purged.as_ref().map(position));
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(db.family(Family::Log), log::key(group, 0), log::end(group));
        let prefix = group.0.to_be_bytes();
        batch.delete_range_cf(db.family(Family::Data), prefix.to_vec(), after_prefix(&prefix));
        for record in [Record::Committed, Record::Purged, Record::Membership] {
            batch.delete_cf(db.family(Family::State), record.key(group));
        }
        // An epoch of its own, so that whoever holds the old state never sees the new one.
        let emptied = Applied { epoch: self.epochs().next(), at: None };
        db.put_record(&mut batch, group, Record::Applied, &emptied);
        db.put_record(&mut batch, group, Record::Floor, &floor);
        self.write_synced(batch)
    }

    /// Where the log of this replica's earlier lives ended.
    pub(crate) fn floor(&self, group: GroupId) -> Result<Option<LogPosition>, StoreError> {
        Ok(self.db().record::<Option<LogPosition>>(group, Record::Floor)?.flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
    use openraft::{EntryPayload, RaftLogReader};

    use super::*;
    use crate::error::HostError;
    use crate::raft_types::{Command, Entry, Vote, log_id};
    use crate::replica::Replica;
    use crate::testing::{Recorder, contents, replica, store};

    fn command(index: u64) -> Entry {
        let at = LogPosition { term: 3, index };
        Entry { log_id: log_id(at), payload: EntryPayload::Normal(Command(b"a=1".to_vec())) }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_discarded_replica_is_empty_and_votes_only_with_the_log_that_it_had() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let vote = Vote::new(3, 1);
        {
            let (replica, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            assert!(replica.reaches_floor());
            log.save_vote(&vote).await.expect("vote");
            log.blocking_append((0..5).map(command).collect::<Vec<_>>()).await.expect("append");
        }
        store.discard(GroupId(7)).expect("discarded");
        store.discard(GroupId(7)).expect("discarded again");
        let (replica, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
        assert_eq!(log.get_log_state().await.expect("state").last_log_id, None);
        assert_eq!(log.read_vote().await.expect("vote"), Some(vote));
        assert!(contents(&replica.state()).is_empty());
        for (upto, reaches) in [(4, false), (5, true)] {
            let from = log.get_log_state().await.expect("state").last_log_id.map_or(0, |last| last.index + 1);
            log.blocking_append((from..upto).map(command).collect::<Vec<_>>()).await.expect("append");
            assert_eq!(replica.reaches_floor(), reaches);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_discarded_stays_so_after_a_restart_and_the_neighbours_stay() {
        let folder = tempfile::tempdir().expect("folder");
        {
            let store = store(&folder);
            for group in [6, 7, 8] {
                let (_, mut log, _) = replica(&store, group, Arc::new(Recorder::default()));
                log.blocking_append([command(0)]).await.expect("append");
            }
            store.discard(GroupId(7)).expect("discarded");
        }
        let store = store(&folder);
        for (group, entries) in [(6, 1), (7, 0), (8, 1)] {
            let (replica, mut log, _) = replica(&store, group, Arc::new(Recorder::default()));
            assert_eq!(log.try_get_log_entries(0..9).await.expect("read").len(), entries);
            assert_eq!(replica.reaches_floor(), group != 7);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_that_is_cut_where_the_state_does_not_reach_is_damage() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        {
            let (_, mut log, _) = replica(&store, 7, Arc::new(Recorder::default()));
            log.blocking_append((0..5).map(command).collect::<Vec<_>>()).await.expect("append");
            log.purge(log_id(LogPosition { term: 3, index: 2 })).await.expect("purge");
        }
        let opened = Replica::open(store.clone(), GroupId(7), Arc::new(Recorder::default())).err();
        assert!(matches!(&opened, Some(HostError::Store { source, .. }) if source.is_damage()), "{opened:?}");
        assert!(store.damage().borrow().is_some());
    }
}
