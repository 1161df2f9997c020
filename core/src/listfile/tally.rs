//! Counts what a reading yields, and judges it: the scope of each number, the limit on bad lines.

use super::error::SinkError;
use super::{BadLine, Declared, FileSummary, Format, LineError, ListFileError, Options, Summary};
use crate::area::Area;
use crate::number::PhoneNumber;

/// Where the numbers of a reading go, and what is known about it so far.
pub(super) struct Tally<'a> {
    max_bad_lines: u64,
    max_reported: usize,
    allow_empty: bool,
    sink: &'a mut dyn FnMut(PhoneNumber) -> Result<(), SinkError>,
    /// The line being read, counted from 1.
    line: u64,
    /// Numbers of the current file.
    numbers: u64,
    scope: Scope,
    /// More bad lines than allowed: the reading only goes on to report some more of them.
    failed: bool,
    files: Vec<FileSummary>,
    skipped: Vec<String>,
    bad_lines: Vec<BadLine>,
    bad_count: u64,
}

/// Which numbers belong in the current file.
enum Scope {
    All,
    /// By far the most common: a file for one area code.
    One(Area),
    Declared(Declared),
}

// === impl Tally ===

impl<'a> Tally<'a> {
    pub fn new(options: &Options, sink: &'a mut dyn FnMut(PhoneNumber) -> Result<(), SinkError>) -> Self {
        Self {
            max_bad_lines: options.max_bad_lines,
            max_reported: options.max_reported,
            allow_empty: options.allow_empty,
            sink,
            line: 1,
            numbers: 0,
            scope: Scope::All,
            failed: false,
            files: Vec::new(),
            skipped: Vec::new(),
            bad_lines: Vec::new(),
            bad_count: 0,
        }
    }

    /// A file begins.
    pub fn begin(&mut self, name: &str, declared: Declared, format: Format) {
        self.line = 1;
        self.numbers = 0;
        self.scope = match (declared.areas.len(), declared.areas.first()) {
            (_, None) => Scope::All,
            (1, Some(&area)) => Scope::One(area),
            _ => Scope::Declared(declared.clone()),
        };
        self.files.push(FileSummary { name: name.into(), format, declared, numbers: 0, lines: 0, bad_count: 0 });
    }

    /// The file that began has ended.
    pub fn end(&mut self) -> Result<(), ListFileError> {
        let (line, numbers) = (self.line, self.numbers);
        // Of a reading that has failed, its bad lines are the news.
        let empty_is_wrong = !self.failed && !self.allow_empty;
        let file = self.file();
        file.lines = line - 1;
        file.numbers = numbers;
        if numbers == 0 && empty_is_wrong {
            return Err(ListFileError::Empty { file: file.name.clone() });
        }
        Ok(())
    }

    /// A file of the archive was left out for its name.
    pub fn skip(&mut self, name: String) {
        self.skipped.push(name);
    }

    /// The line being read.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Lines have been read.
    #[inline]
    pub fn next_lines(&mut self, count: u64) {
        self.line += count;
    }

    /// A tag of the current file names an area that the file is for.
    pub fn declare(&mut self, area: Area) -> Result<(), ListFileError> {
        let conflict = match &self.scope {
            Scope::All => false,
            Scope::One(only) => *only != area,
            Scope::Declared(declared) => !declared.areas.contains(&area),
        };
        let file = self.file();
        if conflict {
            return Err(ListFileError::Conflict { file: file.name.clone() });
        }
        file.declared.areas.insert(area);
        Ok(())
    }

    /// A number of the current line; `offset` is where the line begins.
    #[inline]
    pub fn accept(&mut self, number: PhoneNumber, offset: u64) -> Result<(), ListFileError> {
        let inside = match &self.scope {
            Scope::All => true,
            Scope::One(area) => area.contains(number),
            Scope::Declared(declared) => declared.areas.contains(&number.area()),
        };
        if !inside {
            return self.reject(offset, LineError::OutsideArea);
        }
        if !self.failed {
            (self.sink)(number).map_err(ListFileError::Sink)?;
            self.numbers += 1;
        }
        Ok(())
    }

    /// The current line is bad. Beyond the limit the reading goes on until enough bad lines can be named.
    #[cold]
    pub fn reject(&mut self, offset: u64, why: LineError) -> Result<(), ListFileError> {
        let line = self.line;
        self.bad_count += 1;
        let file = self.file();
        file.bad_count += 1;
        let bad = BadLine { file: file.name.clone(), line, offset, why };
        if self.bad_lines.len() < self.max_reported {
            self.bad_lines.push(bad);
        }
        self.failed = self.bad_count > self.max_bad_lines;
        if self.failed && self.bad_count >= self.max_reported as u64 { Err(self.too_many_bad_lines()) } else { Ok(()) }
    }

    pub fn finish(mut self) -> Result<Summary, ListFileError> {
        if self.failed {
            return Err(self.too_many_bad_lines());
        }
        let count = |of: fn(&FileSummary) -> u64| self.files.iter().map(of).sum();
        Ok(Summary {
            declared: Declared::of_all(self.files.iter().map(|file| &file.declared)),
            numbers: count(|file| file.numbers),
            lines: count(|file| file.lines),
            skipped: self.skipped,
            bad_lines: self.bad_lines,
            bad_count: self.bad_count,
            files: self.files,
        })
    }

    fn too_many_bad_lines(&mut self) -> ListFileError {
        ListFileError::TooManyBadLines {
            count: self.bad_count,
            max: self.max_bad_lines,
            first: std::mem::take(&mut self.bad_lines),
        }
    }

    fn file(&mut self) -> &mut FileSummary {
        self.files.last_mut().expect("every format's reader runs between begin and end")
    }
}
