//! Writes a load's runs to the shards' logs, and seals them.
//!
//! One run at a time in each shard, a few shards at a time, and a pause after each run: an opt-out
//! for the same shard waits behind one entry at most, and a load never takes all of a disk.

use std::time::Duration;

use dnc_core::command::{Changed, Run, Seal, ShardCommand, ShardReply};
use dnc_core::ids::ShardId;
use dnc_proto::v1::ImportPhase;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::Progress;
use super::error::Error;
use super::plan::Plan;
use super::version::Loading;
use crate::cluster::Cluster;
use crate::options::ImportOptions;

/// After a run a shard is left alone for this part of the time that the run took.
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

/// A version that is complete on all shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// What the load changed against the version before.
    pub changed: Changed,
    /// Numbers in the version.
    pub numbers: u64,
    /// Wrapping sum of the shards' checksums.
    pub checksum: u64,
}

// === impl Staged ===

impl Staged {
    /// What the shards say together.
    pub fn new(changed: Changed, seals: &[Seal]) -> Self {
        Self {
            changed,
            numbers: seals.iter().map(|seal| seal.numbers).sum(),
            checksum: seals.iter().fold(0, |sum, seal| sum.wrapping_add(seal.checksum)),
        }
    }
}

// === impl Stage ===

impl<C: Cluster> Stage<'_, C> {
    /// Writes all runs.
    pub async fn write(&self, plan: &Plan) -> Result<Changed, Error> {
        self.progress.phase(ImportPhase::Staging, plan.runs() as u64);
        let mut changed = Changed::default();
        let mut shards = futures::stream::iter(plan.shards())
            .map(|shard| self.write_shard(shard, plan.of(shard)).boxed())
            .buffer_unordered(self.options.shards_at_once);
        while let Some(of_shard) = shards.try_next().await? {
            changed += of_shard;
        }
        Ok(changed)
    }

    /// Seals every shard; one seal for each, in their order.
    pub async fn seal(&self, shards: u32) -> Result<Vec<Seal>, Error> {
        self.progress.phase(ImportPhase::Sealing, shards.into());
        futures::stream::iter((0..shards).map(ShardId))
            .map(|shard| self.seal_shard(shard).boxed())
            .buffered(self.options.shards_at_once)
            .try_collect()
            .await
    }

    async fn write_shard(&self, shard: ShardId, runs: &[Run]) -> Result<Changed, Error> {
        let mut changed = Changed::default();
        for run in runs {
            let started = Instant::now();
            let command = ShardCommand::Stage {
                registry: self.loading.registry,
                version: self.loading.version,
                ancestry: self.loading.ancestry.clone(),
                run: run.clone(),
            };
            match self.cluster.write(shard, &command, self.deadline()).await? {
                ShardReply::Staged(of_run) => changed += of_run,
                ShardReply::Refused(why) => return Err(Error::ShardRefused { shard, why }),
                _ => return Err(Error::Unexpected),
            }
            self.progress.advance(1);
            let pause = (started.elapsed() / PAUSE_PART).min(MAX_PAUSE);
            tokio::time::sleep(pause).await;
        }
        Ok(changed)
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
