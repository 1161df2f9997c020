//! Lines of `NPA,7digits` and lines of digits.

use std::collections::BTreeSet;

use dnc_core::listfile::{Format, LineError, ListFileError, Options};
use proptest::collection::btree_set;
use proptest::prelude::*;

use super::{bad_lines, numbers, reading, reading_with};

const A: u64 = 12_015_550_100;
const B: u64 = 12_015_550_101;

#[test]
fn line_ends_and_marks_do_not_matter() {
    for content in [
        "201,5550100\n201,5550101\n",
        "201,5550100\n201,5550101",
        "201,5550100\r\n201,5550101\r\n",
        "201,5550100\r\n201,5550101",
        "\u{feff}201,5550100\r\n201,5550101\r\n\r\n",
        "\n\n201,5550100\n\n201,5550101\n  \n",
        " 201, 5550100 \n2015550101\n",
        "2015550100\n2015550101\n",
        "12015550100\n+12015550101\n",
        "2015550100\r\n2015550101",
    ] {
        assert_eq!(numbers("list.txt", content), [A, B], "{content:?}");
    }
}

#[test]
fn numbers_that_cannot_be_dialled_and_repeated_ones_are_kept() {
    assert_eq!(
        numbers("list.txt", "201,0000201\n201,0000201\n000,0000000\n"),
        [12_010_000_201, 12_010_000_201, 10_000_000_000]
    );
}

#[test]
fn other_countries_need_a_plus_sign() {
    assert_eq!(numbers("list.txt", "+6561234567\n"), [6_561_234_567]);
    let singapore = Options { default_country: 65, ..Options::default() };
    assert_eq!(reading_with("list.txt", "61234567\n", &singapore).unwrap().1, [6_561_234_567]);
    let ireland = Options { default_country: 353, ..Options::default() };
    assert_eq!(bad_lines(reading_with("list.txt", "12345678\n", &ireland)), [(1, LineError::CountryMissing)]);
    let nowhere = Options { default_country: 0, ..Options::default() };
    assert!(matches!(reading_with("list.txt", "12345678\n", &nowhere), Err(ListFileError::DefaultCountry)));
}

#[test]
fn each_kind_of_bad_line_is_named_with_its_line() {
    let content = b"201,5550100\n201,555010\n201,555010x\n201,5550100,x\n2o1,5550100\n\
        201,55\x00100\n201,555\xff100\n201,55501000\n\n22015550100\n";
    let expected = [
        (2, LineError::TooFewDigits),
        (3, LineError::NotDigits),
        (4, LineError::Columns),
        (5, LineError::NotDigits),
        (6, LineError::NulByte),
        (7, LineError::NotUtf8),
        (8, LineError::TooManyDigits),
        (10, LineError::TooManyDigits),
    ];
    assert_eq!(bad_lines(reading("list.txt", content)), expected);
}

#[test]
fn a_number_outside_the_declared_area_is_a_bad_line() {
    let content = "201,5550100\n212,5550100\n+6561234567\n";
    let expected = [(2, LineError::OutsideArea), (3, LineError::OutsideArea)];
    assert_eq!(bad_lines(reading("2026-11-9_201_a.txt", content)), expected);
    assert_eq!(numbers("list.txt", content).len(), 3);
}

#[test]
fn a_last_line_that_may_be_cut_off_is_bad() {
    assert_eq!(bad_lines(reading("list.txt", "201,5550100\n201,55501")), [(2, LineError::CutOff)]);
    // Ten digits are a number, but not where the line before has eleven.
    assert_eq!(bad_lines(reading("list.txt", "12015550100\n1201555010")), [(2, LineError::CutOff)]);
    assert_eq!(bad_lines(reading("list.txt", "+6561234567\n+656123456")), [(2, LineError::CutOff)]);
    assert_eq!(numbers("list.txt", "12015550100\n2015550101\n"), [A, B]);
}

#[test]
fn bad_lines_are_tolerated_up_to_the_limit_and_reported() {
    let content = "201,5550100\nx\n201,5550101\ny\n";
    let options = |max_bad_lines| Options { max_bad_lines, ..Options::default() };
    let (summary, numbers) = reading_with("list.txt", content, &options(2)).unwrap();
    assert_eq!(numbers, [A, B]);
    assert_eq!((summary.bad_count, summary.lines), (2, 4));
    let places: Vec<_> = summary.bad_lines.iter().map(|bad| (bad.file.as_str(), bad.line, bad.offset)).collect();
    assert_eq!(places, [("list.txt", 2, 12), ("list.txt", 4, 26)]);
    assert_eq!(bad_lines(reading_with("list.txt", content, &options(1))).len(), 2);
}

#[test]
fn reading_stops_when_enough_bad_lines_are_known() {
    let content = format!("201,5550100\n{}", "x\n".repeat(1_000));
    for (max_reported, reported, count) in [(20, 20, 20), (0, 0, 1), (5_000, 1_000, 1_000)] {
        let options = Options { max_reported, ..Options::default() };
        match reading_with("list.txt", &content, &options) {
            Err(ListFileError::TooManyBadLines { count: seen, max: 0, first }) => {
                assert_eq!((first.len(), seen), (reported, count));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_error_repeats_the_content() {
    let error = reading("list.txt", "201,5550100\n2015559876543\n").unwrap_err();
    assert_eq!(error.to_string(), "1 or more bad lines where 0 are allowed: list.txt line 2: too many digits");
    assert!(!format!("{error:?}").contains("5559"));
}

#[test]
fn a_file_without_numbers_is_an_error_unless_allowed() {
    for content in ["", "\n\n", "\u{feff}", "  "] {
        assert!(matches!(reading("list.txt", content), Err(ListFileError::Empty { .. })), "{content:?}");
        let allowed = Options { allow_empty: true, ..Options::default() };
        assert!(reading_with("list.txt", content, &allowed).unwrap().1.is_empty());
    }
    // Tolerated bad lines do not make a list.
    let options = Options { max_bad_lines: 5, format: Some(Format::Digits), ..Options::default() };
    assert!(matches!(reading_with("list.txt", "x\n", &options), Err(ListFileError::Empty { .. })));
}

#[test]
fn a_full_list_holds_no_changes() {
    let options = Options { format: Some(Format::FtcFlat), ..Options::default() };
    let content = "201,5550100\n2015550143,2026-11-10,A\n";
    assert_eq!(bad_lines(reading_with("list.txt", content, &options)), [(2, LineError::Columns)]);
    assert_eq!(bad_lines(reading("list.txt", content)), [(2, LineError::Columns)]);
}

#[test]
fn what_is_no_list_is_unknown() {
    for content in [
        b"hello\n".as_slice(),
        b"<html><body>503</body></html>",
        b"2015550100,Doe\n",
        b"\xff\xfe2\x000\x001\x00",
        b"\x1f\x8b\x08\x00",
        b"2026-11-10 08:00\n",
    ] {
        let error = reading("list.txt", content).unwrap_err();
        assert!(matches!(error, ListFileError::UnknownFormat { .. }), "{error:?}");
    }
}

#[test]
fn an_endless_line_ends_the_reading() {
    let mut content = b"201,5550100\n".to_vec();
    content.resize(1 << 20, b'1');
    assert!(matches!(reading("list.txt", &content), Err(ListFileError::LineTooLong { line: 2, .. })));
    // Also where it fits into the buffer and has an end.
    let content = format!("201,5550100\n{}\n201,5550101\n", "1".repeat(20_000));
    assert!(matches!(reading("list.txt", content), Err(ListFileError::LineTooLong { line: 2, .. })));
}

#[test]
fn a_file_beyond_the_limit_ends_the_reading() {
    let options = Options { max_bytes: 1_000, ..Options::default() };
    assert!(reading_with("list.txt", "201,5550100\n".repeat(83), &options).is_ok());
    assert!(matches!(
        reading_with("list.txt", "201,5550100\n".repeat(84), &options),
        Err(ListFileError::TooLarge { .. })
    ));
}

#[test]
fn lines_across_the_edge_of_the_buffer_are_read_whole() {
    for filler in 0..14 {
        let content = format!("{}{}", "\n".repeat(filler), "201,5550100\n2015550101\r\n+12015550100\n".repeat(30_000));
        let (summary, numbers) = reading("list.txt", content).unwrap();
        assert_eq!((summary.numbers, summary.lines), (90_000, 90_000 + filler as u64));
        assert!(numbers.chunks(3).all(|three| three == [A, B, A]));
    }
}

fn flat_line(value: u64) -> String {
    format!("{:03},{:07}", value / 10_000_000, value % 10_000_000)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in btree_set(0_u64..10_000_000_000, 1..300),
        crlf: bool, mark: bool, last_end: bool, flat: bool,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut content = String::from(if mark { "\u{feff}" } else { "" });
        for value in &values {
            let line = if flat { flat_line(*value) } else { format!("{value:010}") };
            content.push_str(&line);
            content.push_str(end);
        }
        if !last_end {
            content.truncate(content.len() - end.len());
        }
        let (summary, numbers) = reading("list.txt", content).unwrap();
        let expected: Vec<u64> = values.iter().map(|value| 10_000_000_000 + value).collect();
        prop_assert_eq!(numbers, expected);
        prop_assert_eq!(summary.lines, values.len() as u64);
        prop_assert_eq!(summary.format(), Some(if flat { Format::FtcFlat } else { Format::Digits }));
    }

    #[test]
    fn no_number_is_lost_when_a_file_is_cut_off(
        values in btree_set(2_000_000_000_u64..10_000_000_000, 2..20), cut in 0_usize..300,
    ) {
        let content: String = values.iter().map(|value| flat_line(*value) + "\n").collect();
        let cut = cut % content.len();
        if let Ok((_, numbers)) = reading("list.txt", &content[..cut]) {
            // Only between lines can a cut go unnoticed, and then all that is there is true.
            let first = values.iter().take(numbers.len());
            let expected: BTreeSet<u64> = first.map(|value| 10_000_000_000 + value).collect();
            prop_assert!(matches!(cut % 12, 0 | 11));
            prop_assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
