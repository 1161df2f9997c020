//! One group's parts that its log, its state machine and its readers share, and how they come back
//! to life when the process starts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dnc_planted::Bug;
use openraft::EntryPayload;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::config::READ_BYTES_SOFT;
use crate::db::Record;
use crate::error::{HostError, StoreError};
use crate::keyspace::Keyspace;
use crate::log;
use crate::machine::Machine;
use crate::raft_types::{LogId, StoredMembership, membership, position};
use crate::store::Store;
use crate::tail::TailCell;
use crate::types::{GroupId, LogPosition};

/// The shared parts.
pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) store: Store,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) tail: TailCell,
    state: RwLock<Keyspace>,
    /// Bytes that the log has grown by since a snapshot last allowed to cut it.
    pub(crate) log_bytes: AtomicU64,
    /// Bytes of the snapshot that is being received; 0 if none is.
    pub(crate) receiving: AtomicU64,
    /// Where the log of its earlier lives ended, if it was discarded.
    floor: Option<LogPosition>,
    /// Counts the recoveries of the group: replicas of different ones do not speak to each other, see `recover`.
    pub(crate) generation: u64,
}

/// The record that says how far the state is. Written with every applied command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// Where the state is.
    pub(crate) epoch: u64,
    /// The newest entry that is part of it.
    pub(crate) at: Option<LogPosition>,
}

// === impl Replica ===

impl Replica {
    /// Brings a group back to life: the state is loaded, the tail of its log is shown to the
    /// machine. Blocks.
    pub(crate) fn open(store: Store, group: GroupId, machine: Arc<dyn Machine>) -> Result<Arc<Self>, HostError> {
        let failed = |source| HostError::Store { group, source };
        let applied: Applied = store.db().record(group, Record::Applied).map_err(failed)?.unwrap_or_default();
        let state = store.epochs().open(group, applied.epoch).map_err(failed)?;
        let floor = store.floor(group).map_err(failed)?;
        let generation = store.generation(group).map_err(failed)?;
        machine.load(&state).map_err(|source| HostError::Machine { group, source })?;
        if let Some(at) = applied.at {
            machine.applied(at);
        }
        let replica = Self {
            group,
            store,
            machine,
            tail: TailCell::default(),
            state: RwLock::new(state),
            log_bytes: AtomicU64::new(0),
            receiving: AtomicU64::new(0),
            floor,
            generation,
        };
        replica.replay_tail(applied).map_err(failed)?;
        Ok(Arc::new(replica))
    }

    /// Shows the machine what is in the log above the applied position, and rebuilds the tail.
    fn replay_tail(&self, applied: Applied) -> Result<(), StoreError> {
        let db = self.store.db();
        let mut memberships = Vec::new();
        if let Some(stored) = self.stored_membership()?
            && let Some(at) = stored.log_id()
        {
            memberships.push((position(at), membership(stored.membership())));
        }
        let purged: Option<LogId> = db.record(self.group, Record::Purged)?;
        if purged.as_ref().map(position) > applied.at {
            let group = self.group;
            return Err(db.contradicts(format!("the log of group {group} is cut where its state does not reach")));
        }
        // The state may be ahead of the log, right after a snapshot was installed.
        let mut last = applied.at;
        let mut from = last.map_or(0, |at| at.index + 1);
        loop {
            let entries = log::read(db, self.group, from, u64::MAX, READ_BYTES_SOFT)?;
            let Some(newest) = entries.last() else { break };
            from = newest.log_id.index + 1;
            last = Some(position(&newest.log_id));
            for entry in &entries {
                let at = position(&entry.log_id);
                match &entry.payload {
                    EntryPayload::Normal(_) if dnc_planted::is(Bug::TailNotRebuilt) => {}
                    EntryPayload::Normal(command) => self.machine.appended(at, &command.0),
                    EntryPayload::Membership(new) => memberships.push((at, membership(new))),
                    EntryPayload::Blank => {}
                }
            }
        }
        self.tail.reset(last, memberships);
        Ok(())
    }

    /// The membership that was applied last.
    pub(crate) fn stored_membership(&self) -> Result<Option<StoredMembership>, StoreError> {
        self.store.db().record(self.group, Record::Membership)
    }

    /// Its log is at least as long as it was before it was discarded: only then may it vote, see `discard`.
    pub(crate) fn reaches_floor(&self) -> bool {
        self.tail.read().last >= self.floor
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> Keyspace {
        self.state.read().clone()
    }

    /// The group has moved to another epoch.
    pub(crate) fn set_state(&self, state: Keyspace) {
        *self.state.write() = state;
    }
}
