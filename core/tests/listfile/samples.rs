//! The samples of the documentation.

use std::fs;

use dnc_core::listfile::Format;
use jiff::civil::date;

use super::{Reading, reading};

const FTC: &str = "2026-11-9_201_1B4E28BA-2FA1-4D3B-A3F5-EF19B5A7633B.txt";

fn sample(name: &str) -> Reading {
    let path = format!("{}/../docs/samples/{name}", env!("CARGO_MANIFEST_DIR"));
    reading(name, fs::read(path).unwrap())
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
