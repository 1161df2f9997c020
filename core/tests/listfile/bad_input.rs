//! Everything that can be wrong with a file, in every format: one table, each cell an accepted list or one clear error.

use dnc_core::listfile::{
    ActionColumn, Columns, Entry, Format, Layout, LineError, ListFileError, Mapping, NumberColumns, Options, Position,
    TimeColumn, TimeFormat,
};

use super::archive::zip_of;
use super::entries;

/// What a reading ends with.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// So many entries.
    Accepted(usize),
    /// This line is bad, for this reason.
    Line(u64, LineError),
    LineTooLong(u64),
    Empty,
    CutOff,
    Unknown,
    Broken,
    Column,
}

use Outcome::{Accepted, Broken, Column, CutOff, Empty, Line, LineTooLong, Unknown};

/// A format with a line of its own, and how it is read.
struct Case {
    name: &'static str,
    options: Options,
    header: &'static str,
    /// Two good lines.
    lines: [&'static str; 2],
}

fn cases() -> Vec<Case> {
    let mapped = |mapping| Options { mapping: Some(mapping), ..Options::default() };
    let column = Position::Column;
    let action = |at| ActionColumn { at, add: vec!["A".into()], delete: vec!["D".into()] };
    let pipe = Mapping {
        layout: Layout::Delimited { delimiter: b'|', quoted: true },
        skip_lines: 0,
        columns: Columns {
            number: NumberColumns::Whole(column(2)),
            country: None,
            time: Some(TimeColumn { at: column(3), format: TimeFormat::Iso }),
            action: Some(action(column(1))),
        },
    };
    let fixed = Mapping {
        layout: Layout::FixedWidth,
        skip_lines: 0,
        columns: Columns {
            number: NumberColumns::Whole(Position::Span { start: 2, length: 10 }),
            country: None,
            time: None,
            action: None,
        },
    };
    let case = |name, options, header, lines| Case { name, options, header, lines };
    vec![
        case("flat", Options::default(), "", ["201,5550100", "201,5550101"]),
        case("digits", Options::default(), "", ["2015550100", "2015550101"]),
        case("change", Options::default(), "", ["2015550100,2026-11-10,A", "2015550101,2026-11-09,D"]),
        case("csv", Options::default(), "id,phone", ["1,2015550100", "2,2015550101"]),
        case("pipe", mapped(pipe), "", ["A|2015550100|2026-11-10", "D|2015550101|2026-11-09"]),
        case("fixed", mapped(fixed), "", ["x2015550100", "y2015550101"]),
    ]
}

fn outcome(content: &[u8], options: &Options) -> Outcome {
    let result = entries("list.txt", content, options);
    if let Err(error) = &result {
        let said = format!("{error} {error:?}");
        // Ten digits in a row would be a phone number.
        assert!(!said.as_bytes().windows(7).any(|text| text.iter().all(u8::is_ascii_digit)), "{said}");
    }
    match result {
        Ok((_, entries)) => Accepted(entries.len()),
        Err(ListFileError::TooManyBadLines { first, .. }) => Line(first[0].line, first[0].why),
        Err(ListFileError::FatalLine(bad)) => Line(bad.line, bad.why),
        Err(ListFileError::LineTooLong { line, .. }) => LineTooLong(line),
        Err(ListFileError::Empty { .. }) => Empty,
        Err(ListFileError::CutOff { .. }) => CutOff,
        Err(ListFileError::UnknownFormat { .. }) => Unknown,
        Err(ListFileError::BrokenArchive { .. }) => Broken,
        Err(ListFileError::Column { .. }) => Column,
        Err(other) => panic!("{other:?}"),
    }
}

/// The file with the header and the lines of a case, joined and ended as told.
fn file(case: &Case, end: &str, lines: &[&str]) -> Vec<u8> {
    let header = (!case.header.is_empty()).then_some(case.header);
    header.iter().chain(lines).map(|line| format!("{line}{end}")).collect::<String>().into_bytes()
}

/// The line that a list's first line is.
fn first_line(case: &Case) -> u64 {
    1 + u64::from(!case.header.is_empty())
}

#[test]
fn what_writers_differ_in_does_not_matter() {
    for case in cases() {
        let [one, other] = case.lines;
        let check = |content: &[u8], count, what: &str| {
            assert_eq!(outcome(content, &case.options), Accepted(count), "{} {what}", case.name);
        };
        let plain = file(&case, "\n", &[one, other]);
        check(&plain, 2, "plain");
        check(&file(&case, "\r\n", &[one, other]), 2, "CRLF");
        check(&[b"\xef\xbb\xbf", &plain[..]].concat(), 2, "byte order mark");
        check(&plain[..plain.len() - 1], 2, "no last line end");
        check(&file(&case, "\n\n", &["", one, " ", other, ""]), 2, "blank lines");
        check(&file(&case, "\n", &[one, one, other, one]), 4, "duplicates");
    }
}

#[test]
fn lines_that_end_in_carriage_returns_alone_are_refused() {
    for case in cases() {
        let content = file(&case, "\r", &case.lines);
        assert_eq!(outcome(&content, &case.options), Line(1, LineError::CarriageReturn), "{}", case.name);
        let one_within = file(&case, "\n", &[case.lines[0], &case.lines.join("\r")]);
        let line = first_line(&case) + 1;
        assert_eq!(outcome(&one_within, &case.options), Line(line, LineError::CarriageReturn), "{}", case.name);
    }
}

#[test]
fn a_file_without_content_is_empty() {
    for case in cases() {
        for content in ["", "\n", "\r\n\r\n", "  \n", "\u{feff}"] {
            assert_eq!(outcome(content.as_bytes(), &case.options), Empty, "{} {content:?}", case.name);
        }
        assert_eq!(outcome(&file(&case, "\n", &[]), &case.options), Empty, "{}", case.name);
    }
}

#[test]
fn a_line_of_a_megabyte_is_refused_by_its_number() {
    let long = "1".repeat(1 << 20);
    for case in cases() {
        let content = file(&case, "\n", &[case.lines[0], &long, case.lines[1]]);
        let line = first_line(&case) + 1;
        assert_eq!(outcome(&content, &case.options), LineTooLong(line), "{}", case.name);
        assert_eq!(outcome(long.as_bytes(), &case.options), LineTooLong(1), "{}", case.name);
    }
}

#[test]
fn a_bad_line_is_named_with_what_is_wrong_with_it() {
    use LineError::{
        Columns, NotDigits, NotUtf8, NulByte, OpenQuote, TimeForm, TooFewDigits, TooManyDigits, UnknownAction,
    };

    let bad: [(&str, &[u8], LineError); 29] = [
        ("flat", b"201,555\x000101", NulByte),
        ("flat", b"201,555\xff101", NotUtf8),
        ("flat", b"\"201\",\"5550101\"", NotDigits),
        ("flat", b"201,5550101,x", Columns),
        ("flat", b"201", TooFewDigits),
        ("digits", b"201555\x000101", NulByte),
        ("digits", b"\"2015550101\"", NotDigits),
        ("digits", b"\xff\xfe2015550101", NotUtf8),
        ("digits", b"22015550101", TooManyDigits),
        ("change", b"201555\x000101,2026-11-10,A", NulByte),
        ("change", b"2015550101,2026-11-10,\xff", UnknownAction),
        ("change", b"2015550101,2026-11-1\xff,A", NotUtf8),
        ("change", b"2015550101,2026-11-10,U", UnknownAction),
        ("change", b"2015550101,2026-11-10T08:00,A", TimeForm),
        ("change", b"2015550101,A", Columns),
        ("change", b"\"2015550101,2026-11-10,A", NotDigits),
        ("csv", b"2,201555\x000101", NulByte),
        ("csv", b"2,201555\xff101", NotUtf8),
        ("csv", b"2,\"2015550101", OpenQuote),
        ("csv", b"2", Columns),
        ("pipe", b"A|201555\x000101|2026-11-10", NulByte),
        ("pipe", b"A|201555\xff101|2026-11-10", NotUtf8),
        ("pipe", b"A|\"2015550101|2026-11-10", OpenQuote),
        ("pipe", b"U|2015550101|2026-11-10", UnknownAction),
        ("pipe", b"A|2015550101|2026-11-10|x", Columns),
        ("pipe", b"2015550101", UnknownAction),
        ("fixed", b"x201555\x000101", NulByte),
        ("fixed", b"x201555\xff101", LineError::NotAscii),
        ("fixed", b"x201555010", Columns),
    ];
    let cases = cases();
    for (name, line, why) in bad {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let mut content = file(case, "\n", &[case.lines[0]]);
        content.extend_from_slice(line);
        content.push(b'\n');
        content.extend_from_slice(case.lines[1].as_bytes());
        content.push(b'\n');
        let text = line.escape_ascii();
        assert_eq!(outcome(&content, &case.options), Line(first_line(case) + 1, why), "{name} {text}");
        // Fatal or not, tolerating bad lines never adds the bad line's number.
        let tolerant = Options { max_bad_lines: 1, ..case.options.clone() };
        let expected = if why.is_fatal() { Line(first_line(case) + 1, why) } else { Accepted(2) };
        assert_eq!(outcome(&content, &tolerant), expected, "{name} {text}");
    }
}

#[test]
fn changes_out_of_order_are_handed_on_in_the_order_of_the_file() {
    for case in cases().iter().filter(|case| ["change", "pipe"].contains(&case.name)) {
        let (summary, entries) = entries("list.txt", file(case, "\n", &case.lines), &case.options).unwrap();
        let times: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Change(change) => change.at,
                Entry::Number(_) => panic!("a number"),
            })
            .collect();
        assert!(times[0] > times[1]);
        let sum = summary.times.unwrap();
        assert_eq!((sum.earliest, sum.latest), (times[1], times[0]));
    }
}

#[test]
fn tags_are_as_robust_as_lines() {
    let xml = |content: &str| outcome(content.as_bytes(), &Options::default());
    let good = "<list><ac val='201'><ph val='5550100'/></ac></list>";
    assert_eq!(xml(&format!("\u{feff}{good}\r\n")), Accepted(1));
    assert_eq!(xml(&good.replace('>', ">\r")), Accepted(1));
    assert_eq!(xml(&good.replace('>', ">\n\n")), Accepted(1));
    assert_eq!(xml(&good.replace("'/>", "/>")), Line(1, LineError::MalformedTag));
    assert_eq!(xml(&good.replace("5550100", "555\x000100")), Line(1, LineError::NulByte));
    assert_eq!(xml(&good.replace("<ph", "\n<px")), Line(2, LineError::UnknownTag));
    assert_eq!(xml(&good.replace("<ph", &format!("\n<ph x='{}'", "1".repeat(1 << 20)))), LineTooLong(2));
    assert_eq!(xml(&good[..30]), CutOff);
    assert_eq!(xml("<list></list>"), Empty);
    let not_utf8 = good.replace("5550100", "555?100").into_bytes();
    let not_utf8: Vec<u8> = not_utf8.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    assert_eq!(outcome(&not_utf8, &Options::default()), Line(1, LineError::NotUtf8));
    for format in [Format::FtcFlat, Format::Digits, Format::Change] {
        let options = Options { format: Some(format), ..Options::default() };
        assert!(matches!(outcome(good.as_bytes(), &options), Line(1, _)), "{format}");
    }
    let options = Options { format: Some(Format::Csv), ..Options::default() };
    assert_eq!(outcome(good.as_bytes(), &options), Column);
}

#[test]
fn an_archive_is_as_good_as_the_files_in_it() {
    for case in cases() {
        let whole = zip_of(&[("a.txt", file(&case, "\r\n", &case.lines)), ("b.txt", file(&case, "\n", &case.lines))]);
        assert_eq!(outcome(&whole, &case.options), Accepted(4), "{}", case.name);
        for end in [whole.len() - 1, whole.len() / 2, 30] {
            assert_eq!(outcome(&whole[..end], &case.options), Broken, "{} {end}", case.name);
        }
        let empty = zip_of(&[("a.txt", Vec::new())]);
        assert_eq!(outcome(&empty, &case.options), Empty, "{}", case.name);
    }
    for junk in [b"\0\0\0\0".as_slice(), b"\xff\xfe2\x000\x001\x00", b"hello\n", b"PK", b"2026-11-10\n"] {
        assert_eq!(outcome(junk, &Options::default()), Unknown, "{}", junk.escape_ascii());
    }
}
