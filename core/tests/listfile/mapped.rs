//! Lists whose layout a mapping explains.

use dnc_core::listfile::{
    Action, ActionColumn, Columns, Format, Layout, LineError, ListFileError, Mapping, NumberColumns, Options, Position,
    TimeColumn, TimeFormat,
};
use jiff::civil::date;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{bad_lines, changes_with, entries, reading_with};

const A: u64 = 12_015_550_100;
const B: u64 = 12_015_550_101;

fn span(start: u16, length: u16) -> Position {
    Position::Span { start, length }
}

fn full(layout: Layout, number: NumberColumns) -> Mapping {
    Mapping { layout, skip_lines: 0, columns: Columns { number, country: None, time: None, action: None } }
}

fn pipe(number: u16) -> Mapping {
    full(Layout::Delimited { delimiter: b'|', quoted: false }, NumberColumns::Whole(Position::Column(number)))
}

/// `action|number|time`.
fn changes(format: TimeFormat) -> Mapping {
    let mut mapping = pipe(2);
    let words = |word: &str| vec![word.to_owned(), word[..1].to_owned()];
    mapping.columns.action = Some(ActionColumn { at: Position::Column(1), add: words("add"), delete: words("del") });
    mapping.columns.time = Some(TimeColumn { at: Position::Column(3), format });
    mapping
}

fn by(mapping: Mapping) -> Options {
    Options { mapping: Some(mapping), ..Options::default() }
}

#[test]
fn fixed_widths_are_counted_in_bytes() {
    let whole = full(Layout::FixedWidth, NumberColumns::Whole(span(4, 12)));
    let content = "001201-555-0100NJ\n002  2015550101NJ\r\n\n003(201)555010\n00\n004201555\u{e9}0100  NJ\n";
    let expected = [(4, LineError::Columns), (5, LineError::Columns), (6, LineError::NotAscii)];
    assert_eq!(bad_lines(reading_with("list.txt", content, &by(whole.clone()))), expected);
    // Behind the mapped columns there may be anything.
    let content = "001201-555-0100J\u{f6}rg\n002  2015550101";
    assert_eq!(reading_with("list.txt", content, &by(whole)).unwrap().1, [A, B]);
    let parts = full(Layout::FixedWidth, NumberColumns::Parts { area_code: span(11, 3), local: span(1, 7) });
    assert_eq!(reading_with("list.txt", "5550100---201\n5550101   201\n", &by(parts)).unwrap().1, [A, B]);
}

#[test]
fn all_lines_have_as_many_columns_as_the_first() {
    let content = "1|2015550100|x\n2|2015550101\n3|2015550101|x|\n4|2015550101|x\n5\n";
    let expected = [(2, LineError::Columns), (3, LineError::Columns), (5, LineError::Columns)];
    assert_eq!(bad_lines(reading_with("list.txt", content, &by(pipe(2)))), expected);
    let tolerant = Options { max_bad_lines: 3, ..by(pipe(2)) };
    assert_eq!(reading_with("list.txt", content, &tolerant).unwrap().1, [A, B]);
}

#[test]
fn quotes_mean_something_only_where_the_mapping_says_so() {
    let content = "\"a|b\"|\"2015550100\"\n\"2015550101\"|2015550101\n";
    let quoted = full(Layout::Delimited { delimiter: b'|', quoted: true }, pipe(2).columns.number);
    assert_eq!(reading_with("list.txt", content, &by(quoted.clone())).unwrap().1, [A, B]);
    let expected = [(1, LineError::NotDigits), (2, LineError::Columns)];
    assert_eq!(bad_lines(reading_with("list.txt", content, &by(pipe(2)))), expected);
    let content = "x|\"2015550100\"\n\"x|2015550101\nx|2015550101\n";
    assert_eq!(bad_lines(reading_with("list.txt", content, &by(quoted))), [(2, LineError::OpenQuote)]);
}

#[test]
fn lines_in_front_are_skipped_unless_they_are_of_the_list() {
    let skip = |skip_lines| by(Mapping { skip_lines, ..pipe(2) });
    let content = "State list\n\nname|phone\nAda|2015550100\nBo|2015550101\n";
    let (summary, numbers) = reading_with("list.txt", content, &skip(3)).unwrap();
    assert_eq!((numbers, summary.lines), (vec![A, B], 5));
    assert_eq!(summary.format(), Some(Format::Mapped));
    let tolerant = Options { max_bad_lines: 9, ..skip(4) };
    assert_eq!(bad_lines(reading_with("list.txt", content, &tolerant)), [(4, LineError::SkippedNumber)]);
    assert_eq!(bad_lines(reading_with("list.txt", content, &skip(2))), [(3, LineError::NotDigits)]);
    assert!(matches!(reading_with("list.txt", "a\nb\n", &skip(3)), Err(ListFileError::Empty { .. })));
}

#[test]
fn changes_are_read_with_their_words_and_times() {
    let pattern = changes(TimeFormat::Pattern("%m/%d/%Y %I:%M %p".into()));
    let content = "ADD|2015550100|11/9/2026 8:05 AM\nd|(201) 555-0101|11/10/2026 12:00 pm\n";
    let expected = [(A, "2026-11-09T08:05:00".into(), Action::Add), (B, "2026-11-10T12:00:00".into(), Action::Delete)];
    assert_eq!(changes_with("list.txt", content, &by(pattern)).unwrap(), expected);
    let iso = by(changes(TimeFormat::Iso));
    let content = "Del|2015550100|2026-11-09T08:05:00+02:00\nA|2015550101|2026-11-09T08:05:00Z\n";
    let expected = [(A, "2026-11-09T06:05:00".into(), Action::Delete), (B, "2026-11-09T08:05:00".into(), Action::Add)];
    assert_eq!(changes_with("list.txt", content, &iso).unwrap(), expected);
    let content = "A|2015550100|2026-11-09\nA|2015550100|\nA|2015550100|9999-12-31\nA|2015550100|2026-11-09Z\n";
    let expected = [(2, LineError::Time), (3, LineError::Time), (4, LineError::Time)];
    assert_eq!(bad_lines(changes_with("list.txt", content, &iso)), expected);
}

#[test]
fn an_unknown_action_refuses_the_file_whatever_is_tolerated() {
    let options = Options { max_bad_lines: 1_000, ..by(changes(TimeFormat::Iso)) };
    for bad in ["X|2015550100|2026-11-09", "|2015550100|2026-11-09", "adds|2015550100|2026-11-09", "x|y|z|0"] {
        let content = format!("A|2015550100|2026-11-09\n{bad}\n");
        assert_eq!(bad_lines(changes_with("list.txt", content, &options)), [(2, LineError::UnknownAction)], "{bad}");
    }
}

#[test]
fn changes_without_times_have_the_date_of_their_list() {
    let mut mapping = changes(TimeFormat::Iso);
    mapping.columns.time = None;
    let options = by(mapping);
    let content = "A|2015550100\nD|2015550101\n";
    let at = |name: &str, list_date| {
        let (summary, _) = entries(name, content, &Options { list_date, ..options.clone() })?;
        Ok::<_, ListFileError>(summary.times.unwrap().latest.date())
    };
    assert!(matches!(at("list.txt", None), Err(ListFileError::ChangeTime { .. })));
    assert_eq!(at("list.txt", Some(date(2026, 11, 10))).unwrap(), date(2026, 11, 10));
    // What the list says about itself counts more.
    assert_eq!(at("2026-11-9_201_a.txt", Some(date(2026, 11, 10))).unwrap(), date(2026, 11, 9));
}

#[test]
fn a_full_lists_times_are_only_checked() {
    let mut mapping = changes(TimeFormat::Iso);
    mapping.columns.action = None;
    let content = "x|2015550100|2026-11-09\nx|2015550101|soon\n";
    assert_eq!(bad_lines(reading_with("list.txt", content, &by(mapping.clone()))), [(2, LineError::Time)]);
    assert_eq!(reading_with("list.txt", &content[..24], &by(mapping)).unwrap().1, [A]);
}

#[test]
fn a_last_line_that_may_be_cut_off_is_bad() {
    let india = Options { default_country: 353, national_digits: None, ..by(pipe(2)) };
    let content = "x|+353155501001\ny|+35315550100";
    assert_eq!(bad_lines(reading_with("list.txt", content, &india)), [(2, LineError::CutOff)]);
    assert!(reading_with("list.txt", format!("{content}\n"), &india).is_ok());
}

#[test]
fn a_mapping_reads_by_itself_or_not_at_all() {
    let content = "2015550100\n";
    for (format, mapping) in [(Some(Format::Csv), Some(pipe(1))), (Some(Format::Mapped), None)] {
        let options = Options { format, mapping, ..Options::default() };
        assert!(matches!(reading_with("list.txt", content, &options), Err(ListFileError::MappingAndFormat(_))));
    }
    let options = Options { format: Some(Format::Mapped), ..by(pipe(1)) };
    assert_eq!(reading_with("list.txt", content, &options).unwrap().1, [A]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        rows in vec((0_u64..10_000_000_000, "[a-z,\"\\| ;é]{0,12}"), 1..100), number in 1_u16..4, tab: bool, crlf: bool,
    ) {
        let delimiter = if tab { '\t' } else { ',' };
        let mut content = String::new();
        for (value, text) in &rows {
            let text = format!("\"{}\"", text.replace('"', "\"\""));
            let mut columns = [text.as_str(); 3];
            let digits = format!("{value:010}");
            columns[usize::from(number) - 1] = &digits;
            content.push_str(&columns.join(&delimiter.to_string()));
            content.push_str(if crlf { "\r\n" } else { "\n" });
        }
        let layout = Layout::Delimited { delimiter: delimiter as u8, quoted: true };
        let options = by(full(layout, NumberColumns::Whole(Position::Column(number))));
        let expected: Vec<u64> = rows.iter().map(|(value, _)| 10_000_000_000 + value).collect();
        prop_assert_eq!(reading_with("list.txt", content, &options).unwrap().1, expected);
    }
}
