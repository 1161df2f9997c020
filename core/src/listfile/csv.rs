//! Columns under a header.

use memchr::memchr;

use super::field::Country;
use super::input::Input;
use super::split::{Splitter, without_end};
use super::tally::Tally;
use super::{BadLine, LineError, ListFileError, Options};

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
/// The names of columns that make a table a list of changes; `opstype` is India's.
const ACTION_COLUMNS: [&str; 8] =
    ["action", "actiontype", "change", "changetype", "operation", "operationtype", "opstype", "optype"];

/// What a header says.
pub(super) struct Header {
    pub delimiter: u8,
    /// The columns that could hold the number.
    pub columns: Vec<usize>,
    /// Whether a column says that rows are added or deleted.
    pub has_action: bool,
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
                if memchr(b'\r', line).is_some() {
                    // Lines that end in carriage returns alone: without its header, no line can be read.
                    let why = LineError::CarriageReturn;
                    return Err(ListFileError::FatalLine(BadLine {
                        file: file.into(),
                        line: tally.line(),
                        offset: begin,
                        why,
                    }));
                }
                table = Some(open(line, options, file)?);
                tally.header(line);
                tally.next_lines(1);
                continue;
            };
            match splitter.split(line).and_then(|()| splitter.field(*column).ok_or(LineError::Columns)) {
                // Cut within its last digits, a longer number can look like a shorter one.
                Ok(field) if !ended && *column + 1 >= splitter.count() && field.len() < previous_length => {
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
    let line = without_end(line);
    let has_several = DELIMITERS.iter().any(|delimiter| line.contains(delimiter));
    DELIMITERS.into_iter().find_map(|delimiter| {
        // One column needs no delimiter. Where there are several, a delimiter that the line lacks would make them one:
        // of `phone` and `number` with a tab between them, a phone number.
        if has_several && !line.contains(&delimiter) {
            return None;
        }
        let mut splitter = Splitter::new(delimiter, true);
        splitter.split(line).ok()?;
        let names: Vec<String> = (0..splitter.count())
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
        (Some(header), &[column]) => Ok((Splitter::new(header.delimiter, true), column)),
        _ => Err(ListFileError::Column { file: file.into(), found: columns.len() }),
    }
}

/// A column's name as it is compared.
fn normal(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_finds_the_column_and_the_delimiter() {
        let find = |line: &str| header_of(line.as_bytes(), &Options::default()).map(|h| (h.delimiter, h.columns));
        assert_eq!(find("name,Phone Number\r\n"), Some((b',', vec![1])));
        assert_eq!(find("PHONE;name"), Some((b';', vec![0])));
        assert_eq!(find("\"mobile\"\tname"), Some((b'\t', vec![0])));
        assert_eq!(find("phone,mobile"), Some((b',', vec![0, 1])));
        assert_eq!(find("phone\tnumber"), Some((b'\t', vec![0, 1])));
        assert_eq!(find("name,address"), None);
        assert_eq!(find("2015550100,Doe"), None);
    }
}
