//! The samples of the documentation.

use std::fs;

use dnc_core::block::Block;
use dnc_core::listfile::{BlockChange, Changes, Entry, Format, ListFileError, ListKind, Mapping, Options, Times};
use jiff::civil::date;

use super::{Entries, Reading, entries, reading, reading_with};

const FTC: &str = "2026-11-9_201_1B4E28BA-2FA1-4D3B-A3F5-EF19B5A7633B.txt";

fn content(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../docs/samples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn sample(name: &str) -> Reading {
    reading(name, content(name))
}

#[test]
fn the_national_registrys_list_is_read_packed_and_unpacked() {
    let expected = [12_010_000_201, 12_015_550_100, 12_015_550_101, 12_015_550_117, 12_015_550_142, 12_015_550_199];
    for name in [FTC.to_owned(), format!("{FTC}.zip")] {
        let (summary, numbers) = sample(&name).unwrap();
        assert_eq!(numbers, expected);
        assert_eq!(summary.format(), Some(Format::FtcFlat));
        assert_eq!(summary.declared.areas, ["201".parse().unwrap()].into());
        assert_eq!(summary.declared.list_date, Some(date(2026, 11, 9)));
        assert_eq!((summary.lines, summary.bad_count), (6, 0));
        assert_eq!(summary.files[0].name, FTC);
    }
}

#[test]
fn the_canadian_list_is_read() {
    let (summary, numbers) = sample("dncl_full_ac_416.xml").unwrap();
    assert_eq!(numbers, [14_165_550_100, 14_165_550_101, 14_165_550_123]);
    assert_eq!(summary.format(), Some(Format::Xml));
    assert_eq!(summary.declared.areas, ["416".parse().unwrap()].into());
    assert_eq!(summary.declared.list_date, None);
}

#[test]
fn a_table_is_read() {
    let (summary, numbers) = sample("internal.csv").unwrap();
    assert_eq!(numbers, [12_015_550_100, 12_015_550_101, 12_015_550_117, 12_015_550_142]);
    assert_eq!(summary.format(), Some(Format::Csv));
    assert!(summary.declared.is_empty());
}

#[test]
fn digits_are_read_with_their_countries() {
    let (summary, numbers) = sample("digits.txt").unwrap();
    assert_eq!(numbers, [12_015_550_100, 12_015_550_101, 12_015_550_117, 6_555_550_100, 6_555_550_199]);
    assert_eq!(summary.format(), Some(Format::Digits));
}

#[test]
fn a_column_of_a_countrys_own_digits_is_read() {
    let singapore = Options { default_country: 65, ..Options::default() };
    let (_, numbers) = reading_with("singapore.txt", content("singapore.txt"), &singapore).unwrap();
    assert_eq!(numbers, [6_555_550_100, 6_555_550_101, 6_555_550_199]);
    assert!(sample("singapore.txt").is_err());
}

#[test]
fn the_national_registrys_changes_are_read_and_settled() {
    let name = "UNCONFIRMED_ftc_change_201.txt";
    let (summary, entries) = entries(name, content(name), &Options::default()).unwrap();
    assert_eq!((summary.format(), summary.kind), (Some(Format::Change), ListKind::Changes));
    let times = Times { earliest: date(2026, 11, 10).at(8, 0, 0, 0), latest: date(2026, 11, 12).at(8, 0, 0, 0) };
    assert_eq!((summary.times, summary.files[0].times), (Some(times), Some(times)));
    assert_eq!(settled(&entries), (vec![12_015_550_117, 12_015_550_143], vec![12_015_550_101]));
}

#[test]
fn lists_of_the_states_are_read_by_their_mappings() {
    for (name, file, expected) in [
        ("state_fixed_width", "txt", [12_015_550_100, 12_015_550_101, 12_015_550_199]),
        ("state_tab", "txt", [12_015_550_100, 12_015_550_101, 12_015_550_199]),
        ("state_quoted", "csv", [12_015_550_100, 12_015_550_101, 6_555_550_100]),
    ] {
        let (summary, numbers) = mapped(name, file, Options::default()).unwrap();
        assert_eq!((summary.format(), summary.kind), (Some(Format::Mapped), ListKind::Full));
        let numbers: Vec<u64> = numbers.into_iter().map(|entry| entry.number().to_u64()).collect();
        assert_eq!(numbers, expected, "{name}");
    }
}

#[test]
fn changes_of_a_state_are_read_by_their_mapping() {
    let (summary, entries) = mapped("state_pipe", "txt", Options::default()).unwrap();
    assert_eq!(summary.kind, ListKind::Changes);
    assert_eq!(settled(&entries), (vec![12_015_550_100], vec![12_015_550_101]));
}

#[test]
fn indias_list_is_read_by_its_mapping_and_its_date() {
    let india = Options { default_country: 91, ..Options::default() };
    assert!(matches!(mapped("india_ncpr", "csv", india.clone()), Err(ListFileError::ChangeTime { .. })));
    let (summary, entries) =
        mapped("india_ncpr", "csv", Options { list_date: Some(date(2026, 11, 9)), ..india }).unwrap();
    assert_eq!(settled(&entries), (vec![915_555_550_100, 915_555_550_199], vec![915_555_550_101]));
    let midnight = date(2026, 11, 9).at(0, 0, 0, 0);
    assert_eq!(summary.times, Some(Times { earliest: midnight, latest: midnight }));
    // Without its mapping it is recognised as a table of changes, and not taken for a full list.
    assert!(matches!(sample("UNCONFIRMED_india_ncpr.csv"), Err(ListFileError::ChangeList { .. })));
}

/// Every sample is named in the table of the README.
#[test]
fn every_sample_is_described() {
    let readme = String::from_utf8(content("README.md")).unwrap();
    for entry in fs::read_dir(format!("{}/../docs/samples", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".mapping.json") && !name.ends_with(".zip") && name != "README.md" {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }
}

fn mapped(name: &str, extension: &str, options: Options) -> Entries {
    let mapping: Mapping = serde_json::from_slice(&content(&format!("UNCONFIRMED_{name}.mapping.json"))).unwrap();
    let file = format!("UNCONFIRMED_{name}.{extension}");
    entries(&file, content(&file), &Options { mapping: Some(mapping), ..options })
}

/// The numbers that end up added, and those that end up deleted.
fn settled(entries: &[Entry]) -> (Vec<u64>, Vec<u64>) {
    let mut changes = Changes::with_max(100);
    for entry in entries {
        match entry {
            Entry::Change(change) => changes.insert(*change).unwrap(),
            Entry::Number(_) => panic!("a number in a change list"),
        }
    }
    let settled = changes.settle().unwrap();
    let numbers = |of: fn(&BlockChange) -> &Block| {
        let lines = |change| of(change).iter().map(|line| change.block.number(line).unwrap().to_u64());
        settled.blocks.iter().flat_map(|change| lines(change).collect::<Vec<_>>()).collect()
    };
    (numbers(|change| &change.adds), numbers(|change| &change.drops))
}
