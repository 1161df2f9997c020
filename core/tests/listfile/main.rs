//! List files as the field makes them, well and badly.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod archive;
mod bad_input;
mod change;
mod csv;
mod flat;
mod hostile;
mod international;
mod mapped;
mod mapping;
mod preview;
mod samples;
mod xml;

use std::convert::Infallible;
use std::fmt::Debug;
use std::io::Cursor;

use dnc_core::listfile::{Action, Entry, LineError, ListFileError, ListKind, Options, Summary, read};

/// A whole reading: what it found out, and the numbers in order.
type Reading = Result<(Summary, Vec<u64>), ListFileError>;

/// The same for whatever the list is made of.
type Entries = Result<(Summary, Vec<Entry>), ListFileError>;

/// A change in a form that tests can write down.
type Change = (u64, String, Action);

fn reading(name: &str, content: impl AsRef<[u8]>) -> Reading {
    reading_with(name, content, &Options::default())
}

fn reading_with(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Reading {
    let (summary, entries) = entries(name, content, options)?;
    assert_eq!((summary.kind, summary.times), (ListKind::Full, None));
    let number = |entry| match entry {
        Entry::Number(number) => number.to_u64(),
        Entry::Change(_) => panic!("a change in a full list"),
    };
    Ok((summary, entries.into_iter().map(number).collect()))
}

fn entries(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Entries {
    let mut entries = Vec::new();
    let mut sink = |entry: Entry| -> Result<(), Infallible> {
        entries.push(entry);
        Ok(())
    };
    let summary = read(name, Cursor::new(content.as_ref()), options, &mut sink, &mut |_| {})?;
    assert_eq!(summary.numbers, entries.len() as u64);
    assert!(summary.files.iter().all(|file| file.kind == summary.kind));
    Ok((summary, entries))
}

fn changes_with(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Result<Vec<Change>, ListFileError> {
    let (summary, entries) = entries(name, content, options)?;
    assert_eq!(summary.kind, ListKind::Changes);
    Ok(entries.into_iter().map(change).collect())
}

fn change(entry: Entry) -> Change {
    match entry {
        Entry::Change(change) => (change.number.to_u64(), change.at.to_string(), change.action),
        Entry::Number(_) => panic!("a number in a change list"),
    }
}

fn numbers(name: &str, content: impl AsRef<[u8]>) -> Vec<u64> {
    reading(name, content).unwrap().1
}

/// The bad lines that a reading ends with.
fn bad_lines<T: Debug>(reading: Result<T, ListFileError>) -> Vec<(u64, LineError)> {
    match reading {
        Err(ListFileError::TooManyBadLines { first, .. }) => first.iter().map(|bad| (bad.line, bad.why)).collect(),
        Err(ListFileError::FatalLine(bad)) => vec![(bad.line, bad.why)],
        other => panic!("expected too many bad lines, not {other:?}"),
    }
}
