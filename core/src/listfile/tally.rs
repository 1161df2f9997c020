//! Counts what a reading yields, and judges it: the scope of each number, the limit on bad lines.

use super::error::SinkError;
use super::name::printable;
use super::summary::Times;
use super::time::TimeForm;
use super::{
    BadLine, Declared, Entry, FileSummary, Format, LineError, ListChange, ListFileError, ListKind, Options, Summary,
};
use crate::area::Area;
use crate::number::PhoneNumber;

/// Headers longer than this are cut in previews.
const MAX_HEADER_CHARS: usize = 1_000;

/// Where entries go. A number travels alone, not as one kind of [`Entry`]: of a quarter of a billion, each is passed on
/// in a register.
pub(super) trait Receive {
    fn number(&mut self, number: PhoneNumber) -> Result<(), SinkError>;
    fn change(&mut self, change: ListChange) -> Result<(), SinkError>;
}

/// The caller's sink.
pub(super) struct Sink<'a, E>(pub &'a mut dyn FnMut(Entry) -> Result<(), E>);

impl<E: Into<SinkError>> Receive for Sink<'_, E> {
    #[inline]
    fn number(&mut self, number: PhoneNumber) -> Result<(), SinkError> {
        (self.0)(Entry::Number(number)).map_err(Into::into)
    }

    fn change(&mut self, change: ListChange) -> Result<(), SinkError> {
        (self.0)(Entry::Change(change)).map_err(Into::into)
    }
}

/// Where the numbers of a reading go, and what is known about it so far.
pub(super) struct Tally<'a> {
    max_bad_lines: u64,
    max_reported: usize,
    allow_empty: bool,
    sink: &'a mut dyn Receive,
    /// What all files of the reading are.
    kind: Option<ListKind>,
    /// How much the times of all files tell.
    time_form: Option<TimeForm>,
    /// The line being read, counted from 1.
    line: u64,
    /// Numbers of the current file.
    numbers: u64,
    /// The times of its changes.
    times: Option<Times>,
    /// Its header as it stands there.
    header: Option<String>,
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
    pub fn new(options: &Options, sink: &'a mut dyn Receive) -> Self {
        Self {
            max_bad_lines: options.max_bad_lines,
            max_reported: options.max_reported,
            allow_empty: options.allow_empty,
            sink,
            kind: None,
            time_form: None,
            line: 1,
            numbers: 0,
            times: None,
            header: None,
            scope: Scope::All,
            failed: false,
            files: Vec::new(),
            skipped: Vec::new(),
            bad_lines: Vec::new(),
            bad_count: 0,
        }
    }

    /// A file begins. All files of a reading are of one kind: a full list next to its changes would have no order.
    pub fn begin(
        &mut self,
        name: &str,
        declared: Declared,
        format: Format,
        kind: ListKind,
    ) -> Result<(), ListFileError> {
        if *self.kind.get_or_insert(kind) != kind {
            return Err(ListFileError::MixedKinds { file: name.into() });
        }
        self.line = 1;
        self.numbers = 0;
        (self.times, self.header) = (None, None);
        self.scope = match (declared.areas.len(), declared.areas.first()) {
            (_, None) => Scope::All,
            (1, Some(&area)) => Scope::One(area),
            _ => Scope::Declared(declared.clone()),
        };
        self.files.push(FileSummary {
            name: name.into(),
            format,
            kind,
            declared,
            numbers: 0,
            times: None,
            lines: 0,
            bad_count: 0,
        });
        Ok(())
    }

    /// The current file has this header.
    pub fn header(&mut self, line: &[u8]) {
        self.header = Some(printable(&String::from_utf8_lossy(line), MAX_HEADER_CHARS));
    }

    /// The current file as far as it is known, and its header.
    pub fn current(&self) -> Option<(&FileSummary, Option<&str>)> {
        self.files.last().map(|file| (file, self.header.as_deref()))
    }

    /// All bad lines that are reported so far.
    pub fn bad_lines(&self) -> &[BadLine] {
        &self.bad_lines
    }

    /// The file that began has ended.
    pub fn end(&mut self) -> Result<(), ListFileError> {
        let (line, numbers, times) = (self.line, self.numbers, self.times);
        // Of a reading that has failed, its bad lines are the news.
        let empty_is_wrong = !self.failed && !self.allow_empty;
        let file = self.file();
        file.lines = line - 1;
        file.numbers = numbers;
        file.times = times;
        if numbers == 0 && empty_is_wrong {
            return Err(ListFileError::Empty { file: file.name.clone() });
        }
        Ok(())
    }

    /// Files of the archive were left out for their names.
    pub fn skip(&mut self, names: Vec<String>) {
        self.skipped.extend(names);
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
        if !self.is_inside(number) {
            return self.reject(offset, LineError::OutsideArea);
        }
        if !self.failed {
            self.sink.number(number).map_err(ListFileError::Sink)?;
            self.numbers += 1;
        }
        Ok(())
    }

    /// A change of the current line, whose time has this form.
    pub fn accept_change(&mut self, change: ListChange, form: TimeForm, offset: u64) -> Result<(), ListFileError> {
        if !self.is_inside(change.number) {
            return self.reject(offset, LineError::OutsideArea);
        }
        if *self.time_form.get_or_insert(form) != form {
            return self.reject(offset, LineError::TimeForm);
        }
        if !self.failed {
            self.sink.change(change).map_err(ListFileError::Sink)?;
            self.numbers += 1;
            self.times = Some(Times::with(self.times, change.at));
        }
        Ok(())
    }

    /// The current line is bad. Beyond the limit the reading goes on until enough bad lines can be named; a line that
    /// puts the whole file in doubt ends it at once.
    #[cold]
    pub fn reject(&mut self, offset: u64, why: LineError) -> Result<(), ListFileError> {
        let line = self.line;
        let file = self.file();
        let bad = BadLine { file: file.name.clone(), line, offset, why };
        if why.is_fatal() {
            return Err(ListFileError::FatalLine(bad));
        }
        file.bad_count += 1;
        self.bad_count += 1;
        if self.bad_lines.len() < self.max_reported {
            self.bad_lines.push(bad);
        }
        self.failed = self.bad_count > self.max_bad_lines;
        if self.failed && self.bad_count >= self.max_reported as u64 { Err(self.too_many_bad_lines()) } else { Ok(()) }
    }

    #[inline]
    fn is_inside(&self, number: PhoneNumber) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::One(area) => area.contains(number),
            Scope::Declared(declared) => declared.areas.contains(&number.area()),
        }
    }

    pub fn finish(mut self) -> Result<Summary, ListFileError> {
        if self.failed {
            return Err(self.too_many_bad_lines());
        }
        let times = |file: &FileSummary| file.times.into_iter().flat_map(|times| [times.earliest, times.latest]);
        let count = |of: fn(&FileSummary) -> u64| self.files.iter().map(of).sum();
        Ok(Summary {
            declared: Declared::of_all(self.files.iter().map(|file| &file.declared)),
            kind: self.kind.unwrap_or(ListKind::Full),
            numbers: count(|file| file.numbers),
            times: self.files.iter().flat_map(times).fold(None, |all, at| Some(Times::with(all, at))),
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
