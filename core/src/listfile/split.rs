//! Splits one line after the other into fields.
//!
//! Line by line, not with a reader that lets a quoted field run on over line ends: one stray quote would swallow the
//! numbers of many lines without a word. Here such a line is a bad line, and memory stays at one line.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr;

use super::LineError;

/// The most columns a line is split into.
pub(super) const MAX_COLUMNS: usize = 1_024;

pub(super) struct Splitter {
    reader: Reader,
    /// The line with its end.
    line: Vec<u8>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

/// A line without its `\n` or `\r\n`.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

// === impl Splitter ===

impl Splitter {
    /// Without `quoted`, a quote is a character like others.
    pub fn new(delimiter: u8, quoted: bool) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).quoting(quoted).build(),
            line: Vec::new(),
            fields: Vec::new(),
            // One more than a line may have, so that a longer one is not taken for one that just fits.
            ends: vec![0; MAX_COLUMNS + 1],
            count: 0,
        }
    }

    /// Splits a line that comes without its end.
    pub fn split(&mut self, line: &[u8]) -> Result<(), LineError> {
        self.count = 0;
        if memchr(b'\r', line).is_some() {
            return Err(LineError::CarriageReturn);
        }
        self.line.clear();
        self.line.extend_from_slice(line);
        self.line.push(b'\n');
        if self.fields.len() < self.line.len() {
            self.fields.resize(self.line.len(), 0);
        }
        self.reader.reset();
        let (result, _, _, count) = self.reader.read_record(&self.line, &mut self.fields, &mut self.ends);
        match result {
            ReadRecordResult::Record if count <= MAX_COLUMNS => {
                self.count = count;
                Ok(())
            }
            ReadRecordResult::InputEmpty => Err(LineError::OpenQuote),
            _ => Err(LineError::Columns),
        }
    }

    /// How many fields the line has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A field of the line, counted from 0, without the spaces around it.
    pub fn field(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.count].get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.fields.get(start..end).map(<[u8]>::trim_ascii)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str, quoted: bool) -> Result<Vec<String>, LineError> {
        let mut splitter = Splitter::new(b',', quoted);
        splitter.split(line.as_bytes())?;
        Ok((0..splitter.count).map(|at| String::from_utf8_lossy(splitter.field(at).unwrap()).into_owned()).collect())
    }

    #[test]
    fn quoted_fields_may_hold_delimiters_and_quotes() {
        assert_eq!(fields(r#""Doe, ""J""",2015550100,"#, true).unwrap(), [r#"Doe, "J""#, "2015550100", ""]);
        assert_eq!(fields("one", true).unwrap(), ["one"]);
    }

    #[test]
    fn without_quoting_quotes_are_characters() {
        assert_eq!(fields(r#""a,b""#, false).unwrap(), [r#""a"#, r#"b""#]);
    }

    #[test]
    fn a_quote_that_stays_open_is_an_error() {
        assert_eq!(fields(r#"2015550100,"Doe"#, true), Err(LineError::OpenQuote));
        assert_eq!(fields("2015550100\r2015550101", true), Err(LineError::CarriageReturn));
    }

    #[test]
    fn columns_have_a_limit() {
        assert_eq!(fields(&",".repeat(1_023), true).unwrap().len(), 1_024);
        assert_eq!(fields(&",".repeat(1_024), true), Err(LineError::Columns));
        assert_eq!(fields(&",".repeat(2_000), true), Err(LineError::Columns));
    }
}
