//! A look at the beginning of a file.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use dnc_core::listfile::{
    Columns, Entry, Format, Layout, LineError, ListFileError, ListKind, Mapping, NumberColumns, Options, Position,
    Preview, preview,
};
use jiff::civil::date;

use super::archive::zip_of;
use super::change;

const A: u64 = 12_015_550_100;
const B: u64 = 12_015_550_101;

fn shown(name: &str, content: impl AsRef<[u8]>, rows: usize) -> Result<Preview, ListFileError> {
    preview(name, Cursor::new(content.as_ref()), &Options::default(), rows)
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.number().to_u64()).collect()
}

#[test]
fn the_beginning_of_a_list_is_shown_with_what_it_declares() {
    let preview = shown("2026-11-9_201_a.txt", "201,5550100\n201,5550101\n201,5550102\n", 2).unwrap();
    let file = &preview.files[0];
    assert_eq!((file.name.as_str(), file.format, file.kind), ("2026-11-9_201_a.txt", Format::FtcFlat, ListKind::Full));
    assert_eq!(file.declared.areas, ["201".parse().unwrap()].into());
    assert_eq!(file.declared.list_date, Some(date(2026, 11, 9)));
    assert_eq!((numbers(&file.entries), file.header.as_deref(), file.is_whole), (vec![A, B], None, false));
    assert_eq!((preview.total_files, preview.bad_lines.len()), (1, 0));
    assert!(shown("list.txt", "201,5550100\n201,5550101\n", 3).unwrap().files[0].is_whole);
}

#[test]
fn changes_are_shown_with_their_times() {
    let preview = shown("list.txt", "2015550100,2026-11-10T08:00:00,D\n2015550101,2026-11-10T08:00:00,A\n", 1).unwrap();
    assert_eq!((preview.files[0].format, preview.files[0].kind), (Format::Change, ListKind::Changes));
    let (number, at, _) = change(preview.files[0].entries[0]);
    assert_eq!((number, at.as_str()), (A, "2026-11-10T08:00:00"));
}

#[test]
fn the_header_is_shown_as_it_stands() {
    let table = shown("list.csv", "\u{feff}name,Phone Number\nAda,2015550100\n", 9).unwrap();
    assert_eq!(table.files[0].header.as_deref(), Some("name,Phone Number"));
    let long = format!("phone,{}\u{1b}\n2015550100,x\n", "x".repeat(5_000));
    let header = shown("list.csv", long, 9).unwrap().files[0].header.clone().unwrap();
    assert_eq!(header.len(), 1_000);
    let mapping = Mapping {
        layout: Layout::Delimited { delimiter: b'|', quoted: false },
        skip_lines: 2,
        columns: Columns { number: NumberColumns::Whole(Position::Column(1)), country: None, time: None, action: None },
    };
    let options = Options { mapping: Some(mapping), ..Options::default() };
    let content = "who\u{7}|when\n---\n2015550100|x\n";
    let mapped = preview("list.txt", Cursor::new(content), &options, 9).unwrap();
    assert_eq!(mapped.files[0].header.as_deref(), Some("who?|when"));
    assert_eq!((mapped.files[0].format, numbers(&mapped.files[0].entries)), (Format::Mapped, vec![A]));
}

#[test]
fn bad_lines_are_shown_rather_than_refused() {
    let preview = shown("list.txt", "201,5550100\nx\n201,5550101\n201,55501\n", 9).unwrap();
    assert_eq!(numbers(&preview.files[0].entries), [A, B]);
    let bad: Vec<_> = preview.bad_lines.iter().map(|bad| (bad.line, bad.why)).collect();
    assert_eq!(bad, [(2, LineError::NotDigits), (4, LineError::TooFewDigits)]);
    let all_bad = shown("list.txt", "20155501001\n", 9).unwrap();
    assert_eq!((all_bad.files[0].entries.len(), all_bad.bad_lines.len()), (0, 1));
}

#[test]
fn what_no_reading_would_accept_is_an_error() {
    assert!(matches!(shown("list.txt", "hello\n", 9), Err(ListFileError::UnknownFormat { .. })));
    assert!(matches!(shown("list.txt", "", 9), Err(ListFileError::Empty { .. })));
    assert!(matches!(shown("list.txt", "2015550100,2026-11-10,X\n", 9), Err(ListFileError::FatalLine(_))));
    assert!(matches!(shown("list.csv", "phone,mobile\n1,2\n", 9), Err(ListFileError::Column { found: 2, .. })));
    assert!(matches!(shown("list.zip", "PK\x03\x04", 9), Err(ListFileError::BrokenArchive { .. })));
    let options = Options { allow_empty: true, ..Options::default() };
    assert!(preview("list.txt", Cursor::new(""), &options, 9).is_ok());
}

#[test]
fn the_first_files_of_an_archive_are_shown_and_all_are_counted() {
    let mut files: Vec<(String, String)> = (0..8).map(|n| (format!("{n}.txt"), format!("201,555010{n}\n"))).collect();
    files.insert(1, ("__MACOSX/._0.txt".into(), "\0".into()));
    let preview = shown("2026-11-9_201_a.zip", zip_of(&files), 9).unwrap();
    assert_eq!((preview.files.len(), preview.total_files), (5, 8));
    assert_eq!(preview.skipped, ["__MACOSX/._0.txt"]);
    for (n, file) in (0..).zip(&preview.files) {
        assert_eq!((numbers(&file.entries), file.is_whole), (vec![A + n], true));
        assert_eq!(file.declared.list_date, Some(date(2026, 11, 9)));
    }
    let mixed = zip_of(&[("a.txt", "201,5550100\n"), ("b.txt", "2015550100,2026-11-10,A\n")]);
    assert!(matches!(shown("list.zip", mixed, 9), Err(ListFileError::MixedKinds { .. })));
}

#[test]
fn no_rows_still_show_the_format() {
    let preview = shown("list.txt", "201,5550100\n", 0).unwrap();
    assert_eq!((preview.files[0].format, preview.files[0].entries.len()), (Format::FtcFlat, 0));
}

/// A file of 100 GB, as far as anybody reads it.
struct Endless {
    line: &'static [u8],
    at: u64,
    read: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for (place, byte) in buffer.iter_mut().zip(self.line.iter().cycle().skip(self.at as usize % self.line.len())) {
            *place = *byte;
        }
        self.at += buffer.len() as u64;
        self.read += buffer.len() as u64;
        assert!(self.read < 4 << 20, "a preview reads the beginning only");
        Ok(buffer.len())
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            _ => 100 << 30,
        };
        Ok(self.at)
    }
}

#[test]
fn only_the_beginning_of_a_long_file_is_read() {
    for (line, expected) in [("201,5550100\n", 1_000), ("201,5550100,\n", 0), ("<list><ac val='201'>\n", 0)] {
        let endless = Endless { line: line.as_bytes(), at: 0, read: 0 };
        let options = Options { format: line.starts_with("201").then_some(Format::FtcFlat), ..Options::default() };
        let preview = preview("list.txt", endless, &options, usize::MAX).unwrap();
        assert_eq!((preview.files[0].entries.len(), preview.files[0].is_whole), (expected, false), "{line}");
        assert!(preview.bad_lines.len() <= 20);
    }
}
