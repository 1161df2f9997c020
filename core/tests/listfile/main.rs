//! List files as the field makes them, well and badly.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

mod archive;
mod csv;
mod flat;
mod hostile;
mod samples;
mod xml;

use std::convert::Infallible;
use std::io::Cursor;

use dnc_core::listfile::{LineError, ListFileError, Options, Summary, read};
use dnc_core::number::PhoneNumber;

/// A whole reading: what it found out, and the numbers in order.
type Reading = Result<(Summary, Vec<u64>), ListFileError>;

fn reading(name: &str, content: impl AsRef<[u8]>) -> Reading {
    reading_with(name, content, &Options::default())
}

fn reading_with(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Reading {
    let mut numbers = Vec::new();
    let mut sink = |number: PhoneNumber| -> Result<(), Infallible> {
        numbers.push(number.to_u64());
        Ok(())
    };
    let summary = read(name, Cursor::new(content.as_ref()), options, &mut sink, &mut |_| {})?;
    assert_eq!(summary.numbers, numbers.len() as u64);
    Ok((summary, numbers))
}

fn numbers(name: &str, content: impl AsRef<[u8]>) -> Vec<u64> {
    reading(name, content).unwrap().1
}

/// The bad lines that a reading ends with.
fn bad_lines(reading: Reading) -> Vec<(u64, LineError)> {
    match reading {
        Err(ListFileError::TooManyBadLines { first, .. }) => first.iter().map(|bad| (bad.line, bad.why)).collect(),
        other => panic!("expected too many bad lines, not {other:?}"),
    }
}
