//! Made-up numbers with a known truth, and the list files that make it so.
//!
//! All of them are 555-0100 to 555-0199, which nobody has. The blocks of the area codes fall into
//! different shards, so a workload over them reaches every shard.

use std::collections::BTreeSet;

use dnc_core::area::Area;
use dnc_core::number::PhoneNumber;
use jiff::civil::Date;

use crate::history::World;

/// Area codes that the sample lists cover.
pub const COVERED: std::ops::Range<u16> = 212..272;

/// Area codes that no list covers.
pub const UNCOVERED: std::ops::Range<u16> = 901..906;

/// What each line number of a covered area is for.
const LISTED: std::ops::Range<u16> = 100..130;
const CLEAR: std::ops::Range<u16> = 130..150;
const OWN: std::ops::Range<u16> = 150..180;

/// Numbers by what is true of them.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// On the sample lists.
    pub listed: Vec<PhoneNumber>,
    /// Covered, not listed; nobody suppresses them.
    pub clear: Vec<PhoneNumber>,
    /// Not covered; nobody suppresses them.
    pub uncovered: Vec<PhoneNumber>,
    /// Covered, not listed; each client suppresses and releases its own.
    pub own: Vec<Vec<PhoneNumber>>,
}

/// One list file.
#[derive(Clone, Debug)]
pub struct ListFile {
    /// Its name, in the shape of the federal registry's downloads: date, area code, any word.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A made-up number: the area code's 555 exchange and a line from 0100 to 0199.
pub fn number(area_code: u16, line: u16) -> PhoneNumber {
    assert!((100..200).contains(&line), "only these lines are made up");
    PhoneNumber::parse(&format!("{area_code}555{line:04}")).expect("a number of the plan")
}

/// Today, by the clock that judges how old a list is.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A list file for one area code.
pub fn list_file(date: Date, area_code: u16, numbers: &[PhoneNumber]) -> ListFile {
    let mut text = String::new();
    for number in numbers {
        let digits = number.to_u64() % 10_000_000_000;
        text.push_str(&format!("{:03},{:07}\n", digits / 10_000_000, digits % 10_000_000));
    }
    ListFile { name: format!("{}-{}-{}_{area_code}_SAMPLE.txt", date.year(), date.month(), date.day()), text }
}

// === impl Numbers ===

impl Numbers {
    /// All made-up numbers, with a pool for each of so many clients.
    pub fn for_clients(clients: usize) -> Numbers {
        let all = |lines: std::ops::Range<u16>| -> Vec<PhoneNumber> {
            // Line by line, so that neighbours in the list are in different shards.
            lines.flat_map(|line| COVERED.map(move |area_code| number(area_code, line))).collect()
        };
        let own = all(OWN);
        Numbers {
            listed: all(LISTED),
            clear: all(CLEAR),
            uncovered: UNCOVERED.flat_map(|area_code| CLEAR.map(move |line| number(area_code, line))).collect(),
            own: own.chunks(own.len().div_ceil(clients.max(1))).map(<[PhoneNumber]>::to_vec).collect(),
        }
    }

    /// The list files of today that make them true, one for each covered area code.
    pub fn list_files(&self) -> Vec<ListFile> {
        COVERED
            .map(|area_code| {
                let numbers: Vec<PhoneNumber> = LISTED.map(|line| number(area_code, line)).collect();
                list_file(today(), area_code, &numbers)
            })
            .collect()
    }

    /// The truth once the list files are loaded.
    pub fn world(&self) -> World {
        World {
            listed: self.listed.iter().copied().collect(),
            covered: COVERED.map(|area_code| Area::nanp(area_code).expect("three digits")).collect(),
        }
    }

    /// Every number that some client may suppress.
    pub fn all_own(&self) -> BTreeSet<PhoneNumber> {
        self.own.iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_true_in_one_way_only() {
        let numbers = Numbers::for_clients(4);
        assert_eq!(numbers.own.len(), 4);
        let mut seen = BTreeSet::new();
        let own = numbers.own.iter().flatten();
        for number in numbers.listed.iter().chain(&numbers.clear).chain(&numbers.uncovered).chain(own) {
            assert!(seen.insert(*number), "{number} twice");
        }
        let world = numbers.world();
        assert!(numbers.clear.iter().all(|n| world.covered.contains(&n.area())));
        assert!(numbers.uncovered.iter().all(|n| !world.covered.contains(&n.area())));
    }

    #[test]
    fn a_list_file_is_named_and_written_as_the_field_does() {
        let date = Date::constant(2026, 9, 5);
        let file = list_file(date, 212, &[number(212, 100), number(212, 101)]);
        assert_eq!(file.name, "2026-9-5_212_SAMPLE.txt");
        assert_eq!(file.text, "212,5550100\n212,5550101\n");
    }

    #[test]
    fn the_numbers_reach_every_one_of_sixteen_shards() {
        let shards: BTreeSet<u32> =
            Numbers::for_clients(4).clear.iter().map(|number| number.block().shard(16)).collect();
        assert_eq!(shards.len(), 16);
    }
}
