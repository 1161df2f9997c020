//! A list as the national registry's might be: its numbers lie where people live.
//!
//! The scheme. An area code has its state's people, divided by the state's area codes, times a factor from a half to one and a
//! half. Of its exchanges (200 to 999; neither those that end in 11 nor 555, which is nobody's) seven of eight are in use, few of
//! them nearly full and many hardly taken. An area code and an exchange are a block; the list's numbers are shared out to the blocks by
//! these weights. Within a block a permutation of its 10,000 lines, under a key of its own, says which are listed: those of the
//! first ranks. So nothing is kept but a count for each block, and no number comes twice.

use super::permutation::Permutation;
use super::random::{Random, mix};
use super::states::STATES;
use crate::number::PhoneNumber;

/// The largest list: about four times the national registry.
pub const MAX_NUMBERS: u64 = 1_000_000_000;

/// Lines of a block.
const LINES: u64 = 10_000;
/// Most listed numbers of a block: one line at least is not.
const FULL: u64 = LINES - 1;
/// Exchanges in use, of eight.
const IN_USE: u64 = 7;
/// A weight below 2^WEIGHT_BITS, multiplied and shifted down by as much, grows by one at most when its factor does.
const WEIGHT_BITS: u32 = 40;

/// What is left to chance, each under a key of its own.
const OF_AREA: u64 = 1;
const OF_BLOCK: u64 = 2;
const OF_LINES: u64 = 3;
const OF_REST: u64 = 4;
const OF_ORDER: u64 = 5;

/// A made-up list of numbers of the United States, all different; some megabytes, however long the list is.
#[derive(Clone, Debug)]
pub struct NationalList {
    seed: u64,
    /// Blocks that have numbers, ascending: area code and exchange.
    blocks: Vec<u32>,
    /// Place in the list of each block's first number, and the list's length at the end.
    starts: Vec<u64>,
    /// The list in an order that looks random.
    order: Permutation,
}

/// A length that no list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list has 1 to {MAX_NUMBERS} numbers")]
pub struct OutOfRange;

// === impl NationalList ===

impl NationalList {
    /// The list of this seed and length. The same two make the same list everywhere.
    pub fn new(seed: u64, numbers: u64) -> Result<Self, OutOfRange> {
        if !(1..=MAX_NUMBERS).contains(&numbers) {
            return Err(OutOfRange);
        }
        let weights = weights(seed);
        let counts = share_out(seed, numbers, &weights);
        let mut list = Self {
            seed,
            blocks: Vec::new(),
            starts: Vec::new(),
            order: Permutation::new(key(seed, OF_ORDER, 0), numbers),
        };
        let mut start = 0;
        for ((block, _), count) in weights.iter().zip(counts).filter(|(_, count)| *count > 0) {
            list.blocks.push(*block);
            list.starts.push(start);
            start += count;
        }
        debug_assert_eq!(start, numbers);
        list.starts.push(start);
        Ok(list)
    }

    /// How many numbers it has.
    pub fn numbers(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// All of its numbers, ascending.
    pub fn ascending(&self) -> impl Iterator<Item = PhoneNumber> + '_ {
        self.blocks.iter().zip(self.starts.windows(2)).flat_map(|(block, ends)| {
            let lines = self.lines(*block);
            let mut listed: Vec<u64> = (0..ends[1] - ends[0]).map(|rank| lines.place(rank)).collect();
            listed.sort_unstable();
            listed.into_iter().map(|line| number(*block, line))
        })
    }

    /// All of its numbers, in an order that looks random.
    pub fn shuffled(&self) -> impl Iterator<Item = PhoneNumber> + '_ {
        (0..self.numbers()).map(|at| self.number(at))
    }

    /// A number of the list, each as likely as the others.
    pub fn hit(&self, random: &mut Random) -> PhoneNumber {
        self.number(random.below(self.numbers()))
    }

    /// A number that is not on it, from where its numbers are.
    pub fn miss(&self, random: &mut Random) -> PhoneNumber {
        let (at, _) = self.find(random.below(self.numbers()));
        let listed = self.starts[at + 1] - self.starts[at];
        let rank = listed + random.below(LINES - listed);
        number(self.blocks[at], self.lines(self.blocks[at]).place(rank))
    }

    /// The number at a place of the random order.
    fn number(&self, at: u64) -> PhoneNumber {
        let (block, rank) = self.find(self.order.place(at));
        number(self.blocks[block], self.lines(self.blocks[block]).place(rank))
    }

    /// The block of a place in the list, by its position, and the rank within it.
    fn find(&self, place: u64) -> (usize, u64) {
        let at = self.starts.partition_point(|start| *start <= place) - 1;
        (at, place - self.starts[at])
    }

    fn lines(&self, block: u32) -> Permutation {
        Permutation::new(key(self.seed, OF_LINES, block.into()), LINES)
    }
}

fn key(seed: u64, of: u64, what: u64) -> u64 {
    mix(seed ^ mix(of << 32 | what))
}

/// `block` is an area code and an exchange that can be dialled.
fn number(block: u32, line: u64) -> PhoneNumber {
    PhoneNumber::from_national(u64::from(block) * LINES + line, 1).expect("ten digits")
}

/// Blocks in use, ascending, and what part each has of a list.
fn weights(seed: u64) -> Vec<(u32, u64)> {
    let mut areas: Vec<(u16, u64)> = Vec::new();
    for state in &STATES {
        for area in state.areas {
            let factor = 512 + (key(seed, OF_AREA, u64::from(*area)) >> 54);
            areas.push((*area, state.people * factor / state.areas.len() as u64));
        }
    }
    areas.sort_unstable();
    let exchanges =
        |area: u16| (200..1_000).filter(|ex| ex % 100 != 11 && *ex != 555).map(move |ex| u32::from(area) * 1_000 + ex);
    areas
        .into_iter()
        .flat_map(|(area, people)| exchanges(area).map(move |block| (block, people)))
        .filter_map(|(block, people)| {
            let drawn = key(seed, OF_BLOCK, block.into());
            // The square of an even distribution: most are small. Below 2^17, and people below 2^23.
            let taken = (drawn >> 48).pow(2) >> 16;
            (drawn & 7 < IN_USE).then_some((block, people * (taken + 1)))
        })
        .collect()
}

/// Shares so many numbers out by weight, no block more than full: all by one factor, rounded down, and what is left one by one.
fn share_out(seed: u64, numbers: u64, weights: &[(u32, u64)]) -> Vec<u64> {
    let by = |factor: u64, weight: u64| {
        let share = (u128::from(factor) * u128::from(weight)) >> WEIGHT_BITS;
        u64::try_from(share).map_or(FULL, |share| share.min(FULL))
    };
    let total = |factor: u64| weights.iter().map(|(_, weight)| by(factor, *weight)).sum::<u64>();
    // The largest factor that does not give out too many.
    let (mut low, mut high) = (0, 1 << 60);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if total(middle) <= numbers { low = middle } else { high = middle }
    }
    let mut counts: Vec<u64> = weights.iter().map(|(_, weight)| by(low, *weight)).collect();
    let mut rest = numbers - counts.iter().sum::<u64>();
    let turns = Permutation::new(key(seed, OF_REST, 0), weights.len() as u64);
    // One round is enough: the next factor would have given each block one more at most.
    for at in (0..weights.len() as u64).map(|rank| turns.place(rank) as usize) {
        if rest > 0 && counts[at] < FULL {
            counts[at] += 1;
            rest -= 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[test]
    fn a_list_has_exactly_as_many_numbers_as_were_asked_for_and_none_twice() {
        for numbers in [1, 2, 999, 300_000] {
            let list = NationalList::new(7, numbers).expect("in range");
            let ascending: Vec<PhoneNumber> = list.ascending().collect();
            assert_eq!((list.numbers(), ascending.len() as u64), (numbers, numbers));
            assert!(ascending.is_sorted_by(|a, b| a < b));
            let shuffled: HashSet<PhoneNumber> = list.shuffled().collect();
            assert_eq!(shuffled, ascending.into_iter().collect());
        }
    }

    #[test]
    fn the_largest_lists_are_shared_out_to_the_last_number() {
        for numbers in [258_500_000, MAX_NUMBERS] {
            let list = NationalList::new(1, numbers).expect("in range");
            assert_eq!(list.numbers(), numbers);
            assert!(list.starts.windows(2).all(|ends| (1..=FULL).contains(&(ends[1] - ends[0]))));
            // What comes first and last in the random order is on the list, and can be dialled.
            for at in [0, numbers / 2, numbers - 1] {
                PhoneNumber::parse(&list.number(at).to_string()).expect("a number");
            }
        }
        assert_eq!(NationalList::new(1, 0).err(), Some(OutOfRange));
        assert_eq!(NationalList::new(1, MAX_NUMBERS + 1).err(), Some(OutOfRange));
    }

    #[test]
    fn every_number_can_be_dialled_and_none_is_fictitious() {
        let list = NationalList::new(3, 200_000).expect("in range");
        for number in list.ascending() {
            assert_eq!(PhoneNumber::parse(&number.to_string()), Ok(number));
            assert_ne!(number.block().0 % 1_000, 555);
        }
    }

    #[test]
    fn the_seed_decides_all() {
        let first = |seed| NationalList::new(seed, 1_000).expect("in range").shuffled().collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn hits_are_on_the_list_and_misses_are_not() {
        for numbers in [5, 100_000] {
            let list = NationalList::new(7, numbers).expect("in range");
            let listed: HashSet<PhoneNumber> = list.ascending().collect();
            let mut random = Random::new(1);
            for _ in 0..2_000 {
                assert!(listed.contains(&list.hit(&mut random)));
                assert!(!listed.contains(&list.miss(&mut random)));
            }
        }
    }

    #[test]
    fn numbers_lie_where_people_live() {
        let list = NationalList::new(1, 2_000_000).expect("in range");
        let mut by_area: BTreeMap<u64, u64> = BTreeMap::new();
        list.ascending().for_each(|number| *by_area.entry(number.block().0 / 1_000 - 1_000).or_default() += 1);
        assert_eq!(by_area.len(), STATES.iter().map(|state| state.areas.len()).sum::<usize>());
        let people: u64 = STATES.iter().map(|state| state.people).sum();
        for state in &STATES {
            let numbers: u64 = state.areas.iter().map(|area| by_area[&u64::from(*area)]).sum();
            let fair = 2_000_000 * state.people / people;
            assert!((fair / 3..fair * 2).contains(&numbers), "{numbers} where {fair} would be fair");
        }
    }

    #[test]
    fn the_scheme_does_not_change() {
        let list = NationalList::new(1, 1_000_000).expect("in range");
        let first: Vec<u64> = list.shuffled().take(3).map(PhoneNumber::to_u64).collect();
        let lowest: Vec<u64> = list.ascending().take(3).map(PhoneNumber::to_u64).collect();
        assert_eq!(first, [18_644_795_882, 17_198_226_259, 19_044_343_621]);
        assert_eq!(lowest, [12_012_007_193, 12_012_008_886, 12_012_009_725]);
    }
}
