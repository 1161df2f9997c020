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
use super::amend::Edits;
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

    /// What it changed, if the reply says so.
    fn sum(&self, reply: ShardReply) -> Option<Sum>;
}

/// What pieces changed against the version before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// All of them.
    pub changed: Changed,
    /// Those of one area. Runs of full lists span areas, which are counted from the list.
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

    fn sum(&self, reply: ShardReply) -> Option<Sum> {
        match reply {
            ShardReply::Staged(changed) => Some(Sum { changed, by_area: BTreeMap::new() }),
            _ => None,
        }
    }
}

impl Piece for Edits {
    fn command(&self, loading: &Loading) -> ShardCommand {
        ShardCommand::Amend {
            registry: loading.registry,
            version: loading.version,
            ancestry: loading.ancestry.clone(),
            edits: self.clone(),
        }
    }

    fn sum(&self, reply: ShardReply) -> Option<Sum> {
        let ShardReply::Amended(each) = reply else { return None };
        if each.len() != self.len() {
            return None;
        }
        let mut sum = Sum::default();
        self.iter().zip(each).for_each(|(edit, changed)| sum.add(edit.block.area(), changed));
        Some(sum)
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
                ShardReply::Refused(why) => return Err(Error::ShardRefused { shard, why }),
                reply => sum.add_all(piece.sum(reply).ok_or(Error::Unexpected)?),
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

#[cfg(test)]
mod tests {
    use dnc_core::block::{Block, BlockId};
    use dnc_core::command::Edit;

    use super::*;

    fn changed(added: u64) -> Changed {
        Changed { added, dropped: 0, unchanged: 1 }
    }

    #[test]
    fn what_edits_changed_is_counted_for_the_area_of_each() {
        let edit = |block| Edit { block: BlockId(block), add: Block::default(), drop: Block::default() };
        let edits: Edits = [1_201_555, 1_818_100, 1_818_101].map(edit).to_vec();
        let reply = |counts: &[u64]| ShardReply::Amended(counts.iter().copied().map(changed).collect());
        let sum = edits.sum(reply(&[1, 10, 100])).expect("a count for each");
        let area = |text: &str| text.parse::<Area>().expect("an area");
        let of_818 = Changed { added: 110, dropped: 0, unchanged: 2 };
        assert_eq!(sum.by_area, BTreeMap::from([(area("201"), changed(1)), (area("818"), of_818)]));
        assert_eq!(sum.changed, Changed { added: 111, dropped: 0, unchanged: 3 });
        // Counts that are not those of these edits are none.
        assert_eq!(edits.sum(reply(&[1, 10])), None);
        assert_eq!(edits.sum(ShardReply::Staged(changed(1))), None);
    }
}
