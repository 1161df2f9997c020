//! Raft's log and vote on a disk. Acknowledged means synced, by one flusher for all groups of a host.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use tokio::sync::oneshot;

use super::group::Parts;
use super::{Entry, LogId, Types, Vote, membership, position};
use crate::disk::Write;
use crate::plan::Plant;

/// Entries that are read at a time.
const READ_ENTRIES: usize = 64;

/// The log and the vote of one group. All clones are the same log.
#[derive(Clone)]
pub struct LogStore {
    pub(super) parts: Arc<Parts>,
}

// === impl LogStore ===

impl LogStore {
    fn read(&self, from: u64, to: u64, most: usize) -> Vec<Entry> {
        self.parts.disk().group(self.parts.id, |content| {
            content.log.range(from..to.max(from)).take(most).map(|(_, entry)| entry.clone()).collect()
        })
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        Ok(self.read(from, to, usize::MAX))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start, end, READ_ENTRIES))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.parts.disk().group(self.parts.id, |content| content.vote))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        Ok(self.parts.disk().group(self.parts.id, |content| {
            let last_purged_log_id = content.purged;
            let last_log_id = content.log.values().next_back().map(|entry| entry.log_id).or(last_purged_log_id);
            LogState { last_purged_log_id, last_log_id }
        }))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let written = self.parts.disk().write(Write::Vote(self.parts.id, *vote));
        let (tx, rx) = oneshot::channel();
        self.parts.flusher().submit(
            written,
            Box::new(move || {
                let _ = tx.send(());
            }),
        );
        rx.await.map_err(io::Error::other)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.parts.disk().write(Write::Committed(self.parts.id, committed));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.parts.disk().group(self.parts.id, |content| content.committed))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut memberships = Vec::new();
        for entry in &entries {
            let at = position(&entry.log_id);
            match &entry.payload {
                // The machine knows of the entry before anybody can.
                EntryPayload::Normal(command) => self.parts.machine.appended(at, &command.0),
                EntryPayload::Membership(new) => memberships.push((at, membership(new))),
                EntryPayload::Blank => {}
            }
        }
        let Some(last) = entries.last().map(|entry| position(&entry.log_id)) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let written = self.parts.disk().write(Write::Append(self.parts.id, entries));
        self.parts.tail.appended(last, memberships);
        if self.parts.plants(Plant::AckBeforeSync) {
            callback.io_completed(Ok(()));
            self.parts.flusher().submit(written, Box::new(|| ()));
        } else {
            self.parts.flusher().submit(written, Box::new(move || callback.io_completed(Ok(()))));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.as_ref().map_or(0, |last| last.index + 1);
        self.parts.disk().write(Write::Truncate(self.parts.id, from));
        self.parts.tail.truncated(last_log_id.as_ref().map(position));
        self.parts.machine.truncated(last_log_id.map_or(0, |last| last.index));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.parts.disk().write(Write::Purge(self.parts.id, log_id));
        self.parts.tail.purged(position(&log_id));
        Ok(())
    }
}
