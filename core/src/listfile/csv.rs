//! Columns under a header.
//!
//! Records are split line by line, not by a reader that lets a quoted field run on over line ends: one stray quote
//! would swallow the numbers of many lines without a word. Here such a line is a bad line, and memory stays at one
//! line.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr;

use super::field::Country;
use super::input::Input;
use super::tally::Tally;
use super::{LineError, ListFileError, Options};

/// What stands between columns.
const DELIMITERS: [u8; 4] = *b",;\t|";
/// The names of columns that hold the number, in lower case and without spaces, hyphens and underscores.
const NUMBER_COLUMNS: [&str; 9] = [
    "phone",
    "phones",
    "phonenumber",
    "phonenumbers",
    "number",
    "telephone",
    "telephonenumber",
    "mobile",
    "mobilenumber",
];
/// The names of columns that make a table a list of changes.
const ACTION_COLUMNS: [&str; 3] = ["action", "change", "changetype"];
const MAX_COLUMNS: usize = 1_024;

/// What a header says.
pub(super) struct Header {
    pub delimiter: u8,
    /// The columns that could hold the number.
    pub columns: Vec<usize>,
    /// Whether a column says that rows are added or deleted.
    pub has_action: bool,
}

/// Splits one line after the other into fields.
struct Splitter {
    reader: Reader,
    /// The line with its end.
    line: Vec<u8>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

/// Reads the whole file.
pub(super) fn read(input: &mut Input<'_, '_>, options: &Options, tally: &mut Tally<'_>) -> Result<(), ListFileError> {
    let country = Country::new(options)?;
    let file = input.name();
    let mut table: Option<(Splitter, usize)> = None;
    let mut previous_length = 0;
    while let Some(lines) = input.lines(tally.line())? {
        let mut offset = lines.offset;
        for line in lines.bytes.split_inclusive(|&byte| byte == b'\n') {
            lines.limit.check(line, tally.line())?;
            let ended = line.ends_with(b"\n");
            let begin = offset;
            offset += line.len() as u64;
            let line = without_end(line);
            if line.trim_ascii().is_empty() {
                tally.next_lines(1);
                continue;
            }
            let Some((splitter, column)) = &mut table else {
                table = Some(open(line, options, file)?);
                tally.next_lines(1);
                continue;
            };
            match splitter.split(line).and_then(|()| splitter.field(*column).ok_or(LineError::Columns)) {
                // Cut within its last digits, a longer number can look like a shorter one.
                Ok(field) if !ended && *column + 1 >= splitter.count && field.len() < previous_length => {
                    tally.reject(begin, LineError::CutOff)?;
                }
                Ok(field) => {
                    previous_length = field.len();
                    match country.separated_number(field) {
                        Ok(number) => tally.accept(number, begin)?,
                        Err(why) => tally.reject(begin, why)?,
                    }
                }
                Err(why) => tally.reject(begin, why)?,
            }
            tally.next_lines(1);
        }
    }
    Ok(())
}

/// Reads the first line as a header; `None` if no column could hold a number.
pub(super) fn header_of(line: &[u8], options: &Options) -> Option<Header> {
    let wanted = options.csv_column.as_deref().map(normal);
    DELIMITERS.into_iter().find_map(|delimiter| {
        let mut splitter = Splitter::new(delimiter);
        splitter.split(without_end(line)).ok()?;
        let names: Vec<String> = (0..splitter.count)
            .map(|at| normal(&String::from_utf8_lossy(splitter.field(at).unwrap_or_default())))
            .collect();
        let holds_number = |name: &String| match &wanted {
            Some(wanted) => name == wanted,
            None => NUMBER_COLUMNS.contains(&name.as_str()),
        };
        let columns: Vec<usize> = (0..names.len()).filter(|&at| holds_number(&names[at])).collect();
        let has_action = names.iter().any(|name| ACTION_COLUMNS.contains(&name.as_str()));
        (!columns.is_empty()).then_some(Header { delimiter, columns, has_action })
    })
}

fn open(line: &[u8], options: &Options, file: &str) -> Result<(Splitter, usize), ListFileError> {
    let header = header_of(line, options);
    let columns = header.as_ref().map_or(&[][..], |header| &header.columns);
    match (&header, columns) {
        (Some(header), &[column]) => Ok((Splitter::new(header.delimiter), column)),
        _ => Err(ListFileError::Column { file: file.into(), found: columns.len() }),
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A column's name as it is compared.
fn normal(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

// === impl Splitter ===

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            line: Vec::new(),
            fields: Vec::new(),
            ends: vec![0; MAX_COLUMNS],
            count: 0,
        }
    }

    /// Splits a line that comes without its end.
    fn split(&mut self, line: &[u8]) -> Result<(), LineError> {
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
            ReadRecordResult::Record => {
                self.count = count;
                Ok(())
            }
            ReadRecordResult::InputEmpty => Err(LineError::OpenQuote),
            _ => Err(LineError::Columns),
        }
    }

    /// A field of the line, without the spaces around it.
    fn field(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.count].get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.fields.get(start..end).map(<[u8]>::trim_ascii)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Result<Vec<String>, LineError> {
        let mut splitter = Splitter::new(b',');
        splitter.split(line.as_bytes())?;
        Ok((0..splitter.count).map(|at| String::from_utf8_lossy(splitter.field(at).unwrap()).into_owned()).collect())
    }

    #[test]
    fn quoted_fields_may_hold_delimiters_and_quotes() {
        assert_eq!(fields(r#""Doe, ""J""",2015550100,"#).unwrap(), [r#"Doe, "J""#, "2015550100", ""]);
        assert_eq!(fields("one").unwrap(), ["one"]);
    }

    #[test]
    fn a_quote_that_stays_open_is_an_error() {
        assert_eq!(fields(r#"2015550100,"Doe"#), Err(LineError::OpenQuote));
        assert_eq!(fields("2015550100\r2015550101"), Err(LineError::CarriageReturn));
        assert_eq!(fields(&",".repeat(2_000)), Err(LineError::Columns));
    }

    #[test]
    fn the_header_finds_the_column_and_the_delimiter() {
        let find = |line: &str| header_of(line.as_bytes(), &Options::default()).map(|h| (h.delimiter, h.columns));
        assert_eq!(find("name,Phone Number\r\n"), Some((b',', vec![1])));
        assert_eq!(find("PHONE;name"), Some((b';', vec![0])));
        assert_eq!(find("\"mobile\"\tname"), Some((b'\t', vec![0])));
        assert_eq!(find("phone,mobile"), Some((b',', vec![0, 1])));
        assert_eq!(find("name,address"), None);
        assert_eq!(find("2015550100,Doe"), None);
    }
}
