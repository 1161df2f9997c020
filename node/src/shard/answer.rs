//! The hot path: what a replica knows of some numbers.
//!
//! The caller notes the replica's standing in the log first. Then this reads the overlay, and then
//! the state: an add that the standing names is in the overlay, or was applied before the overlay
//! let go of it, and then the state has it.

use std::sync::atomic::Ordering;

use dnc_consensus::Keyspace;
use dnc_core::codec;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Suppression;
use dnc_core::view::View;

use super::entries::Entries;
use super::versions::Wanted;
use super::{Shard, ShardError, keys};

/// What a replica knows of the numbers of a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Numbers that a version of the view lists; `None` if a version of the view is not resident here.
    pub bulk: Option<Vec<Hit>>,
    /// Entries of live registries.
    pub live: Vec<LiveEntry>,
}

/// How much a replica holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Live entries.
    pub suppressions: u64,
    /// Bytes of resident blocks; those that versions share count for each.
    pub resident_bytes: u64,
    /// Numbers in resident versions.
    pub resident_numbers: u64,
    /// Numbers in the bloom filter.
    pub filter_numbers: u64,
    /// Numbers that the bloom filter has room for.
    pub filter_capacity: u64,
}

/// A number that a bulk registry lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Position in the question.
    pub at: usize,
    /// The registry.
    pub registry: RegistryId,
}

/// A live entry of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEntry {
    /// Position in the question.
    pub at: usize,
    /// The registry.
    pub registry: RegistryId,
    /// The entry.
    pub suppression: Suppression,
}

// === impl Shard ===

impl Shard {
    /// What this replica knows of these numbers, by this view. Called after the replica's standing was noted.
    pub fn answer(&self, numbers: &[PhoneNumber], view: Option<&View>) -> Result<Found, ShardError> {
        let loads = self.loads.load(Ordering::Acquire);
        if loads % 2 == 1 {
            return Err(ShardError::Starting);
        }
        let state = self.state()?;
        let mut live = Vec::new();
        self.overlay.find(numbers, |at, registry, suppression| {
            live.push(LiveEntry { at, registry, suppression: suppression.clone() });
        });
        for (at, number) in numbers.iter().enumerate() {
            if self.bloom.may_contain(*number) {
                read_live(&state, at, *number, &mut live)?;
            }
        }
        let bulk = view.and_then(|view| self.versions.prepared(view)).map(|residents| {
            let mut hits = Vec::new();
            for (registry, resident) in residents.iter() {
                for (at, number) in numbers.iter().enumerate() {
                    if resident.contains(*number) {
                        hits.push(Hit { at, registry: *registry });
                    }
                }
            }
            hits
        });
        if self.loads.load(Ordering::Acquire) != loads {
            return Err(ShardError::Starting);
        }
        Ok(Found { bulk, live })
    }

    /// Newest catalog revision that a barrier in the log names, applied or not.
    pub fn barrier(&self) -> u64 {
        self.barrier.load(Ordering::Acquire)
    }

    /// What a sealed and resident version holds here.
    pub fn seal_of(&self, registry: RegistryId, version: VersionId) -> Option<dnc_core::command::Seal> {
        self.versions.resident((registry, version)).map(|resident| resident.seal())
    }

    /// Says which sealed versions must be resident.
    pub fn want(&self, wanted: Wanted) -> Result<(), ShardError> {
        let state = self.state.read().clone();
        self.versions.want(state.as_ref(), wanted)
    }

    /// How much this replica holds.
    pub fn size(&self) -> Size {
        let (resident_bytes, resident_numbers) = self.versions.size();
        let (filter_numbers, filter_capacity) = self.bloom.fill();
        Size {
            suppressions: self.live_entries.load(Ordering::Relaxed),
            resident_bytes,
            resident_numbers,
            filter_numbers: filter_numbers as u64,
            filter_capacity: filter_capacity as u64,
        }
    }

    /// Checksum over everything that the log decides: equal on replicas that applied the same entries.
    pub fn checksum(&self) -> Result<u64, ShardError> {
        let mut sum = 0u64;
        super::scan(&self.state()?, b"", |key, value| {
            let mut hash = xxhash_rust::xxh3::Xxh3::new();
            hash.update(&(key.len() as u64).to_le_bytes());
            hash.update(key);
            hash.update(value);
            sum = sum.wrapping_add(hash.digest());
            Ok(())
        })?;
        Ok(sum)
    }
}

/// Reads a number's live entries; one that the overlay has shown already is left out.
fn read_live(state: &Keyspace, at: usize, number: PhoneNumber, live: &mut Vec<LiveEntry>) -> Result<(), ShardError> {
    super::scan(state, &keys::live_number(number), |key, value| {
        let registry = keys::registry_of_live(key)?;
        let entries: Entries = codec::decode(value)?;
        for suppression in entries.0 {
            let shown = live.iter().any(|known| known.at == at && known.suppression.id == suppression.id);
            if !shown {
                live.push(LiveEntry { at, registry, suppression });
            }
        }
        Ok(())
    })
}
