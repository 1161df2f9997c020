//! Comparing what a load brings with the parent version: which blocks to write, and what changed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::block::{Block, BlockId};
use dnc_core::command::{Changed, Edit, Run, ShardRefusal};
use dnc_core::ids::ShardId;

use super::resident::Resident;

/// Blocks by their id; an empty one means: gone.
pub type Blocks = BTreeMap<BlockId, Block>;

/// Where a run, or edits, leave a version with another content than its parent has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Blocks that differ from the parent's, with their new content; an empty one means: gone.
    pub differs: Vec<(BlockId, Block)>,
    /// Blocks that are as the parent has them.
    pub same: Vec<BlockId>,
}

// === impl Difference ===

impl Difference {
    /// Notes a block's content, and says what changed of it.
    fn record(&mut self, id: BlockId, old: &Block, new: Block) -> Changed {
        let diff = new.diff(old);
        if *old == new {
            self.same.push(id);
        } else {
            self.differs.push((id, new));
        }
        Changed { added: diff.added.into(), dropped: diff.dropped.into(), unchanged: diff.unchanged.into() }
    }
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

/// Refuses edits that do not keep their word: blocks in order, of this shard, and no number both in and out.
pub fn check_edits(edits: &[Edit], shard: ShardId, shards: u32) -> Result<(), ShardRefusal> {
    let in_order = edits.windows(2).all(|pair| pair[0].block < pair[1].block);
    let fits = edits.iter().all(|edit| edit.block.shard(shards) == shard.0 && edit.add.diff(&edit.drop).unchanged == 0);
    if in_order && fits { Ok(()) } else { Err(ShardRefusal::BadRun) }
}

/// Compares a run, which is the complete content of its range, with the parent version's content of
/// that range. What was staged of the range before is replaced.
pub fn compare(run: Run, parent: &Resident, staged: &Blocks) -> (Difference, Changed) {
    let empty = Block::default();
    let mut difference = Difference::default();
    let mut changed = Changed::default();
    let mut record = |id, new| changed += difference.record(id, parent.block(id).unwrap_or(&empty), new);
    let stored: BTreeSet<BlockId> = parent
        .range(run.first, run.last)
        .iter()
        .chain(staged.range(run.first..=run.last).map(|(id, _)| id))
        .copied()
        .collect();
    let mut before = stored.into_iter().peekable();
    for (id, new) in run.blocks {
        while let Some(gone) = before.next_if(|old| *old < id) {
            record(gone, empty.clone());
        }
        before.next_if_eq(&id);
        record(id, new);
    }
    before.for_each(|gone| record(gone, empty.clone()));
    (difference, changed)
}

/// Applies edits to what the version has of their blocks: what was staged, or what the parent has. Counted, for each edit
/// in their order, is against the parent, so that the same edits once more count the same.
pub fn amend(edits: &[Edit], parent: &Resident, staged: &Blocks) -> (Difference, Vec<Changed>) {
    let empty = Block::default();
    let mut difference = Difference::default();
    let mut each = Vec::with_capacity(edits.len());
    for edit in edits {
        let old = parent.block(edit.block).unwrap_or(&empty);
        let current = staged.get(&edit.block).unwrap_or(old);
        each.push(difference.record(edit.block, old, current.edited(&edit.add, &edit.drop)));
    }
    (difference, each)
}

#[cfg(test)]
mod tests {
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
            parent in model(), before in model(), loaded in model(), first in 0u64..12, span in 0u64..12,
        ) {
            let last = first + span;
            let within = |id: &u64| (first..=last).contains(id);
            let run = Run {
                first: BlockId(first),
                last: BlockId(last),
                blocks: blocks(&loaded).into_iter().filter(|(id, _)| within(&id.0)).collect(),
            };
            let resident = Resident::new(blocks(&parent));
            // An earlier attempt had staged something else.
            let mut staged: Blocks = before.iter().map(|(id, lines)| (BlockId(*id), block(lines))).collect();
            let (difference, changed_here) = compare(run, &resident, &staged);
            take(&mut staged, &difference);
            let result = resident.with(staged.iter());

            let mut expected = parent.clone();
            expected.extend(before.clone());
            expected.retain(|id, _| !within(id));
            expected.extend(loaded.iter().filter(|(id, _)| within(id)).map(|(i, l)| (*i, l.clone())));
            prop_assert_eq!(result.seal(), Resident::new(blocks(&expected)).seal());

            let only = |m: &Model| -> BTreeSet<(u64, u16)> {
                numbers(m).into_iter().filter(|(id, _)| within(id)).collect()
            };
            prop_assert_eq!(changed_here, changed(&only(&parent), &only(&loaded)));
        }

        #[test]
        fn edits_change_what_they_name_and_count_against_the_parent(
            parent in model(), before in model(), adds in model(), drops in model(),
        ) {
            let resident = Resident::new(blocks(&parent));
            let mut staged: Blocks = before.iter().map(|(id, lines)| (BlockId(*id), block(lines))).collect();
            let ids: BTreeSet<u64> = adds.keys().chain(drops.keys()).copied().collect();
            let lines = |model: &Model, id: &u64| model.get(id).cloned().unwrap_or_default();
            let edits: Vec<Edit> = ids
                .iter()
                .map(|id| {
                    let add = &lines(&adds, id) - &lines(&drops, id);
                    Edit { block: BlockId(*id), add: block(&add), drop: block(&lines(&drops, id)) }
                })
                .collect();
            prop_assert_eq!(check_edits(&edits, ShardId(0), 1), Ok(()));
            let (difference, each) = amend(&edits, &resident, &staged);
            take(&mut staged, &difference);
            let again = amend(&edits, &resident, &staged);
            prop_assert_eq!(&again, &(difference, each.clone()));

            let mut expected = parent.clone();
            expected.extend(before.clone());
            for id in &ids {
                let edited = &(&lines(&expected, id) | &lines(&adds, id)) - &lines(&drops, id);
                expected.insert(*id, edited);
            }
            let result = resident.with(staged.iter());
            prop_assert_eq!(result.seal(), Resident::new(blocks(&expected)).seal());
            let only = |m: &Model, of: u64| -> BTreeSet<(u64, u16)> {
                numbers(m).into_iter().filter(|(id, _)| *id == of).collect()
            };
            let of_each: Vec<Changed> = ids.iter().map(|id| changed(&only(&parent, *id), &only(&expected, *id))).collect();
            prop_assert_eq!(each, of_each);
        }
    }

    /// Stages what a difference says.
    fn take(staged: &mut Blocks, difference: &Difference) {
        staged.extend(difference.differs.iter().cloned());
        difference.same.iter().for_each(|id| drop(staged.remove(id)));
    }

    fn changed(old: &BTreeSet<(u64, u16)>, new: &BTreeSet<(u64, u16)>) -> Changed {
        Changed {
            added: new.difference(old).count() as u64,
            dropped: old.difference(new).count() as u64,
            unchanged: new.intersection(old).count() as u64,
        }
    }

    #[test]
    fn edits_that_break_their_word_are_refused() {
        let mine = (0u64..).map(BlockId).filter(|id| id.shard(4) == 2);
        let ids: Vec<BlockId> = mine.take(2).collect();
        let (one, both) = (block(&BTreeSet::from([1])), block(&BTreeSet::from([1, 2])));
        let edit = |block, add: &Block, drop: &Block| Edit { block, add: add.clone(), drop: drop.clone() };
        let none = Block::default();
        let ok = [edit(ids[0], &one, &none), edit(ids[1], &none, &both)];
        assert_eq!(check_edits(&ok, ShardId(2), 4), Ok(()));
        assert_eq!(check_edits(&ok, ShardId(1), 4), Err(ShardRefusal::BadRun));
        let bad = [
            vec![edit(ids[1], &one, &none), edit(ids[0], &one, &none)],
            vec![edit(ids[0], &one, &none), edit(ids[0], &one, &none)],
            vec![edit(ids[0], &one, &both)],
        ];
        for edits in bad {
            assert_eq!(check_edits(&edits, ShardId(2), 4), Err(ShardRefusal::BadRun));
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
