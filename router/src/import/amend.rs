//! Cuts the changes of change lists into pieces: which shard gets what. Pure.
//!
//! A busy day's changes touch every area and thousands of blocks in each shard, most of them once. What a piece costs is
//! its place in a log, so pieces span areas and are as large as a log entry may be; what came of them is counted by
//! area edit by edit.

use std::collections::BTreeSet;

use dnc_core::command::{Edit, MAX_RUN_BYTES};
use dnc_core::listfile::{BlockChange, Settled};

use super::error::Error;
use super::plan::{self, BLOCK_OVERHEAD, Plan};
use super::scope::Scope;

/// Most edits in a piece: the smallest one can have a whole block written, so that a replica writes 1.25 MB for a piece at most.
const MAX_EDITS: usize = 1_000;

/// Changes of one shard, ascending by block.
pub type Edits = Vec<Edit>;

/// All pieces of these changes. Refuses changes outside of what is covered.
pub fn plan(scope: &Scope, changes: &Settled, shards: u32) -> Result<Plan<Edits>, Error> {
    let mut pieces: Vec<Vec<Edits>> = vec![Vec::new(); shards as usize];
    // Bytes in the last piece of each shard.
    let mut filled = vec![0; shards as usize];
    let mut outside = BTreeSet::new();
    for BlockChange { block, adds, drops } in &changes.blocks {
        let area = block.area();
        if !area.map_or(matches!(scope, Scope::Everywhere(_)), |area| scope.covers(area)) {
            outside.extend(area);
            continue;
        }
        let shard = block.shard(shards) as usize;
        let bytes = adds.as_bytes().len() + drops.as_bytes().len() + 2 * BLOCK_OVERHEAD;
        let edit = Edit { block: *block, add: adds.clone(), drop: drops.clone() };
        match pieces[shard].last_mut() {
            Some(piece) if piece.len() < MAX_EDITS && filled[shard] + bytes <= MAX_RUN_BYTES => {
                piece.push(edit);
                filled[shard] += bytes;
            }
            _ => {
                pieces[shard].push(vec![edit]);
                filled[shard] = bytes;
            }
        }
    }
    if outside.is_empty() { Ok(Plan::of_pieces(pieces)) } else { Err(Error::Coverage(plan::describe(&outside))) }
}

#[cfg(test)]
mod tests {
    use dnc_core::block::{Block, BlockBuilder, BlockId};
    use dnc_core::codec;

    use super::*;
    use crate::import::scope::tests::areas_scope;

    fn block(lines: u16) -> Block {
        let mut builder = BlockBuilder::new();
        for line in 0..lines {
            builder.insert(line).expect("a line");
        }
        builder.build()
    }

    fn settled(lines: u16, blocks: impl Iterator<Item = u64>) -> Settled {
        let change = |id| BlockChange { block: BlockId(id), adds: block(lines), drops: Block::default() };
        Settled { blocks: blocks.map(change).collect(), adds: 0, drops: 0 }
    }

    #[test]
    fn each_change_goes_to_its_shard_once_in_pieces_that_fit_an_entry() {
        for lines in [1, 700] {
            let changes = settled(lines, (1_201_000..1_206_000).chain(1_818_100..1_818_103));
            let areas = ["201", "202", "203", "204", "205", "818"];
            let plan = plan(&areas_scope(&areas), &changes, 4).expect("inside");
            let mut found = Vec::new();
            for shard in plan.shards() {
                for piece in plan.of(shard) {
                    assert!(codec::encode(piece).len() <= MAX_RUN_BYTES + 64);
                    assert!((1..=MAX_EDITS).contains(&piece.len()));
                    assert!(piece.is_sorted_by(|a, b| a.block < b.block));
                    assert!(piece.iter().all(|edit| edit.block.shard(4) == shard.0));
                    found.extend(piece.iter().map(|edit| edit.block));
                }
            }
            found.sort_unstable();
            assert_eq!(found, changes.blocks.iter().map(|change| change.block).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_few_changes_all_over_the_country_are_one_piece_for_each_shard() {
        let changes = settled(1, (201..=989).map(|area| 1_000_000 + area * 1_000 + 555));
        let areas: Vec<String> = (201..=989).map(|area| area.to_string()).collect();
        let areas: Vec<&str> = areas.iter().map(String::as_str).collect();
        let plan = plan(&areas_scope(&areas), &changes, 4).expect("inside");
        assert_eq!(plan.pieces(), 4);
    }

    #[test]
    fn changes_outside_of_what_is_covered_are_refused_by_area() {
        let changes = settled(700, 1_202_555..1_202_556);
        let refused = plan(&areas_scope(&["201"]), &changes, 4);
        assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("202") && !why.contains("555")));
    }
}
