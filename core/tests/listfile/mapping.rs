//! Mappings: which can be used, and how they are stored.

use dnc_core::codec;
use dnc_core::listfile::{
    ActionColumn, BadMapping, Columns, Layout, ListFileError, ListKind, Mapping, NumberColumns, Options, Position,
    TimeColumn, TimeFormat,
};
use proptest::prelude::*;

use super::reading_with;

const COLUMN: Position = Position::Column(1);

fn delimited(columns: Columns) -> Mapping {
    Mapping { layout: Layout::Delimited { delimiter: b'|', quoted: true }, skip_lines: 0, columns }
}

fn number_in(position: Position) -> Columns {
    Columns { number: NumberColumns::Whole(position), country: None, time: None, action: None }
}

fn span(start: u16, length: u16) -> Position {
    Position::Span { start, length }
}

fn fixed(columns: Columns) -> Mapping {
    Mapping { layout: Layout::FixedWidth, ..delimited(columns) }
}

fn with_pattern(pattern: &str) -> Mapping {
    let time = TimeColumn { at: Position::Column(2), format: TimeFormat::Pattern(pattern.into()) };
    delimited(Columns { time: Some(time), ..number_in(COLUMN) })
}

fn with_words(add: &[&str], delete: &[&str]) -> Mapping {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let action = ActionColumn { at: Position::Column(2), add: owned(add), delete: owned(delete) };
    delimited(Columns { action: Some(action), ..number_in(COLUMN) })
}

#[test]
fn only_delimiters_that_are_no_part_of_a_column_are_taken() {
    let with =
        |delimiter| Mapping { layout: Layout::Delimited { delimiter, quoted: false }, ..delimited(number_in(COLUMN)) };
    for delimiter in b",;|\t ^~-\x1f" {
        assert_eq!(with(*delimiter).check(), Ok(()), "{delimiter}");
    }
    for delimiter in b"\"+0Aa\n\r\0\x7f\xe9" {
        assert_eq!(with(*delimiter).check(), Err(BadMapping::Delimiter), "{delimiter}");
    }
}

#[test]
fn places_are_of_their_layout_and_do_not_overlap() {
    for (mapping, expected) in [
        (delimited(number_in(Position::Column(1_024))), Ok(())),
        (delimited(number_in(Position::Column(1_025))), Err(BadMapping::Position)),
        (delimited(number_in(Position::Column(0))), Err(BadMapping::Position)),
        (delimited(number_in(span(1, 10))), Err(BadMapping::Layout)),
        (fixed(number_in(Position::Column(1))), Err(BadMapping::Layout)),
        (fixed(number_in(span(1, 10))), Ok(())),
        (fixed(number_in(span(u16::MAX, u16::MAX))), Ok(())),
        (fixed(number_in(span(0, 10))), Err(BadMapping::Position)),
        (fixed(number_in(span(1, 0))), Err(BadMapping::Position)),
        (delimited(Columns { country: Some(COLUMN), ..number_in(COLUMN) }), Err(BadMapping::Overlap)),
        (fixed(Columns { country: Some(span(10, 2)), ..number_in(span(1, 10)) }), Err(BadMapping::Overlap)),
        (fixed(Columns { country: Some(span(11, 2)), ..number_in(span(1, 10)) }), Ok(())),
    ] {
        assert_eq!(mapping.check(), expected, "{mapping:?}");
    }
}

#[test]
fn words_must_tell_additions_from_deletions() {
    assert_eq!(with_words(&["A", "ADD"], &["D"]).check(), Ok(()));
    // A feed of additions alone: any other word refuses its file.
    assert_eq!(with_words(&["A"], &[]).check(), Ok(()));
    let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (add, delete) in [
        (&[][..], &[][..]),
        (&["A"], &["a"]),
        (&["A", "A"], &["D"]),
        (&["A", ""], &["D"]),
        (&[" A"], &["D"]),
        (&["A"], &["D\n"]),
        (&[&"x".repeat(65)], &["D"]),
        (&many, &["D"]),
    ] {
        assert_eq!(with_words(add, delete).check(), Err(BadMapping::Words), "{add:?} {delete:?}");
    }
}

#[test]
fn patterns_of_times_must_make_a_time() {
    assert_eq!(with_pattern("%m/%d/%Y").check(), Ok(()));
    for pattern in ["", "%Y-%m", "%Q", "MM/DD/YYYY"] {
        assert!(matches!(with_pattern(pattern).check(), Err(BadMapping::TimePattern(_))), "{pattern}");
    }
}

#[test]
fn an_action_makes_a_change_list() {
    assert_eq!(with_words(&["A"], &["D"]).kind(), ListKind::Changes);
    assert_eq!(with_pattern("%m/%d/%Y").kind(), ListKind::Full);
}

#[test]
fn a_bad_mapping_is_refused_before_anything_is_read() {
    let options = Options { mapping: Some(with_pattern("%Y")), ..Options::default() };
    assert!(matches!(reading_with("list.txt", "x", &options), Err(ListFileError::Mapping(BadMapping::TimePattern(_)))));
}

#[test]
fn a_mapping_in_json_reads_as_it_is_documented() {
    let text = r#"{
        "layout": {"delimited": {"delimiter": "|", "quoted": false}},
        "skip_lines": 1,
        "columns": {
            "number": {"parts": {"area_code": {"column": 2}, "local": {"column": 3}}},
            "time": {"at": {"column": 5}, "format": {"pattern": "%m/%d/%Y"}},
            "action": {"at": {"column": 1}, "add": ["ADD"], "delete": ["DEL"]}
        }
    }"#;
    let mapping: Mapping = serde_json::from_str(text).unwrap();
    assert_eq!(mapping.check(), Ok(()));
    assert_eq!(mapping.layout, Layout::Delimited { delimiter: b'|', quoted: false });
    for (from, to) in [
        ("\"skip_lines\"", "\"skip\""),
        ("\"|\"", "\"||\""),
        ("\"|\"", "\"\u{20ac}\""),
        ("\"area_code\"", "\"area\""),
        ("\"add\"", "\"added\""),
        ("\"pattern\"", "\"strptime\""),
    ] {
        assert!(serde_json::from_str::<Mapping>(&text.replace(from, to)).is_err(), "{to}");
    }
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        any::<u16>().prop_map(Position::Column),
        (any::<u16>(), any::<u16>()).prop_map(|(start, length)| Position::Span { start, length }),
    ]
}

prop_compose! {
    fn mapping()(
        delimiter in proptest::option::of(any::<(u8, bool)>()),
        skip_lines: u16,
        places in proptest::array::uniform5(position()),
        (parts, country, time, action) in any::<(bool, bool, Option<bool>, bool)>(),
        words in proptest::collection::vec("\\PC{0,8}", 0..4),
    ) -> Mapping {
        let format = |iso| if iso { TimeFormat::Iso } else { TimeFormat::Pattern(words.concat()) };
        Mapping {
            layout: delimiter.map_or(Layout::FixedWidth, |(delimiter, quoted)| Layout::Delimited { delimiter, quoted }),
            skip_lines,
            columns: Columns {
                number: match parts {
                    true => NumberColumns::Parts { area_code: places[0], local: places[1] },
                    false => NumberColumns::Whole(places[0]),
                },
                country: country.then_some(places[2]),
                time: time.map(|iso| TimeColumn { at: places[3], format: format(iso) }),
                action: action.then(|| ActionColumn { at: places[4], add: words.clone(), delete: Vec::new() }),
            },
        }
    }
}

proptest! {
    #[test]
    fn a_stored_mapping_is_the_same_mapping(mapping in mapping()) {
        let json = serde_json::to_string(&mapping).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Mapping>(&json).unwrap(), &mapping);
        let bytes = codec::encode(&mapping);
        prop_assert_eq!(&codec::decode::<Mapping>(&bytes).unwrap(), &mapping);
    }

    #[test]
    fn no_mapping_makes_the_reading_panic(mapping in mapping(), content in "[0-9|,;\n\"AD +-]{0,80}") {
        let options = Options { mapping: Some(mapping), ..Options::default() };
        let _ = super::entries("list.txt", content, &options);
    }
}
