//! Lists in tags.

use dnc_core::listfile::{LineError, ListFileError, Options};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{bad_lines, numbers, reading, reading_with};

const A: u64 = 14_165_550_100;
const B: u64 = 14_165_550_101;

#[test]
fn the_printed_forms_of_the_format_are_read() {
    for content in [
        "<list type='full' level='ac' val='416'><ac val='416'><ph val='5550100' /><ph val='5550101' /></ac></list>",
        "<list type='full' level='ac' val='416' />\n<ac val='416'>\n\
         <ph val='5550100' />\n<ph val='5550101' />\n</ac>\n</list>\n",
        "\u{feff}<?xml version=\"1.0\"?>\r\n<!-- <ph val='1'> -->\n\
         <LIST TYPE=\"FULL\">\r\n<AC VAL = \"416\"><PH VAL=\"5550100\"/>\
         <ph other='x' val='5550101'></ph></AC></LIST>",
        "<list level='ac' val='416'><ph val='5550100'/><ph val='4165550101'/></list>",
        "<!DOCTYPE list><list><ac val='416'/><ph val='5550100'/><ph val='5550101'/></list>",
    ] {
        let (summary, numbers) = reading("list.xml", content).unwrap();
        assert_eq!(numbers, [A, B], "{content}");
        assert_eq!(summary.declared.areas, ["416".parse().unwrap()].into());
    }
}

#[test]
fn several_areas_in_one_file_are_all_declared() {
    let content = "<list><ac val='416'><ph val='5550100'/></ac><ac val='647'><ph val='5550100'/></ac></list>";
    let (summary, numbers) = reading("list.xml", content).unwrap();
    assert_eq!(numbers, [A, 16_475_550_100]);
    assert_eq!(summary.declared.areas.len(), 2);
}

#[test]
fn a_file_that_ends_before_its_list_does_is_refused() {
    let whole = "<list><ac val='416'><ph val='5550100' /><!-- x --><ph val='5550101' /></ac></list>";
    for end in 6..whole.len() {
        assert!(matches!(reading("list.xml", &whole[..end]), Err(ListFileError::CutOff { .. })), "{end}");
    }
    let self_closed = "<list /><ac val='416'><ph val='5550100' />";
    assert!(matches!(reading("list.xml", self_closed), Err(ListFileError::CutOff { .. })));
}

#[test]
fn an_endless_tag_or_comment_ends_the_reading() {
    for start in ["<list><ph val='", "<list><!-- "] {
        let content = format!("{start}{}", "1".repeat(1 << 20));
        assert!(matches!(reading("list.xml", content), Err(ListFileError::LineTooLong { .. })));
    }
}

#[test]
fn what_could_hide_a_number_is_a_bad_line() {
    let content = "<list>\n<ph val='5550100'/>\n<ac val='416'>\n<ph/>\n<ph val=''/>\n<ph val='555010'/>\n\
                   <ph val='5550100/>\n\
                   <ph val='5550100'>4165550100</ph>\n<phone val='5550100'/>\n<ph val='2015550100'/>\n\
                   <ph val='1' val='2'/>\n\
                   <ph val=5550100/>\n<ph val='5550100'\n<ph val='5550101'/></ac>\n\
                   <ac val='x'><ph val='5550100'/></list>";
    let expected = [
        (2, LineError::NoArea),
        (4, LineError::Missing),
        (5, LineError::Missing),
        (6, LineError::TooFewDigits),
        (7, LineError::MalformedTag),
        (8, LineError::TextBetweenTags),
        (9, LineError::UnknownTag),
        (10, LineError::OutsideArea),
        (11, LineError::MalformedTag),
        (12, LineError::MalformedTag),
        (13, LineError::MalformedTag),
        (15, LineError::AreaCode),
        (15, LineError::NoArea),
    ];
    assert_eq!(bad_lines(reading("list.xml", content)), expected);
}

#[test]
fn declarations_that_disagree_are_refused() {
    let content = "<list level='ac' val='416'><ac val='647'><ph val='5550100'/></ac></list>";
    assert!(matches!(reading("list.xml", content), Err(ListFileError::Conflict { .. })));
    let content = "<list><ac val='416'><ph val='5550100'/></ac></list>";
    assert!(matches!(reading("2026-11-9_647_a.xml", content), Err(ListFileError::Conflict { .. })));
    assert_eq!(numbers("2026-11-9_416_a.xml", content), [A]);
}

#[test]
fn a_change_list_is_refused() {
    let content = "<list type='change'><ac val='416'><ph val='5550100'/></ac></list>";
    assert!(matches!(reading("list.xml", content), Err(ListFileError::ChangeList { .. })));
}

#[test]
fn a_list_without_numbers_is_empty() {
    let content = "<list><ac val='416'></ac></list>";
    assert!(matches!(reading("list.xml", content), Err(ListFileError::Empty { .. })));
    let options = Options { allow_empty: true, ..Options::default() };
    let (summary, _) = reading_with("list.xml", content, &options).unwrap();
    assert_eq!(summary.declared.areas.len(), 1);
}

proptest! {
    #[test]
    fn what_is_written_is_read(locals in vec(0_u64..10_000_000, 1..20_000), lines: bool, double: bool) {
        let mut content = String::from("<list type='full' level='ac' val='416'><ac val='416'>");
        for local in &locals {
            let end = if lines { "\r\n" } else { "" };
            content.push_str(&format!("<ph val='{local:07}' />{end}"));
        }
        content.push_str("</ac></list>");
        if double {
            content = content.replace('\'', "\"");
        }
        let expected: Vec<u64> = locals.iter().map(|local| 14_160_000_000 + local).collect();
        prop_assert_eq!(numbers("list.xml", content), expected);
    }
}
