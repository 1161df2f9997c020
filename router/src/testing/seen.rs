//! What tests look at: what came, and what the shards hold.

use std::time::Duration;

use dnc_core::command::ShardCommand;
use dnc_core::counts::Counts;
use dnc_core::ids::{ShardId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use jiff::civil::Date;

use super::{Fake, SHARDS};

/// All that came.
#[derive(Default)]
pub struct Seen {
    /// The numbers of each check.
    pub asked: Vec<Vec<PhoneNumber>>,
    /// The time that the last check was given.
    pub last_time: Option<Duration>,
    /// The commands that were written, and where.
    pub written: Vec<(ShardId, ShardCommand)>,
    /// How many questions were asked.
    pub queries: usize,
    /// The revisions of the barriers that reached all shards.
    pub barriers: Vec<u64>,
}

// === impl Fake ===

impl Fake {
    /// The numbers of each check that came.
    pub fn asked(&self) -> Vec<Vec<PhoneNumber>> {
        self.state.lock().seen.asked.clone()
    }

    /// The time that the last check was given.
    pub fn last_time(&self) -> Option<Duration> {
        self.state.lock().seen.last_time
    }

    /// The commands that were written, and where.
    pub fn written(&self) -> Vec<(ShardId, ShardCommand)> {
        self.state.lock().seen.written.clone()
    }

    /// The questions that were asked.
    pub fn queries(&self) -> usize {
        self.state.lock().seen.queries
    }

    /// The revisions of the barriers that reached all shards.
    pub fn barriers(&self) -> Vec<u64> {
        self.state.lock().seen.barriers.clone()
    }

    /// What was counted, over all shards: each request once.
    pub fn counted(&self) -> Vec<(TenantId, Date, Counts)> {
        self.state.lock().shards.counted.values().cloned().collect()
    }

    /// The versions that shards were told to drop.
    pub fn dropped(&self) -> Vec<(ShardId, VersionId)> {
        self.state.lock().shards.dropped.clone()
    }

    /// The blocks that all shards hold of a version.
    pub fn blocks(&self, version: VersionId) -> usize {
        let state = self.state.lock();
        state.shards.versions.iter().filter(|((_, id), _)| *id == version).map(|(_, blocks)| blocks.len()).sum()
    }

    /// The numbers of the active version of a registry, over all shards.
    pub fn numbers(&self, registry: &str) -> Vec<PhoneNumber> {
        let state = self.state.lock();
        let registry = state.catalog.registry_named(registry).expect("a registry");
        let Some(active) = registry.active else {
            return Vec::new();
        };
        let mut numbers: Vec<PhoneNumber> = (0..SHARDS)
            .filter_map(|shard| state.shards.versions.get(&(ShardId(shard), active)))
            .flatten()
            .flat_map(|(id, block)| block.iter().filter_map(|line| id.number(line)))
            .collect();
        numbers.sort_unstable();
        numbers
    }
}
