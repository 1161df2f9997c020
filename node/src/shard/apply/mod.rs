//! What each command does to the state. Deterministic: the same commands in the same order do the
//! same on every replica; nothing here looks at a clock or at what only this replica knows.
//!
//! A command that asks for what cannot be is refused, and then it changes nothing. An error is for
//! what must not be, damage or a bug, and stops the replica.

mod bulk;
mod counters;
mod exemptions;
mod prune;
mod restore;
mod suppressions;
mod sweep;

use dnc_consensus::{MachineError, Transition};
use dnc_core::command::{MAX_RUN_BYTES, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::number::PhoneNumber;
use dnc_planted::Bug;

use super::requests::{Answered, Outcome};
use super::{Shard, ShardError, keys, records};
use crate::threads::heavily;

// A block and its key are far below what the store takes for a pair, and so is whatever a run holds.
const _: () = assert!(MAX_RUN_BYTES < dnc_consensus::COMMAND_BYTES_MAX);

/// What a command comes to: a reply, or why it was refused.
type Done = Result<ShardReply, Stop>;

/// Why a command was not carried out.
enum Stop {
    /// It asks for what cannot be.
    Refused(ShardRefusal),
    /// Something is broken.
    Broken(MachineError),
}

impl Shard {
    /// Carries a committed command out.
    pub(super) fn carry_out(&self, command: ShardCommand, tx: &mut Transition<'_>) -> Result<ShardReply, MachineError> {
        match self.try_to_carry_out(command, tx) {
            Ok(reply) => Ok(reply),
            Err(Stop::Refused(why)) => Ok(ShardReply::Refused(why)),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    fn try_to_carry_out(&self, command: ShardCommand, tx: &mut Transition<'_>) -> Done {
        match command {
            ShardCommand::Suppress(addition) => self.suppress(addition, tx),
            ShardCommand::SuppressMany { request, additions } => heavily(|| self.suppress_many(request, additions, tx)),
            ShardCommand::Release { request, number, registry, tenant, entries, removal } => {
                self.release(request, (number, registry, tenant), &entries, removal, tx)
            }
            ShardCommand::Verify { request, number, registry, tenant, verified_ms } => {
                self.verify(request, (number, registry, tenant), verified_ms, tx)
            }
            ShardCommand::Grant { number, exemption } => self.grant(number, exemption, tx),
            ShardCommand::Revoke { request, number, tenant, exemptions, removal } => {
                self.revoke(request, (number, tenant), &exemptions, removal, tx)
            }
            ShardCommand::Sweep { now_ms, limit } => heavily(|| self.sweep(now_ms, limit, tx)),
            ShardCommand::Count { request, tenant, day, counts } => self.count(request, tenant, day, &counts, tx),
            ShardCommand::Stage { registry, version, ancestry, run } => {
                heavily(|| self.stage((registry, version), ancestry, run, tx))
            }
            ShardCommand::Amend { registry, version, ancestry, edits } => {
                heavily(|| self.amend((registry, version), ancestry, edits, tx))
            }
            ShardCommand::Seal { registry, version, ancestry } => {
                heavily(|| self.seal((registry, version), ancestry, tx))
            }
            ShardCommand::Drop { registry, version } => heavily(|| self.drop_version((registry, version), tx)),
            ShardCommand::Prune { registry, keep, from, limit } => {
                heavily(|| self.prune(registry, &keep, from, limit, tx))
            }
            ShardCommand::Barrier { revision } => barrier(revision, tx),
            ShardCommand::Restore { records } => heavily(|| self.restore(records, tx)),
        }
    }

    fn refuse_foreign(&self, number: PhoneNumber) -> Result<(), ShardRefusal> {
        if self.owns(number) { Ok(()) } else { Err(ShardRefusal::WrongShard) }
    }

    /// Remembers a request, in the same write as what it changes.
    fn remember(&self, answered: Answered, tx: &mut Transition<'_>) {
        let index = tx.at().index;
        tx.put(&keys::request(index), &dnc_core::codec::encode(&answered));
        if let Some(forgotten) = self.requests.lock().remember(index, answered) {
            tx.delete(&keys::request(forgotten));
        }
    }
}

fn barrier(revision: u64, tx: &mut Transition<'_>) -> Done {
    let known: u64 = records::read(tx.state(), &[keys::BARRIER])?.unwrap_or(0);
    if revision > known {
        tx.put(&[keys::BARRIER], &dnc_core::codec::encode(&revision));
        tx.commit()?;
    }
    Ok(ShardReply::Done)
}

/// Refuses a request whose id named another one; what came of it, if it was applied before.
fn repeated(seen: super::requests::Seen) -> Result<Option<Outcome>, ShardRefusal> {
    match seen {
        _ if dnc_planted::is(Bug::ForgetRequests) => Ok(None),
        super::requests::Seen::New => Ok(None),
        super::requests::Seen::Before(outcome) => Ok(Some(outcome)),
        super::requests::Seen::Other => Err(ShardRefusal::RequestReused),
    }
}

// === impl From for Stop ===

impl From<ShardRefusal> for Stop {
    fn from(why: ShardRefusal) -> Stop {
        Stop::Refused(why)
    }
}

impl From<MachineError> for Stop {
    fn from(error: MachineError) -> Stop {
        Stop::Broken(error)
    }
}

impl From<ShardError> for Stop {
    fn from(error: ShardError) -> Stop {
        Stop::Broken(error.into())
    }
}

impl From<dnc_consensus::StoreError> for Stop {
    fn from(error: dnc_consensus::StoreError) -> Stop {
        Stop::Broken(error.into())
    }
}
