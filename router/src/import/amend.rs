//! Cuts the changes of change lists into pieces: which shard gets what. Pure.
//!
//! Each piece is of one area, so that what comes back can be counted by area, and no larger than a log entry may be.

use std::collections::BTreeSet;

use dnc_core::area::Area;
use dnc_core::command::{Edit, MAX_RUN_BYTES};
use dnc_core::listfile::{BlockChange, Settled};

use super::error::Error;
use super::plan::{self, BLOCK_OVERHEAD, Plan};
use super::scope::Scope;

/// Changes of one area in one shard, ascending by block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The area; none where no area is known.
    pub area: Option<Area>,
    /// The changes.
    pub edits: Vec<Edit>,
}

/// All pieces of these changes. Refuses changes outside of what is covered.
pub fn plan(scope: &Scope, changes: &Settled, shards: u32) -> Result<Plan<Amendment>, Error> {
    let mut pieces: Vec<Vec<Amendment>> = vec![Vec::new(); shards as usize];
    let mut open: Vec<(Amendment, usize)> = Vec::new();
    open.resize_with(shards as usize, || (Amendment { area: None, edits: Vec::new() }, 0));
    let mut outside = BTreeSet::new();
    for BlockChange { block, adds, drops } in &changes.blocks {
        let area = block.area();
        if !area.map_or(matches!(scope, Scope::Everywhere(_)), |area| scope.covers(area)) {
            outside.extend(area);
            continue;
        }
        let shard = block.shard(shards) as usize;
        let bytes = adds.as_bytes().len() + drops.as_bytes().len() + 2 * BLOCK_OVERHEAD;
        let (piece, filled) = &mut open[shard];
        if !piece.edits.is_empty() && (piece.area != area || *filled + bytes > MAX_RUN_BYTES) {
            let full = std::mem::replace(piece, Amendment { area, edits: Vec::new() });
            pieces[shard].push(full);
            *filled = 0;
        }
        piece.area = area;
        piece.edits.push(Edit { block: *block, add: adds.clone(), drop: drops.clone() });
        *filled += bytes;
    }
    if !outside.is_empty() {
        return Err(Error::Coverage(plan::describe(&outside)));
    }
    for (of_shard, (last, _)) in pieces.iter_mut().zip(open) {
        if !last.edits.is_empty() {
            of_shard.push(last);
        }
    }
    Ok(Plan::of_pieces(pieces))
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

    fn settled(blocks: impl Iterator<Item = u64>) -> Settled {
        let change = |id| BlockChange { block: BlockId(id), adds: block(700), drops: Block::default() };
        Settled { blocks: blocks.map(change).collect(), adds: 0, drops: 0 }
    }

    #[test]
    fn each_change_goes_to_its_shard_once_in_pieces_of_one_area() {
        let changes = settled((1_201_000..1_202_000).chain(1_818_100..1_818_103));
        let plan = plan(&areas_scope(&["201", "818"]), &changes, 4).expect("inside");
        let mut found = Vec::new();
        for shard in plan.shards() {
            for piece in plan.of(shard) {
                assert!(codec::encode(&piece.edits).len() <= MAX_RUN_BYTES + 64);
                assert!(piece.edits.is_sorted_by(|a, b| a.block < b.block));
                for edit in &piece.edits {
                    assert_eq!(edit.block.shard(4), shard.0);
                    assert_eq!(edit.block.area(), piece.area);
                    found.push(edit.block);
                }
            }
        }
        found.sort_unstable();
        assert_eq!(found, changes.blocks.iter().map(|change| change.block).collect::<Vec<_>>());
    }

    #[test]
    fn changes_outside_of_what_is_covered_are_refused_by_area() {
        let changes = settled(1_202_555..1_202_556);
        let refused = plan(&areas_scope(&["201"]), &changes, 4);
        assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("202") && !why.contains("555")));
    }
}
