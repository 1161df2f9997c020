//! Cuts blocks into runs: which shard gets what, in which pieces. Pure; execution has no choices left.
//!
//! For each shard the runs cover each range of the load exactly once, so that a block that is in no
//! run is empty, in shards without any block of a range too. No run is larger than a log entry may be.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use dnc_core::area::Area;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::{MAX_RUN_BYTES, Run};
use dnc_core::ids::ShardId;

use super::error::Error;

/// Bytes that a block takes in a run besides its own: its id and its length, at their longest.
pub const BLOCK_OVERHEAD: usize = 9 + 3;
/// Areas named when numbers lie outside of what is covered.
const NAMED: usize = 5;

/// All pieces of a load: the runs of a full list, or what [`super::amend`] makes of change lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<P = Run> {
    /// The pieces of each shard, by its number.
    shards: Vec<Vec<P>>,
}

// === impl Plan ===

impl Plan {
    /// Cuts `blocks`, ascending, into runs that cover `ranges`, ascending and apart.
    pub fn new(ranges: &[RangeInclusive<u64>], blocks: &[(BlockId, Block)], shards: u32) -> Result<Self, Error> {
        let mut plan = Self { shards: vec![Vec::new(); shards as usize] };
        let mut outside = BTreeSet::new();
        let mut rest = blocks;
        for range in ranges {
            let before = rest.partition_point(|(id, _)| id.0 < *range.start());
            let (skipped, from) = rest.split_at(before);
            outside.extend(skipped.iter().filter_map(|(id, _)| id.area()));
            let within = from.partition_point(|(id, _)| id.0 <= *range.end());
            let (inside, after) = from.split_at(within);
            plan.cover(range, inside, shards);
            rest = after;
        }
        outside.extend(rest.iter().filter_map(|(id, _)| id.area()));
        if outside.is_empty() { Ok(plan) } else { Err(Error::Coverage(describe(&outside))) }
    }

    /// Adds the runs that cover one range in every shard.
    fn cover(&mut self, range: &RangeInclusive<u64>, blocks: &[(BlockId, Block)], shards: u32) {
        let mut open: Vec<Cut> = (0..shards).map(|_| Cut::at(*range.start())).collect();
        for (id, block) in blocks {
            let shard = id.shard(shards) as usize;
            let bytes = block.as_bytes().len() + BLOCK_OVERHEAD;
            if open[shard].bytes + bytes > MAX_RUN_BYTES && !open[shard].blocks.is_empty() {
                let full = std::mem::replace(&mut open[shard], Cut::at(id.0));
                self.shards[shard].push(full.until(id.0 - 1));
            }
            open[shard].bytes += bytes;
            open[shard].blocks.push((*id, block.clone()));
        }
        for (runs, cut) in self.shards.iter_mut().zip(open) {
            runs.push(cut.until(*range.end()));
        }
    }
}

impl<P> Plan<P> {
    /// A plan of these pieces, by shard.
    pub fn of_pieces(shards: Vec<Vec<P>>) -> Self {
        Self { shards }
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }

    /// All shards.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<P> {
        let count = u32::try_from(self.shards.len()).expect("made from a u32");
        (0..count).map(ShardId)
    }

    /// The pieces of one shard.
    pub fn of(&self, shard: ShardId) -> &[P] {
        self.shards.get(shard.0 as usize).map_or(&[], Vec::as_slice)
    }
}

/// A run being filled.
struct Cut {
    first: u64,
    blocks: Vec<(BlockId, Block)>,
    bytes: usize,
}

impl Cut {
    fn at(first: u64) -> Self {
        Self { first, blocks: Vec::new(), bytes: 0 }
    }

    fn until(self, last: u64) -> Run {
        Run { first: BlockId(self.first), last: BlockId(last), blocks: self.blocks }
    }
}

/// Says which areas are not covered, and no number.
pub fn describe(outside: &BTreeSet<Area>) -> String {
    let named: Vec<String> = outside.iter().take(NAMED).map(Area::to_string).collect();
    let more = match outside.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the files hold numbers outside of what they are said to cover: in area {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dnc_core::block::BlockBuilder;
    use dnc_core::codec;
    use proptest::prelude::*;

    use super::*;

    fn block(lines: u16) -> Block {
        let mut builder = BlockBuilder::new();
        for line in 0..lines {
            builder.insert(line).expect("a line");
        }
        builder.build()
    }

    fn areas(codes: &[&str]) -> Vec<RangeInclusive<u64>> {
        let mut ranges: Vec<_> =
            codes.iter().flat_map(|code| code.parse::<Area>().expect("an area").block_ranges()).collect();
        ranges.sort_by_key(|range| *range.start());
        ranges
    }

    #[test]
    fn every_shard_gets_a_run_of_every_range_even_without_a_block() {
        let ranges = areas(&["201", "818"]);
        let plan = Plan::new(&ranges, &[], 16).expect("plans");
        assert_eq!(plan.pieces(), 32);
        for shard in plan.shards() {
            let covered: Vec<_> = plan.of(shard).iter().map(|r| r.first.0..=r.last.0).collect();
            assert_eq!(covered, ranges);
        }
    }

    #[test]
    fn numbers_outside_of_what_is_covered_are_refused_by_area() {
        let blocks =
            vec![(BlockId(1_201_555), block(1)), (BlockId(1_202_555), block(1)), (BlockId(1_900_555), block(1))];
        let refused = Plan::new(&areas(&["201", "818"]), &blocks, 4);
        let Err(Error::Coverage(why)) = refused else {
            panic!("refused: {refused:?}");
        };
        assert!(why.contains("202, 900"), "{why}");
        assert!(!why.contains("555"), "{why}");
    }

    #[test]
    fn a_full_area_is_cut_into_several_runs() {
        let blocks: Vec<_> = (1_201_000..1_202_000).map(|id| (BlockId(id), block(700))).collect();
        let plan = Plan::new(&areas(&["201"]), &blocks, 1).expect("plans");
        assert!(plan.pieces() > 3);
        for shard in plan.shards() {
            for run in plan.of(shard) {
                assert!(codec::encode(run).len() <= MAX_RUN_BYTES + 64);
            }
        }
    }

    proptest! {
        #[test]
        fn runs_cover_each_range_once_per_shard_and_hold_each_block_once(
            picks in proptest::collection::btree_map(0u64..3_000, 1u16..2_000, 0..500),
            shards in 1u32..20,
            everywhere in any::<bool>(),
        ) {
            // Three areas that do not touch.
            let ids = |pick: u64| [1_201_000, 1_414_000, 1_818_000][(pick / 1_000) as usize] + pick % 1_000;
            let kinds: BTreeMap<u16, Block> = picks.values().map(|n| (n % 7 * 300 + 1, block(n % 7 * 300 + 1))).collect();
            let blocks: Vec<_> = picks
                .iter()
                .map(|(pick, n)| (BlockId(ids(*pick)), kinds[&(n % 7 * 300 + 1)].clone()))
                .collect();
            let ranges = if everywhere { vec![0..=u64::MAX] } else { areas(&["201", "414", "818"]) };
            let plan = Plan::new(&ranges, &blocks, shards).expect("all inside");
            let mut found = BTreeMap::new();
            for shard in plan.shards() {
                let mut position = 0;
                let mut next = *ranges[0].start();
                for run in plan.of(shard) {
                    // Each run begins where the one before ended, or with the next range.
                    prop_assert_eq!(run.first.0, next);
                    prop_assert!(run.last >= run.first);
                    let end = *ranges[position].end();
                    prop_assert!(run.last.0 <= end);
                    next = if run.last.0 == end {
                        position += 1;
                        ranges.get(position).map_or(0, |range| *range.start())
                    } else {
                        run.last.0 + 1
                    };
                    prop_assert!(run.blocks.is_sorted_by(|a, b| a.0 < b.0));
                    let bytes: usize = run.blocks.iter().map(|(_, b)| b.as_bytes().len() + BLOCK_OVERHEAD).sum();
                    prop_assert!(bytes <= MAX_RUN_BYTES);
                    for (id, block) in &run.blocks {
                        prop_assert!(run.first <= *id && *id <= run.last);
                        prop_assert_eq!(id.shard(shards), shard.0);
                        prop_assert!(found.insert(*id, block.clone()).is_none());
                    }
                }
                prop_assert_eq!(position, ranges.len());
            }
            prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), blocks);
        }
    }
}
