//! How much a replica holds, and whether it holds what others do.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::bloom::Fill;
use super::keys::{self, Standing};
use super::{Shard, ShardError, scan, scan_from};

/// How much a replica holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// Suppressions that stand.
    pub suppressions: u64,
    /// Resident blocks; those that versions share count for each.
    pub resident_blocks: u64,
    /// Their bytes.
    pub resident_bytes: u64,
    /// Numbers in resident versions.
    pub resident_numbers: u64,
    /// How full the bloom filter is.
    pub filter: Fill,
    /// Numbers that checks asked for and the filter ruled out.
    pub filter_misses: u64,
    /// Those that it let through.
    pub filter_hits: u64,
    /// Those of these that had no record.
    pub filter_false_hits: u64,
}

/// What was read so that it is in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Suppressions.
    pub suppressions: u64,
    /// Exemptions.
    pub exemptions: u64,
    /// Bytes of these records.
    pub bytes: u64,
}

// === impl Shard ===

impl Shard {
    /// How much this replica holds.
    pub fn size(&self) -> Size {
        let (resident_blocks, resident_bytes, resident_numbers) = self.versions.size();
        Size {
            suppressions: u64::try_from(self.live.load(Ordering::Relaxed)).unwrap_or(0),
            resident_blocks,
            resident_bytes,
            resident_numbers,
            filter: self.loaded.load().as_ref().map_or_else(Fill::default, |loaded| loaded.bloom.fill()),
            filter_misses: self.filtered.misses.load(Ordering::Relaxed),
            filter_hits: self.filtered.hits.load(Ordering::Relaxed),
            filter_false_hits: self.filtered.false_hits.load(Ordering::Relaxed),
        }
    }

    /// When the first suppression or exemption ends by itself, milliseconds since 1970.
    pub fn due_ms(&self) -> Result<Option<u64>, ShardError> {
        let mut due = None;
        scan_from(&self.loaded()?.state, &[keys::DUE], &[keys::DUE], |key, _| {
            due = Some(Standing::parse_due(key)?.0);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(due)
    }

    /// Reads all records that checks read, so that the store holds them in memory as far as it has
    /// room. Resident versions are there already. Blocks.
    pub fn warm(&self) -> Result<Warmed, ShardError> {
        let mut warmed = Warmed::default();
        scan(&self.loaded()?.state, &[keys::STANDING], |key, value| {
            match Standing::parse(key)? {
                Standing::Suppression(_) => warmed.suppressions += 1,
                Standing::Exemption(_) => warmed.exemptions += 1,
            }
            warmed.bytes += (key.len() + value.len()) as u64;
            Ok(())
        })?;
        Ok(warmed)
    }

    /// Checksum over everything that the log decides: equal on replicas that applied the same entries. Blocks.
    pub fn checksum(&self) -> Result<u64, ShardError> {
        let mut sum = 0u64;
        scan(&self.loaded()?.state, b"", |key, value| {
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
