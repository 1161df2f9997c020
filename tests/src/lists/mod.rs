//! Lists that change, with their truth kept beside them: what a registry should hold after each load.
//!
//! [`Lists`] makes numbers by arithmetic from a seed, so a million of them need no file of their own;
//! [`States`] says which of the truths a check may be answered by while one is being replaced.

mod states;

use std::collections::BTreeSet;

use dnc_core::number::PhoneNumber;
use jiff::civil::Date;

pub use self::states::{Answers, States};
use crate::grpc::Upload;

/// Area codes that the lists cover.
pub const AREAS: std::ops::Range<u16> = 212..222;

/// The numbers of a list, sorted: E.164 digits.
pub type Held = Vec<u64>;

/// Makes lists and changes of them, the same ones for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    seed: u64,
}

/// Changes of a list, in the order of time.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Number, and whether it comes (or goes).
    pub entries: Vec<(u64, bool)>,
}

// === impl Lists ===

impl Lists {
    /// Lists of this seed.
    pub fn new(seed: u64) -> Lists {
        Lists { seed }
    }

    /// A list of so many numbers.
    pub fn full(self, numbers: usize) -> Held {
        let mut held = BTreeSet::new();
        let mut at = 0;
        while held.len() < numbers {
            held.insert(self.number(at));
            at += 1;
        }
        held.into_iter().collect()
    }

    /// A list that came of another: one number in `part` went, as many others came.
    pub fn next(self, before: &Held, part: u64) -> Held {
        let stays = |number: &&u64| !self.dice(**number).is_multiple_of(part);
        let mut held: BTreeSet<u64> = before.iter().filter(stays).copied().collect();
        let mut at = 1 << 40;
        while held.len() < before.len() {
            held.insert(self.number(at));
            at += 1;
        }
        held.into_iter().collect()
    }

    /// Changes of a list: numbers that go, numbers that come, and some that come and go again.
    pub fn changes(self, before: &Held, count: usize) -> Changes {
        let gone = before.iter().step_by((before.len() / count).max(1)).map(|number| (*number, false));
        let mut entries: Vec<(u64, bool)> = gone.collect();
        for at in (1u64 << 50..).take(count) {
            let number = self.number(at);
            entries.push((number, true));
            if at.is_multiple_of(7) {
                entries.push((number, false));
            }
        }
        Changes { entries }
    }

    /// A number that is on no list by construction, but by chance: whoever needs to know looks into the list.
    pub fn number(self, at: u64) -> u64 {
        let dice = self.dice(at);
        let areas = u64::from(AREAS.end - AREAS.start);
        let area = u64::from(AREAS.start) + dice % areas;
        // 200 to 999: the exchanges of the plan, N11 among them, which lists hold too.
        let exchange = 200 + (dice >> 16) % 800;
        let line = (dice >> 40) % 10_000;
        10_000_000_000 + area * 10_000_000 + exchange * 10_000 + line
    }

    fn dice(self, of: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
        let mut z = of.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.seed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

// === impl Changes ===

impl Changes {
    /// The list after them.
    pub fn apply(&self, before: &Held) -> Held {
        let mut held: BTreeSet<u64> = before.iter().copied().collect();
        for (number, comes) in &self.entries {
            if *comes {
                held.insert(*number);
            } else {
                held.remove(number);
            }
        }
        held.into_iter().collect()
    }

    /// As files of the federal registry's change lists, one for each area code.
    pub fn files(&self, date: Date) -> Vec<Upload> {
        AREAS
            .map(|area| {
                let mut text = String::new();
                for (at, (number, comes)) in self.entries.iter().enumerate() {
                    if area_of(*number) == area {
                        let (minutes, seconds) = (at / 60 % 60, at % 60);
                        let (hours, action) = (at / 3_600 % 24, if *comes { 'A' } else { 'D' });
                        let national = number % 10_000_000_000;
                        text.push_str(&format!("{national},{date}T{hours:02}:{minutes:02}:{seconds:02},{action}\n"));
                    }
                }
                Upload::new(&file_name(date, area, "CHANGES"), text)
            })
            .collect()
    }
}

/// A full list as files, one for each area code.
pub fn full_files(held: &Held, date: Date) -> Vec<Upload> {
    AREAS
        .map(|area| {
            let (first, last) = (start_of(area), start_of(area + 1));
            let from = held.partition_point(|number| *number < first);
            let to = held.partition_point(|number| *number < last);
            let mut text = String::with_capacity((to - from) * 12);
            for number in &held[from..to] {
                text.push_str(&format!("{area:03},{:07}\n", number % 10_000_000));
            }
            Upload::new(&file_name(date, area, "FULL"), text)
        })
        .collect()
}

/// A number that callers may ask about: one that the plan allows.
pub fn askable(number: u64) -> Option<PhoneNumber> {
    PhoneNumber::parse(&format!("+{number}")).ok()
}

fn file_name(date: Date, area: u16, word: &str) -> String {
    format!("{}-{}-{}_{area}_{word}.txt", date.year(), date.month(), date.day())
}

fn area_of(number: u64) -> u16 {
    u16::try_from(number / 10_000_000 % 1_000).expect("three digits")
}

fn start_of(area: u16) -> u64 {
    10_000_000_000 + u64::from(area) * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_size_and_its_files_hold_it() {
        let held = Lists::new(1).full(5_000);
        assert_eq!(held.len(), 5_000);
        assert!(held.is_sorted());
        let files = full_files(&held, Date::constant(2026, 11, 9));
        assert_eq!(files.len(), AREAS.len());
        let lines: usize = files.iter().map(|f| f.bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count()).sum();
        assert_eq!(lines, 5_000);
        assert_eq!(files[0].name, "2026-11-9_212_FULL.txt");
    }

    #[test]
    fn the_next_list_differs_from_the_one_before_by_the_part_that_was_asked_for() {
        let lists = Lists::new(1);
        let first = lists.full(20_000);
        let second = lists.next(&first, 20);
        assert_eq!(second.len(), first.len());
        let both: BTreeSet<_> = first.iter().collect();
        let stayed = second.iter().filter(|n| both.contains(n)).count();
        assert!((18_700..19_300).contains(&stayed), "{stayed}");
    }

    #[test]
    fn changes_bring_numbers_and_take_numbers() {
        let lists = Lists::new(1);
        let first = lists.full(20_000);
        let changes = lists.changes(&first, 100);
        let after = changes.apply(&first);
        let before: BTreeSet<_> = first.iter().copied().collect();
        let then: BTreeSet<_> = after.iter().copied().collect();
        assert!(before.difference(&then).count() >= 100);
        assert!(then.difference(&before).count() >= 70);
    }
}
