//! Comparing a run with the parent version: which blocks to write, and what changed. Pure.

use dnc_core::block::{Block, BlockId};
use dnc_core::command::{Changed, Run, ShardRefusal};
use dnc_core::ids::ShardId;

use super::resident::Resident;

/// What a run changes against the parent version.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Blocks that differ from the parent's, with their new content; an empty one means: gone.
    pub differs: Vec<(BlockId, Block)>,
    /// Blocks of the range that are as the parent has them.
    pub same: Vec<BlockId>,
    /// Counted in numbers.
    pub changed: Changed,
}

/// Refuses a run that does not keep its word: blocks in order, within the range, of this shard, and none of them empty.
pub fn check(run: &Run, shard: ShardId, shards: u32) -> Result<(), ShardRefusal> {
    let in_order = run.blocks.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let fits = run
        .blocks
        .iter()
        .all(|(id, block)| (run.first..=run.last).contains(id) && id.shard(shards) == shard.0 && !block.is_empty());
    if in_order && fits && run.first <= run.last { Ok(()) } else { Err(ShardRefusal::BadRun) }
}

/// Compares a run, which is the complete content of its range, with the parent version's content of that range.
pub fn compare(run: Run, parent: &Resident) -> Difference {
    let empty = Block::default();
    let mut difference = Difference::default();
    let mut record = |id: BlockId, old: &Block, new: Block| {
        let diff = new.diff(old);
        difference.changed +=
            Changed { added: diff.added.into(), dropped: diff.dropped.into(), unchanged: diff.unchanged.into() };
        if *old == new {
            difference.same.push(id);
        } else {
            difference.differs.push((id, new));
        }
    };
    let mut before = parent.range(run.first, run.last).iter().copied().peekable();
    for (id, new) in run.blocks {
        while let Some(gone) = before.next_if(|old| *old < id) {
            record(gone, parent.block(gone).unwrap_or(&empty), empty.clone());
        }
        before.next_if_eq(&id);
        record(id, parent.block(id).unwrap_or(&empty), new);
    }
    for gone in before {
        record(gone, parent.block(gone).unwrap_or(&empty), empty.clone());
    }
    difference
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dnc_core::block::BlockBuilder;
    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<u64, BTreeSet<u16>>;

    fn block(lines: &BTreeSet<u16>) -> Block {
        let mut builder = BlockBuilder::default();
        for line in lines {
            builder.insert(*line).expect("a line");
        }
        builder.build()
    }

    fn blocks(model: &Model) -> Vec<(BlockId, Block)> {
        model.iter().filter(|(_, lines)| !lines.is_empty()).map(|(id, lines)| (BlockId(*id), block(lines))).collect()
    }

    fn numbers(model: &Model) -> BTreeSet<(u64, u16)> {
        model.iter().flat_map(|(id, lines)| lines.iter().map(|line| (*id, *line))).collect()
    }

    fn model() -> impl Strategy<Value = Model> {
        proptest::collection::btree_map(0u64..12, proptest::collection::btree_set(0u16..20, 0..8), 0..12)
    }

    proptest! {
        #[test]
        fn a_run_replaces_its_range_and_counts_what_changed(
            parent in model(), loaded in model(), first in 0u64..12, span in 0u64..12,
        ) {
            let last = first + span;
            let within = |id: &u64| (first..=last).contains(id);
            let run = Run {
                first: BlockId(first),
                last: BlockId(last),
                blocks: blocks(&loaded).into_iter().filter(|(id, _)| within(&id.0)).collect(),
            };
            let resident = Resident::new(blocks(&parent));
            let difference = compare(run, &resident);
            let result = resident.with(difference.differs.iter().map(|(id, b)| (id, b)));

            let mut expected = parent.clone();
            expected.retain(|id, _| !within(id));
            expected.extend(loaded.iter().filter(|(id, _)| within(id)).map(|(i, l)| (*i, l.clone())));
            prop_assert_eq!(result.seal(), Resident::new(blocks(&expected)).seal());

            let only = |m: &Model| -> BTreeSet<(u64, u16)> {
                numbers(m).into_iter().filter(|(id, _)| within(id)).collect()
            };
            let (old, new) = (only(&parent), only(&loaded));
            prop_assert_eq!(difference.changed, Changed {
                added: new.difference(&old).count() as u64,
                dropped: old.difference(&new).count() as u64,
                unchanged: new.intersection(&old).count() as u64,
            });
        }
    }

    #[test]
    fn a_run_that_breaks_its_word_is_refused() {
        let lines = BTreeSet::from([1u16]);
        let mine = (0u64..).map(BlockId).filter(|id| id.shard(4) == 2);
        let ids: Vec<BlockId> = mine.take(3).collect();
        let run = |blocks: Vec<(BlockId, Block)>| Run { first: ids[0], last: ids[1], blocks };
        let ok = run(vec![(ids[0], block(&lines)), (ids[1], block(&lines))]);
        assert_eq!(check(&ok, ShardId(2), 4), Ok(()));
        let bad = [
            run(vec![(ids[1], block(&lines)), (ids[0], block(&lines))]),
            run(vec![(ids[0], block(&lines)), (ids[0], block(&lines))]),
            run(vec![(ids[2], block(&lines))]),
            run(vec![(ids[0], Block::default())]),
            Run { first: BlockId(5), last: BlockId(4), blocks: vec![] },
        ];
        for run in bad {
            assert_eq!(check(&run, ShardId(2), 4), Err(ShardRefusal::BadRun));
        }
        assert_eq!(check(&ok, ShardId(1), 4), Err(ShardRefusal::BadRun));
    }
}
