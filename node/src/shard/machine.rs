//! The state machine of a shard: how its log is taken in.
//!
//! Every apply writes its changes together with the applied position and only then shows them in
//! memory; the overlay lets go of an entry after that. So a reader always finds an addition in one of
//! the two.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dnc_consensus::{Keyspace, LogPosition, Machine, MachineError, Transition};
use dnc_core::codec;
use dnc_core::command::{Addition, ShardCommand};
use dnc_core::number::PhoneNumber;
use dnc_core::record::Record;
use dnc_core::verdict::LiveFinding;
use dnc_planted::Bug;

use super::loaded::Loaded;
use super::overlay::Pending;
use super::requests::Requests;
use super::{Shard, ShardError, keys, records, scan};

impl Machine for Shard {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        unless_it_panics(|| Ok(self.load_all(state)?))
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        unless_it_panics(|| {
            // A command that was committed but cannot be read is damage, or of a newer program: going on would make replicas differ.
            let command: ShardCommand = codec::decode(command).map_err(ShardError::from)?;
            Ok(codec::encode(&self.carry_out(command, tx)?))
        })
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        let pending = match codec::decode(command) {
            Ok(ShardCommand::Suppress(addition)) => vec![listed(&addition)],
            Ok(ShardCommand::SuppressMany { additions, .. }) => additions.iter().map(listed).collect(),
            Ok(ShardCommand::Restore { records }) => records.iter().filter_map(restored).collect(),
            Ok(ShardCommand::Revoke { number, tenant, exemptions, .. }) => {
                vec![(number, Pending::Revoked(tenant, exemptions.into_iter().collect()))]
            }
            Ok(ShardCommand::Barrier { revision }) => {
                self.barrier.fetch_max(revision, Ordering::AcqRel);
                return;
            }
            Ok(_) => return,
            Err(error) => {
                let (shard, index) = (self.id.0, at.index);
                tracing::error!(shard, index, %error, "a log entry cannot be read, there are no answers while it is there");
                self.overlay.add_unreadable(at.index);
                return;
            }
        };
        self.overlay.add(at.index, pending);
    }

    fn truncated(&self, after_index: u64) {
        // A barrier that leaves the log may stay known: it only asks for a catalog that exists.
        self.overlay.truncate(after_index);
    }

    fn applied(&self, at: LogPosition) {
        self.overlay.drop_applied(at.index);
    }
}

// === impl Shard ===

impl Shard {
    fn load_all(&self, state: &Keyspace) -> Result<(), ShardError> {
        let (loaded, suppressions) = Loaded::read(state)?;
        let mut requests = Requests::default();
        scan(state, &[keys::REQUEST], |key, value| {
            // What is there is what was remembered, so none is forgotten for it.
            let _ = requests.remember(keys::parse_request(key)?, codec::decode(value)?);
            Ok(())
        })?;
        if dnc_planted::is(Bug::RequestsNotReloaded) {
            requests = Requests::default();
        }
        if let Some(revision) = records::read(state, &[keys::BARRIER])? {
            self.barrier.fetch_max(revision, Ordering::AcqRel);
        }
        self.versions.load(state)?;
        *self.requests.lock() = requests;
        self.live.store(i64::try_from(suppressions).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.loaded.store(Some(Arc::new(loaded)));
        Ok(())
    }
}

/// What an addition in the log's tail does to its number.
fn listed(addition: &Addition) -> (PhoneNumber, Pending) {
    (addition.number, Pending::Listed(LiveFinding::of(addition.registry, &addition.suppression)))
}

/// What an entry of a backup in the log's tail does to its number: one that stands lists it. An exemption that lacks a
/// removal here is a grant, for which nobody waits.
fn restored(record: &Record) -> Option<(PhoneNumber, Pending)> {
    match record {
        Record::Suppression { number, registry, suppression, removal: None } => {
            Some((*number, Pending::Listed(LiveFinding::of(*registry, suppression))))
        }
        Record::Exemption { number, exemption, removal: Some(_) } => {
            Some((*number, Pending::Revoked(exemption.tenant, [exemption.id].into())))
        }
        _ => None,
    }
}

/// A panic stops the replica like an error does: in order, and seen by whoever runs it.
fn unless_it_panics<T>(work: impl FnOnce() -> Result<T, MachineError>) -> Result<T, MachineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(MachineError::new("the state machine panicked")))
}

// === impl From<ShardError> for MachineError ===

impl From<ShardError> for MachineError {
    fn from(error: ShardError) -> Self {
        MachineError::new(error)
    }
}
