//! Writes a load's pieces to the shards' logs, and seals them.
//!
//! One piece at a time in each shard, a few shards at a time, and a pause after each: an opt-out
//! for the same shard waits behind one entry at most, and a load never takes all of a disk.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::area::Area;
use dnc_core::command::{Changed, Run, Seal, ShardCommand, ShardReply};
use dnc_core::ids::ShardId;
use dnc_planted::Bug;
use dnc_proto::v1::ImportPhase;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::Progress;
use super::amend::Amendment;
use super::error::Error;
use super::plan::Plan;
use super::version::Loading;
use crate::cluster::Cluster;
use crate::options::ImportOptions;

/// After a piece a shard is left alone for this part of the time that the piece took.
const PAUSE_PART: u32 = 4;
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// What staging a load needs.
pub struct Stage<'a, C> {
    /// Where to.
    pub cluster: &'a C,
    /// Which version.
    pub loading: &'a Loading,
    /// Limits.
    pub options: &'a ImportOptions,
    /// Whom to tell.
    pub progress: &'a Progress,
}

/// A part of a load that is one entry of a shard's log.
pub trait Piece: Clone + Send + Sync {
    /// The entry.
    fn command(&self, loading: &Loading) -> ShardCommand;

    /// The area that it lies in, where it lies in one.
    fn area(&self) -> Option<Area>;
}

/// What pieces changed against the version before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// All of them.
    pub changed: Changed,
    /// Those of one area.
    pub by_area: BTreeMap<Area, Changed>,
}

/// A version that is complete on all shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// What the load changed against the version before.
    pub sum: Sum,
    /// Numbers in the version.
    pub numbers: u64,
    /// Wrapping sum of the shards' checksums.
    pub checksum: u64,
}

// === impl Staged ===

impl Staged {
    /// What the shards say together.
    pub fn new(sum: Sum, seals: &[Seal]) -> Self {
        Self {
            sum,
            numbers: seals.iter().map(|seal| seal.numbers).sum(),
            checksum: seals.iter().fold(0, |sum, seal| sum.wrapping_add(seal.checksum)),
        }
    }
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, area: Option<Area>, changed: Changed) {
        self.changed += changed;
        if let Some(area) = area {
            *self.by_area.entry(area).or_default() += changed;
        }
    }

    fn add_all(&mut self, other: Sum) {
        self.changed += other.changed;
        for (area, changed) in other.by_area {
            *self.by_area.entry(area).or_default() += changed;
        }
    }
}

// === impl Piece ===

impl Piece for Run {
    fn command(&self, loading: &Loading) -> ShardCommand {
        ShardCommand::Stage {
            registry: loading.registry,
            version: loading.version,
            ancestry: loading.ancestry.clone(),
            run: self.clone(),
        }
    }

    fn area(&self) -> Option<Area> {
        // A run of everything spans areas; those of full lists are counted from the list.
        None
    }
}

impl Piece for Amendment {
    fn command(&self, loading: &Loading) -> ShardCommand {
        ShardCommand::Amend {
            registry: loading.registry,
            version: loading.version,
            ancestry: loading.ancestry.clone(),
            edits: self.edits.clone(),
        }
    }

    fn area(&self) -> Option<Area> {
        self.area
    }
}

// === impl Stage ===

impl<C: Cluster> Stage<'_, C> {
    /// Writes all pieces.
    pub async fn write<P: Piece>(&self, plan: &Plan<P>) -> Result<Sum, Error> {
        self.progress.phase(ImportPhase::Staging, plan.pieces() as u64);
        let mut sum = Sum::default();
        let mut shards = futures::stream::iter(plan.shards())
            .map(|shard| self.write_shard(shard, plan.of(shard)).boxed())
            .buffer_unordered(self.options.shards_at_once);
        while let Some(of_shard) = shards.try_next().await? {
            sum.add_all(of_shard);
        }
        Ok(sum)
    }

    /// Seals every shard; one seal for each, in their order.
    pub async fn seal(&self, shards: u32) -> Result<Vec<Seal>, Error> {
        self.progress.phase(ImportPhase::Sealing, shards.into());
        let shards = if dnc_planted::is(Bug::ActivateUnsealed) { shards / 2 } else { shards };
        futures::stream::iter((0..shards).map(ShardId))
            .map(|shard| self.seal_shard(shard).boxed())
            .buffered(self.options.shards_at_once)
            .try_collect()
            .await
    }

    async fn write_shard<P: Piece>(&self, shard: ShardId, pieces: &[P]) -> Result<Sum, Error> {
        let mut sum = Sum::default();
        for piece in pieces {
            let started = Instant::now();
            let command = piece.command(self.loading);
            match self.cluster.write(shard, &command, self.deadline()).await? {
                ShardReply::Staged(changed) => sum.add(piece.area(), changed),
                ShardReply::Refused(why) => return Err(Error::ShardRefused { shard, why }),
                _ => return Err(Error::Unexpected),
            }
            self.progress.advance(1);
            let pause = (started.elapsed() / PAUSE_PART).min(MAX_PAUSE);
            tokio::time::sleep(pause).await;
        }
        Ok(sum)
    }

    async fn seal_shard(&self, shard: ShardId) -> Result<Seal, Error> {
        let command = ShardCommand::Seal {
            registry: self.loading.registry,
            version: self.loading.version,
            ancestry: self.loading.ancestry.clone(),
        };
        let reply = self.cluster.write(shard, &command, self.deadline()).await?;
        self.progress.advance(1);
        match reply {
            ShardReply::Sealed(seal) => Ok(seal),
            ShardReply::Refused(why) => Err(Error::ShardRefused { shard, why }),
            _ => Err(Error::Unexpected),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.options.run_s)
    }
}
