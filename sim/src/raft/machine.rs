//! Raft's state machine around the product's machines: applies, takes snapshots, installs them.
//!
//! The state lies where the product's machines keep theirs, but it is thrown away with every life of the replica: a new
//! life begins from the last state that was saved and applies the log again.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use dnc_consensus::{Keyspace, MachineError, StoreError, Transition};
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};

use super::group::Parts;
use super::{Entry, LogId, Pairs, Reply, Snapshot, SnapshotMeta, StoredMembership, Types, membership, position};
use crate::disk::{Saved, Write};

/// Keys with their values.
type State = Vec<(Vec<u8>, Vec<u8>)>;

/// The state machine of one group.
pub struct StateMachine {
    parts: Arc<Parts>,
    state: Keyspace,
    applied: Option<LogId>,
    membership: StoredMembership,
}

/// A state on its way to the disk.
pub struct Builder {
    parts: Arc<Parts>,
    saved: Arc<Saved>,
}

// === impl StateMachine ===

impl StateMachine {
    /// The state as it was saved last, and the tail of the log above it shown to the machine.
    pub fn open(parts: Arc<Parts>) -> Result<Self, MachineError> {
        let saved = parts.disk().group(parts.id, |content| content.saved.clone());
        let state = parts.workbench().state(parts.workbench_id);
        let (mut applied, mut stored) = (None, StoredMembership::default());
        if let Some(saved) = &saved {
            fill(&parts, &state, &saved.pairs)?;
            (applied, stored) = (saved.meta.last_log_id, saved.meta.last_membership.clone());
        }
        parts.machine.load(&state)?;
        if let Some(at) = &applied {
            parts.machine.applied(position(at));
        }
        replay(&parts, applied.as_ref(), &stored);
        Ok(Self { parts, state, applied, membership: stored })
    }

    fn apply_entry(&mut self, entry: Entry) -> Result<Reply, MachineError> {
        let at = position(&entry.log_id);
        let mut tx = Transition::on_workbench(self.parts.workbench_id, at, &self.state);
        let mut reply = Vec::new();
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(command) => {
                reply = self.parts.machine.apply(&command.0, &mut tx)?;
                tx.commit()?;
            }
            EntryPayload::Membership(new) => {
                self.parts.watch_membership(at, &membership(&new));
                self.membership = StoredMembership::new(Some(entry.log_id), new);
                self.parts.tail.membership_applied(at);
            }
        }
        self.parts.watch_committed(at.term);
        self.applied = Some(entry.log_id);
        self.parts.machine.applied(at);
        Ok(Reply(reply))
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }

    fn pairs(&self) -> Result<State, StoreError> {
        let mut pairs = Vec::new();
        self.state.scan(b"", |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(pairs)
    }
}

fn fill(parts: &Parts, state: &Keyspace, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), MachineError> {
    let mut tx = Transition::on_workbench(parts.workbench_id, dnc_consensus::LogPosition::default(), state);
    for (key, value) in pairs {
        tx.put(key, value);
    }
    tx.commit()
}

/// Shows the machine what is in the log above the state, and rebuilds the tail.
fn replay(parts: &Parts, applied: Option<&LogId>, stored: &StoredMembership) {
    let mut memberships = Vec::new();
    if let Some(at) = stored.log_id() {
        memberships.push((position(at), membership(stored.membership())));
    }
    let (log, purged) = parts.disk().group(parts.id, |content| (content.log.clone(), content.purged));
    let mut last = applied.map(position).max(purged.as_ref().map(position));
    let from = last.map_or(0, |at| at.index + 1);
    for entry in log.range(from..).map(|(_, entry)| entry) {
        let at = position(&entry.log_id);
        last = Some(at);
        match &entry.payload {
            EntryPayload::Normal(command) => parts.machine.appended(at, &command.0),
            EntryPayload::Membership(new) => memberships.push((at, membership(new))),
            EntryPayload::Blank => {}
        }
    }
    parts.tail.reset(last, memberships);
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = Pairs;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            // Between the append and the apply of an entry there is time in which checks come.
            self.parts.dawdle().await;
            let reply = self.apply_entry(entry).map_err(io::Error::other)?;
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let pairs = self.pairs().expect("a workbench can be read");
        Builder { parts: self.parts.clone(), saved: Arc::new(Saved { meta: self.meta(), pairs }) }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, pairs: Pairs) -> Result<(), io::Error> {
        let saved = Arc::new(Saved { meta: meta.clone(), pairs: pairs.to_vec() });
        self.parts.disk().write(Write::Save(self.parts.id, saved));
        self.parts.flushed().await;
        let state = self.parts.workbench().state(self.parts.workbench_id);
        fill(&self.parts, &state, &pairs).map_err(io::Error::other)?;
        self.parts.machine.load(&state).map_err(io::Error::other)?;
        self.state = state;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        if let Some(at) = meta.last_log_id.as_ref().map(position) {
            let placed = meta.last_membership.log_id().as_ref().map(position);
            let placed = placed.map(|placed| (placed, membership(meta.last_membership.membership())));
            self.parts.tail.installed(at, placed);
            self.parts.machine.applied(at);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.applied.is_none() {
            return Ok(None);
        }
        let pairs = Arc::new(self.pairs().map_err(io::Error::other)?);
        Ok(Some(Snapshot { meta: self.meta(), snapshot: pairs }))
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Pairs;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        self.parts.disk().write(Write::Save(self.parts.id, self.saved.clone()));
        self.parts.flushed().await;
        Ok(Snapshot { meta: self.saved.meta.clone(), snapshot: Arc::new(self.saved.pairs.clone()) })
    }
}
