//! Changes in the order of their times, whatever order they came in.
//!
//! What a change list does to a number is what its latest change says. This collects the changes of one load, however
//! many files they come in, and settles them into additions and deletions by block. It knows neither files nor the
//! list that the changes are for.

use jiff::civil::DateTime;

use super::{Action, ListChange};
use crate::block::{Block, BlockBuilder, BlockId};
use crate::number::PhoneNumber;

/// Changes not yet in order, within a limit on their memory (24 bytes each).
pub struct Changes {
    items: Vec<Item>,
    max: usize,
}

/// One change. The order of fields is the order that [`Changes::settle`] sorts by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    number: PhoneNumber,
    at: DateTime,
    /// Which change of the load this is, counted from 0, doubled; plus one for a deletion.
    place_and_action: u32,
}

/// What all changes together do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The blocks that change, ascending by id.
    pub blocks: Vec<BlockChange>,
    /// Numbers that end up added, in all blocks.
    pub adds: u64,
    /// Numbers that end up deleted.
    pub drops: u64,
}

/// What happens to one block. No line is in both sets, and not both are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockChange {
    /// The block.
    pub block: BlockId,
    /// The lines that end up on the list.
    pub adds: Block,
    /// The lines that end up off the list.
    pub drops: Block,
}

/// More changes than were allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {max} changes")]
pub struct TooManyChanges {
    /// The limit that was set.
    pub max: usize,
}

/// One number is both added and deleted at one time, so the order of the two is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changes {first} and {second} add and delete the same number at the same time")]
pub struct AmbiguousChange {
    /// One of the two, counted from 1 in the order that the changes came in.
    pub first: u64,
    /// The other.
    pub second: u64,
}

// === impl Changes ===

impl Changes {
    /// Room for up to `max` changes (two billion at most).
    pub fn with_max(max: usize) -> Self {
        Self { items: Vec::new(), max: max.min((u32::MAX >> 1) as usize) }
    }

    /// Adds a change. An error leaves the others as they were.
    #[inline]
    pub fn insert(&mut self, change: ListChange) -> Result<(), TooManyChanges> {
        let place = self.items.len();
        if place >= self.max {
            return Err(TooManyChanges { max: self.max });
        }
        let ListChange { number, at, action } = change;
        // `max` leaves room for the lowest bit.
        let place_and_action = (place as u32) << 1 | u32::from(action == Action::Delete);
        self.items.push(Item { number, at, place_and_action });
        Ok(())
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// For each number the latest of its changes. Repeated changes count once; two that contradict each other at one
    /// time refuse them all, even if a later one would decide.
    pub fn settle(mut self) -> Result<Settled, AmbiguousChange> {
        self.items.sort_unstable();
        let mut settled = Settled::default();
        for block in self.items.chunk_by(|one, next| one.number.block() == next.number.block()) {
            let (mut adds, mut drops) = (BlockBuilder::new(), BlockBuilder::new());
            for changes in block.chunk_by(|one, next| one.number == next.number) {
                // Chunks are never empty.
                let Some(latest) = changes.last() else { continue };
                refuse_contradictions(changes)?;
                match latest.action() {
                    Action::Add => {
                        adds.insert_number(latest.number);
                        settled.adds += 1;
                    }
                    Action::Delete => {
                        drops.insert_number(latest.number);
                        settled.drops += 1;
                    }
                }
            }
            let id = block[0].number.block();
            settled.blocks.push(BlockChange { block: id, adds: adds.build(), drops: drops.build() });
        }
        Ok(settled)
    }
}

/// `changes` are those of one number, by time.
fn refuse_contradictions(changes: &[Item]) -> Result<(), AmbiguousChange> {
    for same_time in changes.chunk_by(|one, next| one.at == next.at) {
        let first = same_time[0];
        if let Some(second) = same_time.iter().find(|other| other.action() != first.action()) {
            return Err(AmbiguousChange { first: first.place(), second: second.place() });
        }
    }
    Ok(())
}

// === impl Item ===

impl Item {
    fn action(self) -> Action {
        if self.place_and_action & 1 == 1 { Action::Delete } else { Action::Add }
    }

    /// Counted from 1.
    fn place(self) -> u64 {
        u64::from(self.place_and_action >> 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn change(number: u64, minute: i8, add: bool) -> ListChange {
        ListChange {
            number: PhoneNumber::from_u64(number).unwrap(),
            at: date(2026, 11, 10).at(8, minute, 0, 0),
            action: if add { Action::Add } else { Action::Delete },
        }
    }

    fn settled(changes: &[(u64, i8, bool)]) -> Result<Settled, AmbiguousChange> {
        let mut all = Changes::with_max(changes.len());
        for &(number, minute, add) in changes {
            all.insert(change(number, minute, add)).unwrap();
        }
        all.settle()
    }

    /// All numbers of the result, and whether each is added.
    fn numbers(settled: &Settled) -> Vec<(u64, bool)> {
        let mut numbers = Vec::new();
        for BlockChange { block, adds, drops } in &settled.blocks {
            for (lines, add) in [(adds, true), (drops, false)] {
                numbers.extend(lines.iter().map(|line| (block.number(line).unwrap().to_u64(), add)));
            }
        }
        numbers.sort_unstable();
        numbers
    }

    const A: u64 = 12_015_550_100;
    const B: u64 = 12_015_550_101;
    const C: u64 = 12_125_550_100;

    #[test]
    fn the_latest_change_of_a_number_counts_in_any_order() {
        let settled = settled(&[(C, 5, false), (A, 2, true), (B, 1, true), (A, 1, false), (C, 9, true), (B, 3, false)]);
        let settled = settled.unwrap();
        assert_eq!(numbers(&settled), [(A, true), (B, false), (C, true)]);
        assert_eq!((settled.adds, settled.drops), (2, 1));
        let blocks: Vec<u64> = settled.blocks.iter().map(|change| change.block.0).collect();
        assert_eq!(blocks, [1_201_555, 1_212_555]);
    }

    #[test]
    fn a_repeated_change_counts_once() {
        assert_eq!(numbers(&settled(&[(A, 1, true), (A, 1, true)]).unwrap()), [(A, true)]);
        assert_eq!(settled(&[]).unwrap(), Settled::default());
    }

    #[test]
    fn contradictions_at_one_time_are_refused_and_named_by_their_place() {
        let contradiction = [(B, 1, true), (A, 1, true), (A, 1, true), (A, 1, false)];
        assert_eq!(settled(&contradiction), Err(AmbiguousChange { first: 2, second: 4 }));
        // Also where a later change would decide.
        assert_eq!(settled(&[(A, 1, false), (A, 9, true), (A, 1, true)]), Err(AmbiguousChange { first: 1, second: 3 }));
    }

    #[test]
    fn changes_have_a_limit() {
        let mut changes = Changes::with_max(1);
        changes.insert(change(A, 1, true)).unwrap();
        assert_eq!(changes.insert(change(B, 1, true)), Err(TooManyChanges { max: 1 }));
        assert_eq!(changes.len(), 1);
        assert_eq!(Changes::with_max(usize::MAX).max, 0x7fff_ffff);
    }

    #[test]
    fn a_change_takes_24_bytes() {
        assert_eq!(size_of::<Item>(), 24);
    }

    proptest! {
        #[test]
        fn settling_agrees_with_a_map_that_is_told_every_change(
            changes in vec((0_u64..40, 0_i8..60, any::<bool>()), 0..200),
        ) {
            // Few numbers in few blocks, so that many changes meet.
            let changes: Vec<(u64, i8, bool)> =
                changes.into_iter().map(|(n, minute, add)| (A + n % 8 + n / 8 * 10_000, minute, add)).collect();
            let mut by_time: BTreeMap<(u64, i8), Vec<bool>> = BTreeMap::new();
            for &(number, minute, add) in &changes {
                by_time.entry((number, minute)).or_default().push(add);
            }
            let ambiguous = by_time.values().any(|actions| actions.contains(&true) && actions.contains(&false));
            let model: BTreeMap<u64, bool> =
                by_time.iter().map(|((number, _), actions)| (*number, actions[0])).collect();
            match settled(&changes) {
                Ok(settled) => {
                    prop_assert!(!ambiguous);
                    prop_assert_eq!(numbers(&settled), model.into_iter().collect::<Vec<_>>());
                    prop_assert!(settled.blocks.is_sorted_by_key(|change| change.block));
                    prop_assert!(settled.blocks.iter().all(|block| !(block.adds.is_empty() && block.drops.is_empty())));
                }
                Err(AmbiguousChange { first, second }) => {
                    let (one, other) = (changes[first as usize - 1], changes[second as usize - 1]);
                    prop_assert_eq!((one.0, one.1, one.2), (other.0, other.1, !other.2));
                }
            }
        }
    }
}
