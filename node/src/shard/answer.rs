//! The hot path: what a replica knows of some numbers.
//!
//! The caller notes the replica's standing in the log first. Then this reads the overlay, and then
//! the state: an entry that the standing names is in the overlay, or was applied before the overlay
//! let go of it, and then the state has it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use dnc_core::bits::Bits;
use dnc_core::codec;
use dnc_core::command::Seal;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::LiveFinding;
use dnc_core::view::View;
use dnc_planted::Bug;

use super::keys::{self, Standing};
use super::loaded::Loaded;
use super::overlay::Pending;
use super::versions::Wanted;
use super::{Shard, ShardError, records, scan};

/// What a replica knows of the numbers of a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What the versions of the view list, for each that lists any; `None` if a version of the view is not resident here.
    pub bulk: Option<Vec<Listed>>,
    /// Suppressions that stand, or will as soon as the log is applied.
    pub live: Vec<LiveHit>,
    /// Exemptions that stand, that no entry of the log revokes, and that have not ended by the given time.
    pub exemptions: Vec<ExemptHit>,
}

/// The numbers that a bulk registry lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The registry.
    pub registry: RegistryId,
    /// Which of the question.
    pub numbers: Bits,
}

/// A suppression of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveHit {
    /// Position in the question.
    pub at: usize,
    /// As much of it as judges.
    pub finding: LiveFinding,
}

/// An exemption of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExemptHit {
    /// Position in the question.
    pub at: usize,
    /// As much of it as judges: its free texts are empty.
    pub exemption: Exemption,
}

/// What the log's tail does to the numbers of a question.
#[derive(Default)]
struct Tail {
    listed: HashSet<(usize, RegistryId, TenantId, RequestId)>,
    revoked: HashSet<(usize, TenantId, RequestId)>,
}

// === impl Shard ===

impl Shard {
    /// What this replica knows of these numbers, by this view and at this time (by this node's clock:
    /// it can end exemptions, never suppressions). Called after the replica's standing was noted.
    pub fn answer(&self, numbers: &[PhoneNumber], view: Option<&View>, now_ms: u64) -> Result<Found, ShardError> {
        if !numbers.iter().all(|number| self.owns(*number)) {
            return Err(ShardError::Foreign);
        }
        let mut found = Found::default();
        let tail = match dnc_planted::is(Bug::IgnoreLogTail) {
            true => Tail::default(),
            false => self.read_tail(numbers, &mut found.live)?,
        };
        // Only now the state: the overlay lets go of what the state has.
        let loaded = self.loaded()?;
        let (mut hits, mut false_hits) = (0, 0);
        let filter = loaded.bloom.current();
        for (at, number) in numbers.iter().enumerate() {
            if filter.may_contain(*number) {
                let any = read_standing(&loaded, at, *number, &tail, now_ms, &mut found)?;
                hits += 1;
                false_hits += u64::from(!any);
            }
        }
        self.filtered.misses.fetch_add(numbers.len() as u64 - hits, Ordering::Relaxed);
        self.filtered.hits.fetch_add(hits, Ordering::Relaxed);
        self.filtered.false_hits.fetch_add(false_hits, Ordering::Relaxed);
        found.bulk = view.and_then(|view| self.versions.prepared(view)).map(|residents| {
            let listed = residents
                .iter()
                .map(|(registry, resident)| Listed { registry: *registry, numbers: resident.holding(numbers) });
            listed.filter(|listed| listed.numbers.any()).collect()
        });
        Ok(found)
    }

    /// Newest catalog revision that a barrier in the log names, applied or not.
    pub fn barrier(&self) -> u64 {
        self.barrier.load(Ordering::Acquire)
    }

    /// What a sealed and resident version holds here.
    pub fn seal_of(&self, registry: RegistryId, version: VersionId) -> Option<Seal> {
        self.versions.resident((registry, version)).map(|resident| resident.seal())
    }

    /// Says which sealed versions must be resident.
    pub fn want(&self, wanted: Wanted) -> Result<(), ShardError> {
        let loaded = self.loaded.load_full();
        self.versions.want(loaded.as_ref().map(|loaded| &loaded.state), wanted)
    }

    fn read_tail(&self, numbers: &[PhoneNumber], live: &mut Vec<LiveHit>) -> Result<Tail, ShardError> {
        if let Some(index) = self.overlay.unreadable() {
            return Err(ShardError::Unreadable(index));
        }
        let mut tail = Tail::default();
        self.overlay.find(numbers, |at, pending| match pending {
            Pending::Listed(finding) => {
                // The same request may be in the log more than once.
                if tail.listed.insert((at, finding.registry, finding.tenant, finding.id)) {
                    live.push(LiveHit { at, finding: finding.clone() });
                }
            }
            Pending::Revoked(tenant, ids) => tail.revoked.extend(ids.iter().map(|id| (at, *tenant, *id))),
        });
        Ok(tail)
    }
}

/// Reads what stands for a number, but for what the tail has shown or hides; whether anything does.
fn read_standing(
    loaded: &Loaded,
    at: usize,
    number: PhoneNumber,
    tail: &Tail,
    now_ms: u64,
    found: &mut Found,
) -> Result<bool, ShardError> {
    let mut any = false;
    scan(&loaded.state, &keys::standing_of(number), |key, value| {
        any = true;
        match Standing::parse(key)? {
            Standing::Suppression(name) => {
                if tail.listed.is_empty() || !tail.listed.contains(&(at, name.registry, name.tenant, name.id)) {
                    found.live.push(LiveHit { at, finding: records::finding(name, value)? });
                }
            }
            Standing::Exemption(name) => {
                let exemption: Exemption = codec::decode(value)?;
                let revoked = !tail.revoked.is_empty() && tail.revoked.contains(&(at, name.tenant, name.id));
                if !revoked && !exemption.has_expired(now_ms) {
                    found.exemptions.push(ExemptHit { at, exemption });
                }
            }
        }
        Ok(())
    })?;
    Ok(any)
}
