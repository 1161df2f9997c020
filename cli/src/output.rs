//! Printing: answers on stdout, errors on stderr. A reader that has gone (`dnc check ... | head`) is no error.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

/// Exit code of a command that could not do what it was asked.
pub const FAILED: u8 = 2;

/// Prints a line on stdout.
pub fn line(text: impl Display) -> Result<()> {
    unless_gone(writeln!(io::stdout().lock(), "{text}"))
}

/// Prints a line on stderr.
pub fn note(text: impl Display) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a value as one line of JSON on stdout.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string(value)?)
}

/// Prints why a command failed, and gives its exit code.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    note(format_args!("error: {error:#}"));
    ExitCode::from(FAILED)
}

/// Lines up the columns of a table. The last column is left as it is.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let cells = || rows.iter().map(|row| row.iter().map(String::as_str).collect::<Vec<_>>());
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let widest = cells().filter_map(|row| row.get(column).map(|cell| cell.chars().count())).max();
            widest.unwrap_or(0).max(head[column].len())
        })
        .collect();
    for row in std::iter::once(head.to_vec()).chain(cells()) {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        line(padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// 1234567 as `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn unless_gone(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(count), text);
        }
    }
}
