//! What the files of a backup hold, on its way into the shards of a cluster: each entry and block to the shard that
//! owns it there, some thousand at a time. Everything here can be done twice.

use std::collections::BTreeMap;

use dnc_core::block::{Block, BlockId};
use dnc_core::command::{Edit, MAX_BATCH, MAX_RUN_BYTES, Seal, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::record::{Record, Table};
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::ASK;
use super::blocks::Blocks;
use super::error::Error;
use super::lines::Names;
use super::manifest::{File, Manifest};
use super::progress::Progress;
use super::store::Store;
use crate::cluster::Cluster;
use crate::report;
use crate::suppress::{Format, Records};

/// Entries that are held before they are written, and bytes of blocks.
const ROUND: usize = 16_000;
const ROUND_BYTES: usize = 16 << 20;
/// Commands that are under way at once.
const AT_ONCE: usize = 16;
/// Bytes that an entry, or a block, takes in a log beside its content, at most.
const OVERHEAD: usize = 256;

/// Fills the shards of a cluster from a backup.
pub struct Refill<'a, C> {
    /// Which cluster.
    pub cluster: &'a C,
    /// Where the backup is.
    pub store: &'a Store,
    /// Which backup.
    pub manifest: &'a Manifest,
    /// Whom to tell.
    pub progress: &'a Progress,
    /// Shards of the cluster.
    pub shards: u32,
}

// === impl Refill ===

impl<C: Cluster> Refill<'_, C> {
    /// All entries of a table.
    pub async fn table(&self, table: Table, file: &File, names: &Names) -> Result<(), Error> {
        self.progress.step("restoring", &file.name);
        let mut source = self.store.read(&self.manifest.name, file).await?;
        let mut lines = Records::new(Format::JsonLines);
        let mut waiting: Vec<(Record, usize)> = Vec::new();
        let mut entries = 0;
        while let Some(piece) = source.next().await? {
            lines.push(&piece);
            self.progress.advance(0, piece.len() as u64);
            while let Some((at, line)) =
                lines.next().map_err(|why| Error::damaged(&file.name, format!("line {} does not end", why.line)))?
            {
                let read = names.read(table, line);
                let record = read.map_err(|why| Error::damaged(&file.name, format!("line {at}: {why}")))?;
                waiting.push((record, line.len()));
                entries += 1;
                if waiting.len() >= ROUND {
                    self.write_records(std::mem::take(&mut waiting)).await?;
                }
            }
        }
        if lines.rest().is_some() || entries != file.entries {
            return Err(Error::damaged(&file.name, "it does not hold as many entries as were written"));
        }
        self.write_records(waiting).await
    }

    /// All blocks of a version. What each shard sealed.
    pub async fn version(&self, registry: RegistryId, version: VersionId, file: &File) -> Result<Vec<Seal>, Error> {
        self.progress.step("restoring", &file.name);
        let mut source = self.store.read(&self.manifest.name, file).await?;
        let mut blocks = Blocks::default();
        let (mut waiting, mut bytes, mut entries) = (Vec::new(), 0, 0);
        while let Some(piece) = source.next().await? {
            blocks.push(&piece);
            self.progress.advance(0, piece.len() as u64);
            while let Some((id, block)) = blocks.next().map_err(|why| Error::damaged(&file.name, why.to_string()))? {
                bytes += block.as_bytes().len() + OVERHEAD;
                waiting.push((id, block));
                entries += 1;
                if bytes >= ROUND_BYTES {
                    bytes = 0;
                    self.write_blocks(registry, version, std::mem::take(&mut waiting)).await?;
                }
            }
        }
        blocks.end().map_err(|why| Error::damaged(&file.name, why.to_string()))?;
        if entries != file.entries {
            return Err(Error::damaged(&file.name, "it does not hold as many blocks as were written"));
        }
        self.write_blocks(registry, version, waiting).await?;
        self.progress.step("sealing", &file.name);
        futures::stream::iter((0..self.shards).map(ShardId))
            .map(|shard| self.seal(shard, registry, version))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn write_records(&self, records: Vec<(Record, usize)>) -> Result<(), Error> {
        let shards = self.shards;
        let shard_of = |record: &Record| match record {
            Record::Suppression { number, .. } | Record::Exemption { number, .. } => {
                ShardId(number.block().shard(shards))
            }
            Record::Counts { day, .. } => report::shard_of(*day, shards),
        };
        let count = records.len() as u64;
        let sized = records.into_iter().map(|(record, bytes)| (shard_of(&record), bytes + OVERHEAD, record));
        let commands = cut(sized, MAX_BATCH).into_iter();
        self.write(commands.map(|(shard, records)| (shard, ShardCommand::Restore { records })).collect()).await?;
        self.progress.advance(count, 0);
        Ok(())
    }

    /// As changes of an empty version, since these may come in any order and twice.
    async fn write_blocks(
        &self,
        registry: RegistryId,
        version: VersionId,
        mut blocks: Vec<(BlockId, Block)>,
    ) -> Result<(), Error> {
        let count = blocks.len() as u64;
        blocks.sort_unstable_by_key(|(id, _)| *id);
        let edit = |(block, add): (BlockId, Block)| {
            let bytes = add.as_bytes().len() + OVERHEAD;
            (ShardId(block.shard(self.shards)), bytes, Edit { block, add, drop: Block::default() })
        };
        let command = |(shard, edits)| (shard, ShardCommand::Amend { registry, version, ancestry: Vec::new(), edits });
        self.write(cut(blocks.into_iter().map(edit), usize::MAX).into_iter().map(command).collect()).await?;
        self.progress.advance(count, 0);
        Ok(())
    }

    async fn write(&self, commands: Vec<(ShardId, ShardCommand)>) -> Result<(), Error> {
        let writes = futures::stream::iter(commands).map(|(shard, command)| async move {
            match self.cluster.write(shard, &command, Instant::now() + ASK).await? {
                ShardReply::Restored { .. } | ShardReply::Amended(_) => Ok(()),
                // An attempt before this one came further: what it sealed is compared with the backup in the end.
                ShardReply::Refused(ShardRefusal::Sealed) => Ok(()),
                ShardReply::Refused(why) => Err(Error::Refused { shard, why }),
                _ => Err(Error::Unexpected),
            }
        });
        writes.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn seal(&self, shard: ShardId, registry: RegistryId, version: VersionId) -> Result<Seal, Error> {
        let command = ShardCommand::Seal { registry, version, ancestry: Vec::new() };
        match self.cluster.write(shard, &command, Instant::now() + ASK).await? {
            ShardReply::Sealed(seal) => Ok(seal),
            ShardReply::Refused(why) => Err(Error::Refused { shard, why }),
            _ => Err(Error::Unexpected),
        }
    }
}

/// What goes to each shard, in parts that neither are too many nor too large for one log entry. The order within a
/// shard stays.
fn cut<T>(items: impl Iterator<Item = (ShardId, usize, T)>, max: usize) -> Vec<(ShardId, Vec<T>)> {
    let mut open: BTreeMap<ShardId, (Vec<T>, usize)> = BTreeMap::new();
    let mut parts = Vec::new();
    for (shard, size, item) in items {
        let (part, bytes) = open.entry(shard).or_default();
        if part.len() == max || (*bytes + size > MAX_RUN_BYTES && !part.is_empty()) {
            parts.push((shard, std::mem::take(part)));
            *bytes = 0;
        }
        part.push(item);
        *bytes += size;
    }
    parts.extend(open.into_iter().map(|(shard, (part, _))| (shard, part)));
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_hold_every_item_once_in_its_shard_in_order_and_within_bounds(
            items in proptest::collection::vec((0u32..4, 1usize..MAX_RUN_BYTES / 3), 0..60), max in 1usize..6,
        ) {
            let numbered = items.iter().enumerate().map(|(at, (shard, size))| (ShardId(*shard), *size, at));
            let parts = cut(numbered, max);
            let mut seen: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
            for (shard, part) in parts {
                prop_assert!(!part.is_empty() && part.len() <= max);
                prop_assert!(part.iter().map(|at| items[*at].1).sum::<usize>() <= MAX_RUN_BYTES);
                seen.entry(shard).or_default().extend(part);
            }
            for (shard, found) in &seen {
                prop_assert!(found.is_sorted(), "shard {shard}");
                prop_assert!(found.iter().all(|at| items[*at].0 == shard.0));
            }
            prop_assert_eq!(seen.values().map(Vec::len).sum::<usize>(), items.len());
        }
    }
}
