//! Raft's state machine around the caller's [`Machine`]: keeps the applied position with the state,
//! hands out snapshots, takes them in.
//!
//! [`Machine`]: crate::Machine

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use rocksdb::WriteBatch;
use tokio::sync::oneshot;

use crate::codec;
use crate::db::Record;
use crate::error::{MachineError, StoreError};
use crate::keyspace::Keyspace;
use crate::machine::Transition;
use crate::raft_types::{Entry, LogId, Reply, Snapshot, SnapshotMeta, StoredMembership, Types, membership, position};
use crate::replica::{Applied, Replica};
use crate::snapshot::{SnapshotData, open_view};

/// The state machine of one group.
pub(crate) struct StateMachine {
    replica: Arc<Replica>,
    /// The state that is applied to. Only this task moves it to another epoch.
    state: Keyspace,
    applied: Option<LogId>,
    membership: StoredMembership,
    /// Entries must come one after another, without a gap.
    gapless: bool,
    /// Dropped with the rest: whoever holds the other end learns that nothing is applied any more.
    _alive: oneshot::Sender<()>,
}

/// Says where the state is. There is nothing to build: the state is the snapshot.
pub(crate) struct Builder {
    meta: SnapshotMeta,
}

/// Commands from this size on may take long, and are applied where that holds up nobody.
const LARGE_COMMAND_BYTES: usize = 16 << 10;

/// Small commands are applied in a row for this long before other tasks have their turn.
const TURN: Duration = Duration::from_millis(5);

// === impl StateMachine ===

impl StateMachine {
    /// The state machine, and what ends when it does.
    pub(crate) fn open(replica: Arc<Replica>) -> Result<(Self, oneshot::Receiver<()>), StoreError> {
        let applied: Option<Applied> = replica.store.db().record(replica.group, Record::Applied)?;
        let membership = replica.stored_membership()?.unwrap_or_default();
        let state = replica.state();
        let applied = applied.and_then(|applied| applied.at).map(crate::raft_types::log_id);
        let (_alive, gone) = oneshot::channel();
        Ok((Self { replica, state, applied, membership, gapless: true, _alive }, gone))
    }

    /// The Raft library's own tests apply entries of a log that they never wrote, with gaps.
    #[cfg(test)]
    pub(crate) fn with_gaps(mut self) -> Self {
        self.gapless = false;
        self
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<Reply, MachineError> {
        let Replica { group, machine, tail, .. } = &*self.replica;
        let at = position(&entry.log_id);
        if let Some(before) = self.applied
            && self.gapless
            && before.index + 1 != at.index
        {
            let what = format!("entry {at} of group {group} is to be applied right after entry {before}");
            return Err(self.replica.store.db().contradicts(what).into());
        }
        let record = Applied { epoch: self.state.epoch(), at: Some(at) };
        let applied = (Record::Applied.key(*group), codec::encode(&record));
        let mut tx = Transition::new(*group, at, &self.state, applied);
        let mut reply = Vec::new();
        match entry.payload {
            EntryPayload::Blank => tx.commit()?,
            EntryPayload::Normal(command) => {
                let command = command.0;
                let mut run = || {
                    let reply = machine.apply(&command, &mut tx)?;
                    tx.commit()?;
                    Ok::<_, MachineError>(reply)
                };
                reply = if command.len() < LARGE_COMMAND_BYTES { run()? } else { tokio::task::block_in_place(run)? };
            }
            EntryPayload::Membership(new) => {
                let stored = StoredMembership::new(Some(entry.log_id), new);
                tx.put_membership(Record::Membership.key(*group), &codec::encode(&stored));
                tx.commit()?;
                self.membership = stored;
                tail.membership_applied(at);
            }
        }
        self.applied = Some(entry.log_id);
        machine.applied(at);
        Ok(Reply(reply))
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }

    /// Moves the group into the epoch that a snapshot was received into.
    async fn move_to(&mut self, new: Keyspace, meta: &SnapshotMeta) -> io::Result<()> {
        let Replica { group, store, machine, tail, .. } = &*self.replica;
        let at = meta.last_log_id.as_ref().map(position);
        let record = Applied { epoch: new.epoch(), at };
        let mut batch = WriteBatch::default();
        store.db().put_record(&mut batch, *group, Record::Applied, &record);
        store.db().put_record(&mut batch, *group, Record::Membership, &meta.last_membership);
        store.db().write(batch)?;
        // From here on the record may name the new epoch after a restart, so it stays.
        store.epochs().keep(&new);
        store.wal().wait().await?;
        store.epochs().leave(&self.state);

        tokio::task::block_in_place(|| machine.load(&new)).map_err(io::Error::other)?;
        self.state = new.clone();
        self.replica.set_state(new);
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        if let Some(at) = at {
            let stored = meta.last_membership.log_id().as_ref().map(position);
            let placed = stored.map(|placed| (placed, membership(meta.last_membership.membership())));
            tail.installed(at, placed);
            machine.applied(at);
        }
        Ok(())
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut turn = Instant::now();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let reply = self.apply_entry(entry).map_err(io::Error::other)?;
            if let Some(responder) = responder {
                responder.send(reply);
            }
            if turn.elapsed() > TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.replica.log_bytes.store(0, Ordering::Relaxed);
        Builder { meta: self.meta() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let new = match snapshot {
            SnapshotData::Spooled(state) => state,
            SnapshotData::Outgoing(outgoing) => {
                outgoing.spool(self.replica.store.epochs().begin(self.replica.group)).await.map_err(io::Error::other)?
            }
            SnapshotData::Built => {
                return Err(io::Error::other("a built snapshot has no contents to install"));
            }
        };
        self.move_to(new, meta).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        // Called in turn with apply, so the view is at the applied position.
        let Some((meta, outgoing)) = open_view(&self.replica).await? else { return Ok(None) };
        debug_assert_eq!(meta, self.meta());
        Ok(Some(Snapshot { meta, snapshot: SnapshotData::Outgoing(outgoing) }))
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        Ok(Snapshot { meta: self.meta.clone(), snapshot: SnapshotData::Built })
    }
}
