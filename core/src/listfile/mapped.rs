//! Lines in a layout of their own, read as a [`Mapping`] says.
//!
//! Nobody but the mapping knows what such a line means, so it is held to it: every line of a delimited file has the
//! same number of columns (one that has more or less may have shifted its number away), every mapped byte of a
//! fixed-width line is there, and a line that the mapping skips must not be one of the list.

use jiff::civil::{DateTime, Time};

use super::field::{Country, not_digits};
use super::input::Input;
use super::mapping::{ActionColumn, Layout, NumberColumns, Position, TimeFormat};
use super::pattern::Pattern;
use super::split::{Splitter, without_end};
use super::tally::Tally;
use super::time::{self, TimeForm};
use super::{Action, Entry, LineError, ListChange, ListFileError, Mapping, Options};
use crate::number::PhoneNumber;

/// Reads the lines of one file.
struct Rows<'a> {
    mapping: &'a Mapping,
    country: Country,
    /// `None` for fixed widths.
    splitter: Option<Splitter>,
    /// Where the last column ends that means something.
    reach: usize,
    /// How times are written, where not as ISO has it.
    pattern: Option<Pattern>,
    /// The time of changes that come without one.
    date: Option<DateTime>,
}

/// A line that was split.
struct Cells<'a> {
    line: &'a [u8],
    splitter: Option<&'a Splitter>,
}

/// Reads the whole file.
pub(super) fn read(
    input: &mut Input<'_, '_>,
    options: &Options,
    mapping: &Mapping,
    tally: &mut Tally<'_>,
) -> Result<(), ListFileError> {
    let declared = tally.current().and_then(|(file, _)| file.declared.list_date);
    let date = declared.or(options.list_date).map(|date| date.to_datetime(Time::midnight()));
    if mapping.columns.action.is_some() && mapping.columns.time.is_none() && date.is_none() {
        return Err(ListFileError::ChangeTime { file: input.name().into() });
    }
    let mut rows = Rows::new(mapping, Country::new(options)?, date)?;
    // How many columns the first line has, and how long the last column of the line before is.
    let (mut width, mut previous_length) = (None, 0);
    while let Some(lines) = input.lines(tally.line())? {
        let mut offset = lines.offset;
        for line in lines.bytes.split_inclusive(|&byte| byte == b'\n') {
            lines.limit.check(line, tally.line())?;
            let ended = line.ends_with(b"\n");
            let begin = offset;
            offset += line.len() as u64;
            let line = without_end(line);
            if tally.line() <= u64::from(mapping.skip_lines) {
                if tally.line() == 1 {
                    tally.header(line);
                }
                if rows.entry(line).is_ok() {
                    tally.reject(begin, LineError::SkippedNumber)?;
                }
            } else if !line.trim_ascii().is_empty() {
                let entry = rows.entry(line);
                let (columns, last_length) = rows.last_column();
                // A line that could not be split has no columns, and is bad anyway.
                let is_even = columns == 0 || *width.get_or_insert(columns) == columns;
                match entry {
                    Err(why) if why.is_fatal() => tally.reject(begin, why)?,
                    Ok(_) if !is_even => tally.reject(begin, LineError::Columns)?,
                    // Cut within its last column, a longer value can look like a shorter one.
                    Ok(_) if !ended && rows.reach >= columns && last_length < previous_length => {
                        tally.reject(begin, LineError::CutOff)?;
                    }
                    Ok((Entry::Number(number), _)) => tally.accept(number, begin)?,
                    Ok((Entry::Change(change), form)) => tally.accept_change(change, form, begin)?,
                    Err(why) => tally.reject(begin, why)?,
                }
                previous_length = last_length;
            }
            tally.next_lines(1);
        }
    }
    Ok(())
}

// === impl Rows ===

impl<'a> Rows<'a> {
    fn new(mapping: &'a Mapping, country: Country, date: Option<DateTime>) -> Result<Self, ListFileError> {
        let splitter = match mapping.layout {
            Layout::Delimited { delimiter, quoted } => Some(Splitter::new(delimiter, quoted)),
            Layout::FixedWidth => None,
        };
        let pattern = match mapping.columns.time.as_ref().map(|time| &time.format) {
            Some(TimeFormat::Pattern(text)) => Some(Pattern::new(text).map_err(super::BadMapping::TimePattern)?),
            Some(TimeFormat::Iso) | None => None,
        };
        Ok(Self { mapping, country, splitter, reach: mapping.reach(), pattern, date })
    }

    /// What a line without its end says, and the form of its time.
    fn entry(&mut self, line: &[u8]) -> Result<(Entry, TimeForm), LineError> {
        match &mut self.splitter {
            Some(splitter) => splitter.split(line)?,
            None if line.contains(&b'\r') => return Err(LineError::CarriageReturn),
            // Where a character takes more bytes than one, the columns behind it are elsewhere.
            None if !line[..self.reach.min(line.len())].is_ascii() => return Err(LineError::NotAscii),
            None => {}
        }
        let cells = Cells { line, splitter: self.splitter.as_ref() };
        let columns = &self.mapping.columns;
        // First of all: a line that does something unknown to a number is worse than one whose number is unknown.
        let action = columns.action.as_ref().map(|column| action_of(column, cells.get(column.at)?)).transpose()?;
        let number = self.number(&cells)?;
        let time = columns.time.as_ref().map(|column| self.time(cells.get(column.at)?)).transpose()?;
        let Some(action) = action else {
            return Ok((Entry::Number(number), TimeForm::Date));
        };
        let by_date = self.date.map(|at| (at, TimeForm::Date));
        let (at, form) = time.or(by_date).ok_or(LineError::Time)?;
        Ok((Entry::Change(ListChange { number, at, action }), form))
    }

    fn number(&self, cells: &Cells<'_>) -> Result<PhoneNumber, LineError> {
        let columns = &self.mapping.columns;
        let named = columns.country.map(|at| self.country.named(cells.get(at)?)).transpose()?;
        match (columns.number, named) {
            (NumberColumns::Whole(at), Some(country)) => country.own_number(cells.get(at)?),
            (NumberColumns::Whole(at), None) => self.country.separated_number(cells.get(at)?),
            (NumberColumns::Parts { area_code, local }, named) => {
                named.unwrap_or(self.country).joined_number(cells.get(area_code)?, cells.get(local)?)
            }
        }
    }

    fn time(&self, text: &[u8]) -> Result<time::Read, LineError> {
        let read = match &self.pattern {
            Some(pattern) => pattern.read(text),
            None => time::iso(text),
        };
        read.ok_or_else(|| not_digits(text).unwrap_or(LineError::Time))
    }

    /// How many columns the line has that was split last, and how long the last of them is. Fixed widths need neither:
    /// a line that lacks a byte of them is bad.
    fn last_column(&self) -> (usize, usize) {
        match &self.splitter {
            Some(splitter) => {
                let count = splitter.count();
                (count, count.checked_sub(1).and_then(|last| splitter.field(last)).map_or(0, <[u8]>::len))
            }
            None => (usize::MAX, 0),
        }
    }
}

fn action_of(column: &ActionColumn, word: &[u8]) -> Result<Action, LineError> {
    let is_in = |words: &[String]| words.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
    match () {
        () if is_in(&column.add) => Ok(Action::Add),
        () if is_in(&column.delete) => Ok(Action::Delete),
        () => Err(LineError::UnknownAction),
    }
}

impl<'a> Cells<'a> {
    /// What stands in a column, without the spaces around it.
    fn get(&self, at: Position) -> Result<&'a [u8], LineError> {
        match (self.splitter, at) {
            (Some(splitter), Position::Column(column)) => {
                usize::from(column).checked_sub(1).and_then(|column| splitter.field(column)).ok_or(LineError::Columns)
            }
            (None, span) => self.line.get(span.bytes()).map(<[u8]>::trim_ascii).ok_or(LineError::Columns),
            (Some(_), Position::Span { .. }) => Err(LineError::Columns),
        }
    }
}
