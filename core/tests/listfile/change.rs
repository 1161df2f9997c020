//! The national registry's change list.

use dnc_core::listfile::{Action, Format, LineError, ListFileError, Options, Times};
use jiff::civil::date;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Change, bad_lines, change, changes_with, entries};

const A: u64 = 12_015_550_100;
const EIGHT: &str = "2026-08-29T08:00:00";

fn changes(content: &str) -> Result<Vec<Change>, ListFileError> {
    changes_with("list.txt", content, &Options::default())
}

#[test]
fn every_way_to_write_a_change_means_the_same() {
    for content in [
        "2015550100,2026-08-29T08:00:00,A\n",
        "201,5550100,2026-08-29T08:00:00,A\n",
        "12015550100,2026-08-29 08:00,a",
        "+12015550100,2026-08-29T08:00:00Z,A\r\n",
        "\u{feff}2015550100,2026-08-29T04:00:00-04:00,A\r\n\r\n",
        "\n 201 , 5550100 , 2026-08-29T13:30:00.0+0530 , A \n",
        "\"2015550100\",\"2026-08-29T08:00:00\",\"A\"\n",
    ] {
        assert_eq!(changes(content).unwrap(), [(A, EIGHT.into(), Action::Add)], "{content:?}");
    }
    for content in ["2015550100,2026-08-29,D\n", "201,5550100,20260829,d"] {
        assert_eq!(changes(content).unwrap(), [(A, "2026-08-29T00:00:00".into(), Action::Delete)], "{content:?}");
    }
}

#[test]
fn changes_come_as_they_stand_and_their_times_are_summed_up() {
    let content =
        "2015550100,2026-08-29T08:00:00,A\n2015550100,2026-08-27T08:00:00,D\n2015550100,2026-08-28T08:00:00,A\n";
    let (summary, entries) = entries("list.txt", content, &Options::default()).unwrap();
    let days: Vec<String> = entries.into_iter().map(|entry| change(entry).1[..10].to_owned()).collect();
    assert_eq!(days, ["2026-08-29", "2026-08-27", "2026-08-28"]);
    let times = Times { earliest: date(2026, 8, 27).at(8, 0, 0, 0), latest: date(2026, 8, 29).at(8, 0, 0, 0) };
    assert_eq!(summary.times, Some(times));
    assert_eq!(summary.format(), Some(Format::Change));
}

#[test]
fn an_unknown_action_refuses_the_file_whatever_is_tolerated() {
    let good = "2015550100,2026-08-29T08:00:00,A\n";
    for bad in [
        "2015550101,2026-08-29T08:00:00,X\n",
        "2015550101,2026-08-29T08:00:00,\n",
        "2015550101,2026-08-29T08:00:00,AD\n",
        "201,5550101,2026-08-29T08:00:00,Add\n",
        // What is unknown about the action counts more than what is wrong with the rest.
        "x,y,U\n",
    ] {
        let options = Options { max_bad_lines: 1_000, ..Options::default() };
        match changes_with("list.txt", format!("{good}\n{bad}{good}"), &options) {
            Err(error @ ListFileError::FatalLine(_)) => {
                let said = "list.txt line 3: an unknown action: the whole file is refused";
                assert_eq!(error.to_string(), said, "{bad}");
            }
            other => panic!("{bad}: {other:?}"),
        }
    }
}

#[test]
fn bad_lines_are_named_and_may_be_tolerated() {
    let content = "2015550100,2026-08-29T08:00:00,A\n201555010,2026-08-29T08:00:00,A\n2015550100,29/08/2026,A\n\
                   2015550100,2026-08-29,A\n2015550100,2026-08-29T08:00:00Z,A\n2015550100,A\n\
                   201,5550100,1,2026-08-29T08:00:00,A\n2015550100\n";
    let expected = [
        (2, LineError::TooFewDigits),
        (3, LineError::Time),
        (4, LineError::TimeForm),
        (5, LineError::TimeForm),
        (6, LineError::Columns),
        (7, LineError::Columns),
        (8, LineError::Columns),
    ];
    assert_eq!(bad_lines(changes(content)), expected);
    let options = Options { max_bad_lines: 7, ..Options::default() };
    assert_eq!(changes_with("list.txt", content, &options).unwrap().len(), 1);
}

#[test]
fn a_last_line_that_was_cut_off_is_bad() {
    let whole = "2015550100,2026-08-29T08:00:00,A\n201,5550101,2026-08-29T08:00:00,D";
    assert_eq!(changes(whole).unwrap().len(), 2);
    for end in 34..whole.len() {
        let why = bad_lines(changes(&whole[..end]));
        assert!(matches!(why[..], [(2, LineError::CutOff | LineError::UnknownAction)]), "{end}: {why:?}");
    }
}

#[test]
fn a_change_outside_the_declared_area_is_bad() {
    let content = "2015550100,2026-08-29T08:00:00,A\n2125550100,2026-08-29T08:00:00,D\n";
    let reading = changes_with("2026-11-9_201_a.txt", content, &Options::default());
    assert_eq!(bad_lines(reading), [(2, LineError::OutsideArea)]);
}

#[test]
fn a_change_list_that_is_empty_must_be_known_to_be_one() {
    let options = Options { allow_empty: true, format: Some(Format::Change), ..Options::default() };
    assert_eq!(changes_with("list.txt", "", &options).unwrap(), []);
    let options = Options { format: Some(Format::Change), ..Options::default() };
    assert!(matches!(changes_with("list.txt", "\n", &options), Err(ListFileError::Empty { .. })));
}

#[test]
fn no_error_repeats_the_content() {
    let error = changes("2015550100,2026-08-29T08:00:00,A\n2015559876,2026-08-29T08:00:00,SECRET\n").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("5559"));
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        rows in vec((0_u64..10_000_000_000, 0_i64..4_000_000_000, any::<bool>(), any::<bool>()), 1..100), crlf: bool,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let (mut content, mut expected) = (String::new(), Vec::new());
        for (value, second, add, flat) in rows {
            let at = date(1971, 1, 1).at(0, 0, 0, 0) + jiff::SignedDuration::from_secs(second);
            let comma = if flat { "," } else { "" };
            let action = if add { 'A' } else { 'D' };
            content.push_str(&format!("{:03}{comma}{:07},{at},{action}{end}", value / 10_000_000, value % 10_000_000));
            let action = if add { Action::Add } else { Action::Delete };
            expected.push((10_000_000_000 + value, at.to_string(), action));
        }
        prop_assert_eq!(changes(&content).unwrap(), expected);
    }
}
