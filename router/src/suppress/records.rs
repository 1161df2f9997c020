//! Cuts text that comes in pieces into its records: lines, or, in CSV, what lies between line ends outside of quotes.

use super::Format;

/// Longest record, bytes: an entry whose every text is as long as it may be, each character escaped.
pub const MAX_RECORD: usize = 256 << 10;

/// Text of which the records are taken out in order.
pub struct Records {
    format: Format,
    buffer: Vec<u8>,
    /// Where the record that is being read begins in the buffer.
    start: usize,
    /// How far it was looked at.
    seen: usize,
    quoted: bool,
    /// The line on which it begins.
    line: u64,
    /// Line ends inside of it.
    inside: u64,
}

/// A record that does not end.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The line on which it begins.
    pub line: u64,
}

// === impl Records ===

impl Records {
    /// No text yet.
    pub fn new(format: Format) -> Self {
        Self { format, buffer: Vec::new(), start: 0, seen: 0, quoted: false, line: 1, inside: 0 }
    }

    /// More text.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole record with the line on which it begins, without its line end. Empty lines are left out.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>, TooLong> {
        while let Some(&byte) = self.buffer.get(self.seen) {
            self.seen += 1;
            match byte {
                b'"' if self.format == Format::Csv => self.quoted = !self.quoted,
                b'\n' if self.quoted => self.inside += 1,
                b'\n' => {
                    let (line, start, end) = (self.line, self.start, self.seen - 1);
                    self.start = self.seen;
                    self.line += self.inside + 1;
                    self.inside = 0;
                    if !trimmed(&self.buffer[start..end]).is_empty() {
                        return Ok(Some((line, trimmed(&self.buffer[start..end]))));
                    }
                }
                _ => {}
            }
            if self.seen - self.start > MAX_RECORD {
                return Err(TooLong { line: self.line });
            }
        }
        Ok(None)
    }

    /// What is left at the end, if it has no line end.
    pub fn rest(&self) -> Option<(u64, &[u8])> {
        let rest = trimmed(&self.buffer[self.start..]);
        (!rest.is_empty()).then_some((self.line, rest))
    }
}

/// Without a carriage return at the end.
fn trimmed(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\r").unwrap_or(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, text: &str, piece: usize) -> Vec<(u64, String)> {
        let mut records = Records::new(format);
        let mut found = Vec::new();
        let mut note = |line, record: &[u8]| found.push((line, String::from_utf8(record.to_vec()).expect("text")));
        for piece in text.as_bytes().chunks(piece) {
            records.push(piece);
            while let Some((line, record)) = records.next().expect("short") {
                note(line, record);
            }
        }
        if let Some((line, record)) = records.rest() {
            note(line, record);
        }
        found
    }

    #[test]
    fn records_are_the_same_however_the_text_is_cut() {
        let text = "a,b\r\n\n\"x\ny\",\"\"\"\"\nlast";
        let expected = [(1, "a,b"), (3, "\"x\ny\",\"\"\"\""), (5, "last")].map(|(line, text)| (line, text.to_owned()));
        for piece in 1..text.len() {
            assert_eq!(all(Format::Csv, text, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_quote_means_nothing_outside_of_csv() {
        let expected = [(1, "\"a".to_owned()), (2, "b\"".to_owned())];
        assert_eq!(all(Format::JsonLines, "\"a\nb\"\n", 3), expected);
    }

    #[test]
    fn a_record_that_does_not_end_is_refused_with_its_line() {
        let mut records = Records::new(Format::Csv);
        records.push(b"a\n\"");
        records.push(&vec![b'\n'; MAX_RECORD + 1]);
        assert_eq!(records.next(), Ok(Some((1, &b"a"[..]))));
        assert_eq!(records.next(), Err(TooLong { line: 2 }));
    }
}
