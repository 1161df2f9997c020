//! What must hold for any input, whatever target it comes from.
//!
//! A target brings bytes and options; [`read_twice`] and [`look`] read them and panic where a promise of
//! `dnc_core::listfile` is broken. They promise nothing about which inputs are accepted: that is for the tests.

#![allow(clippy::unwrap_used, reason = "a panic is what a fuzzer looks for")]

pub mod content;
pub mod mapping;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Cursor;

use dnc_core::listfile::{
    Action, AmbiguousChange, Changes, Entry, ListFileError, ListKind, Options, Preview, Summary, preview, read,
};
use dnc_core::number::PhoneNumber;
use jiff::civil::DateTime;

/// A whole reading.
pub type Reading = Result<(Summary, Vec<Entry>), ListFileError>;

/// Options that bring every way to read a number into play, one of them for each content. Lines are short, so that
/// the buffer is (see `input.rs`) and even a small file is read in several steps.
pub fn options_for(content: &[u8]) -> Options {
    let (default_country, max_bad_lines) = [(1, 0), (65, 0), (353, 2), (7, 0)][content.len() % 4];
    Options { default_country, max_bad_lines, max_line_bytes: 100, ..Options::default() }
}

/// Reads the content twice; both readings end in the same, and what they give is in order.
pub fn read_twice(name: &str, content: &[u8], options: &Options) -> Reading {
    let (first, again) = (read_once(name, content, options), read_once(name, content, options));
    match (&first, &again) {
        (Ok(first), Ok(again)) => assert_eq!(first, again),
        (Err(first), Err(again)) => assert_eq!(first.to_string(), again.to_string()),
        _ => panic!("the same content was accepted once and refused once"),
    }
    match &first {
        Ok((summary, entries)) => check(summary, entries, options),
        Err(error) => check_error(error, content),
    }
    first
}

/// Looks at the beginning of the content; what a reading accepts, a look shows.
pub fn look(name: &str, content: &[u8], options: &Options, rows: usize) {
    let (first, again) = (show(name, content, options, rows), show(name, content, options, rows));
    let reading = read_once(name, content, options);
    match (&first, &again) {
        (Ok(first), Ok(again)) => assert_eq!(first, again),
        (Err(first), Err(again)) => assert_eq!(first.to_string(), again.to_string()),
        _ => panic!("the same content was shown once and refused once"),
    }
    let shown = match first {
        Ok(shown) => shown,
        Err(error) => {
            check_error(&error, content);
            assert!(reading.is_err(), "a reading accepts what a look refuses");
            return;
        }
    };
    assert!(shown.files.iter().all(|file| file.entries.len() <= rows));
    let is_all = shown.total_files == shown.files.len() && shown.files.iter().all(|file| file.is_whole);
    if is_all && shown.bad_lines.is_empty() {
        assert!(reading.is_ok(), "a reading refuses what a look shows whole");
    }
    let Ok((summary, entries)) = reading else { return };
    assert_eq!(summary.files.len(), shown.total_files);
    let mut begin = 0;
    for (file, shown) in summary.files.iter().zip(&shown.files) {
        let end = begin + file.numbers as usize;
        assert_eq!((&file.name, file.format, file.kind), (&shown.name, shown.format, shown.kind));
        assert!(entries[begin..end].starts_with(&shown.entries));
        begin = end;
    }
}

/// Every line that is not blank gave an entry or was reported: none is lost. `other_lines` are those that are no rows.
pub fn no_line_is_lost(content: &[u8], summary: &Summary, other_lines: u64) {
    if is_archive(content) {
        return;
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let lines = content.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    assert_eq!(summary.numbers + summary.bad_count + other_lines, lines);
}

/// Settling changes agrees with a map that is told every one of them.
pub fn settle(entries: &[Entry]) {
    let mut changes = Changes::with_max(entries.len());
    let mut model: BTreeMap<PhoneNumber, BTreeMap<DateTime, Vec<Action>>> = BTreeMap::new();
    for entry in entries {
        let Entry::Change(change) = entry else { panic!("a number in a change list") };
        changes.insert(*change).unwrap();
        model.entry(change.number).or_default().entry(change.at).or_default().push(change.action);
    }
    let is_clear = |actions: &Vec<Action>| actions.iter().all(|action| *action == actions[0]);
    let ambiguous = model.values().any(|times| !times.values().all(is_clear));
    let settled = match changes.settle() {
        Ok(settled) => settled,
        Err(AmbiguousChange { .. }) => {
            assert!(ambiguous);
            return;
        }
    };
    assert!(!ambiguous);
    let mut outcome = BTreeMap::new();
    for block in &settled.blocks {
        for (lines, action) in [(&block.adds, Action::Add), (&block.drops, Action::Delete)] {
            outcome.extend(lines.iter().map(|line| (block.block.number(line).unwrap(), action)));
        }
    }
    let latest = |times: BTreeMap<DateTime, Vec<Action>>| times.into_values().next_back().unwrap()[0];
    let expected: BTreeMap<_, _> = model.into_iter().map(|(number, times)| (number, latest(times))).collect();
    assert_eq!(settled.adds + settled.drops, expected.len() as u64);
    assert!(outcome == expected);
}

fn read_once(name: &str, content: &[u8], options: &Options) -> Reading {
    let mut entries = Vec::new();
    let mut sink = |entry| -> Result<(), Infallible> {
        entries.push(entry);
        Ok(())
    };
    let summary = read(name, Cursor::new(content), options, &mut sink, &mut |_| {})?;
    Ok((summary, entries))
}

fn show(name: &str, content: &[u8], options: &Options, rows: usize) -> Result<Preview, ListFileError> {
    preview(name, Cursor::new(content), options, rows)
}

fn check(summary: &Summary, entries: &[Entry], options: &Options) {
    assert_eq!(summary.numbers, entries.len() as u64);
    assert_eq!(summary.numbers, summary.files.iter().map(|file| file.numbers).sum());
    assert!(summary.bad_count <= options.max_bad_lines);
    assert!(summary.bad_lines.iter().all(|bad| !bad.why.is_fatal()));
    assert!(summary.files.iter().all(|file| file.kind == summary.kind));
    let mut times = Vec::new();
    for entry in entries {
        let number = entry.number();
        assert!(PhoneNumber::from_u64(number.to_u64()) == Ok(number), "a number that is none");
        match (summary.kind, entry) {
            (ListKind::Full, Entry::Number(_)) => {}
            (ListKind::Changes, Entry::Change(change)) => times.push(change.at),
            _ => panic!("an entry of another kind"),
        }
    }
    let range = times.iter().min().zip(times.iter().max());
    assert_eq!(summary.times.as_ref().map(|times| (&times.earliest, &times.latest)), range);
}

/// No error repeats what stands in a file. Names of files in an archive may, so archives are left out.
fn check_error(error: &ListFileError, content: &[u8]) {
    if is_archive(content) {
        return;
    }
    let said = error.to_string();
    let has_digits = said.as_bytes().windows(7).any(|text| text.iter().all(u8::is_ascii_digit));
    assert!(!has_digits, "an error with digits of a number");
}

fn is_archive(content: &[u8]) -> bool {
    content.starts_with(b"PK")
}
