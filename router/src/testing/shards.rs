//! The shards of the fake, as plain maps: what they hold, and how they carry out commands.

use std::collections::{BTreeMap, HashMap};

use dnc_core::block::{Block, BlockBuilder, BlockId};
use dnc_core::command::{Changed, Edit, Run, Seal, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::ids::{RequestId, ShardId, TenantId, VersionId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use jiff::civil::Date;

use super::SHARDS;
use super::live::Live;

/// All shards.
#[derive(Default)]
pub struct Shards {
    live: Live,
    /// The blocks of each version in each shard; versions share none.
    pub versions: HashMap<(ShardId, VersionId), BTreeMap<BlockId, Block>>,
    /// The versions that were dropped.
    pub dropped: Vec<(ShardId, VersionId)>,
    /// What was counted, by request.
    pub counted: HashMap<RequestId, (TenantId, Date, Counts)>,
}

// === impl Shards ===

impl Shards {
    /// Does a command.
    pub fn apply(&mut self, shard: ShardId, command: &ShardCommand) -> ShardReply {
        if let Some(reply) = self.live.apply(shard, command) {
            return reply;
        }
        match command {
            ShardCommand::Stage { version, ancestry, run, .. } => self.stage(shard, *version, ancestry, run),
            ShardCommand::Amend { version, ancestry, edits, .. } => self.amend(shard, *version, ancestry, edits),
            ShardCommand::Seal { version, ancestry, .. } => {
                self.begun(shard, *version, ancestry);
                ShardReply::Sealed(self.seal(shard, *version))
            }
            ShardCommand::Prune { keep, from, limit, .. } => self.prune(shard, keep, *from, *limit as usize),
            ShardCommand::Drop { version, .. } => {
                self.dropped.push((shard, *version));
                self.versions.remove(&(shard, *version));
                ShardReply::Done
            }
            ShardCommand::Barrier { .. } => ShardReply::Done,
            ShardCommand::Sweep { .. } => ShardReply::Swept { ended: 0, more: false },
            ShardCommand::Count { request, tenant, day, counts } => {
                self.counted.insert(*request, (*tenant, *day, (**counts).clone()));
                ShardReply::Done
            }
            other => panic!("no shard of this cluster knows {other:?}"),
        }
    }

    /// Answers a question; none that no shard knows.
    pub fn answer(&self, shard: ShardId, query: &ShardQuery) -> Option<ShardAnswer> {
        match query {
            ShardQuery::Live => Some(ShardAnswer::Live(self.live.counts(shard))),
            ShardQuery::Counts { tenant, first, last } => {
                let here = |day: Date| crate::report::shard_of(day, SHARDS) == shard;
                let asked = |(whose, day, _): &&(TenantId, Date, Counts)| {
                    tenant.is_none_or(|only| only == *whose) && (*first..=*last).contains(day) && here(*day)
                };
                Some(ShardAnswer::Counts(self.counted.values().filter(asked).cloned().collect()))
            }
            other => self.live.answer(shard, other),
        }
    }

    fn stage(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId], run: &Run) -> ShardReply {
        let parent =
            ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned().unwrap_or_default();
        let inside = |id: &BlockId| run.first <= *id && *id <= run.last;
        let foreign = |(id, _): &(BlockId, Block)| !inside(id) || id.shard(SHARDS) != shard.0;
        if run.blocks.iter().any(foreign) {
            return ShardReply::Refused(ShardRefusal::BadRun);
        }
        let staged = self.begun(shard, version, ancestry);
        staged.retain(|id, _| !inside(id));
        staged.extend(run.blocks.iter().cloned());
        let mut ids: Vec<BlockId> = run.blocks.iter().map(|(id, _)| *id).collect();
        ids.extend(parent.keys().copied().filter(inside));
        ids.sort_unstable();
        ids.dedup();
        ShardReply::Staged(changed(staged, &parent, &ids))
    }

    fn amend(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId], edits: &[Edit]) -> ShardReply {
        let parent = ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned();
        let (Some(parent), false) = (parent, edits.iter().any(|edit| edit.block.shard(SHARDS) != shard.0)) else {
            return ShardReply::Refused(ShardRefusal::BadRun);
        };
        let staged = self.begun(shard, version, ancestry);
        for Edit { block, add, drop } in edits {
            let before = parent.get(block).cloned().unwrap_or_default();
            let mut after = BlockBuilder::new();
            for line in before.iter().filter(|line| !drop.contains(*line)).chain(add.iter()) {
                after.insert(line).expect("a line of a block");
            }
            match after.build() {
                after if after.is_empty() => staged.remove(block),
                after => staged.insert(*block, after),
            };
        }
        ShardReply::Amended(edits.iter().map(|edit| changed(staged, &parent, &[edit.block])).collect())
    }

    /// A version's content, which is its parent's before anything is staged.
    fn begun(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId]) -> &mut BTreeMap<BlockId, Block> {
        let parent = ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned();
        self.versions.entry((shard, version)).or_insert_with(|| parent.unwrap_or_default())
    }

    /// Versions share no blocks here, so none that is not kept stays. The newest may have been begun since.
    fn prune(&mut self, shard: ShardId, keep: &[VersionId], from: BlockId, limit: usize) -> ShardReply {
        let newest = keep.iter().max().copied();
        let gone = |version: &VersionId| Some(*version) < newest && !keep.contains(version);
        let mut ids: Vec<BlockId> = self
            .versions
            .iter()
            .filter(|((of, _), _)| *of == shard)
            .flat_map(|(_, blocks)| blocks.keys().copied())
            .filter(|id| *id >= from)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let next = ids.get(limit).copied();
        let page = |id: &BlockId| *id >= from && next.is_none_or(|next| *id < next);
        let mut deleted = 0;
        for ((of, version), blocks) in &mut self.versions {
            if *of == shard && gone(version) {
                let before = blocks.len();
                blocks.retain(|id, _| !page(id));
                deleted += (before - blocks.len()) as u64;
            }
        }
        let holding = self
            .versions
            .iter()
            .filter(|((of, _), blocks)| *of == shard && blocks.keys().any(page))
            .map(|((_, version), _)| *version)
            .collect();
        ShardReply::Pruned { deleted, next, holding }
    }

    /// What a shard holds of a version.
    pub fn seal(&self, shard: ShardId, version: VersionId) -> Seal {
        let mut seal = Seal { checksum: 0, numbers: 0 };
        for (id, block) in self.versions.get(&(shard, version)).into_iter().flatten() {
            seal.checksum = seal.checksum.wrapping_add(block.checksum(*id));
            seal.numbers += block.len() as u64;
        }
        seal
    }
}

/// What changed in these blocks.
fn changed(now: &BTreeMap<BlockId, Block>, before: &BTreeMap<BlockId, Block>, ids: &[BlockId]) -> Changed {
    let none = Block::default();
    let mut changed = Changed::default();
    for id in ids {
        let diff = now.get(id).unwrap_or(&none).diff(before.get(id).unwrap_or(&none));
        changed += Changed { added: diff.added.into(), dropped: diff.dropped.into(), unchanged: diff.unchanged.into() };
    }
    changed
}
