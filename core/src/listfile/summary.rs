//! What a reading found out.

use std::fmt;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{Declared, Format, LineError, ListKind};

/// The result of reading a list file or an archive of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Each list file, in the order read; one, unless it was an archive.
    pub files: Vec<FileSummary>,
    /// Files of the archive that are no lists by their name alone: what a Mac adds next to the real ones.
    pub skipped: Vec<String>,
    /// The areas that the files declare, together, and the date of the oldest of them (none, if any lacks it).
    pub declared: Declared,
    /// What the files are; all are the same.
    pub kind: ListKind,
    /// Numbers, or changes, handed to the sink, repeated ones counted each time.
    pub numbers: u64,
    /// The times of the changes; none in full lists.
    pub times: Option<Times>,
    /// Lines read.
    pub lines: u64,
    /// The first bad lines.
    pub bad_lines: Vec<BadLine>,
    /// All bad lines.
    pub bad_count: u64,
}

/// One list file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// Its name, within the archive if it came in one.
    pub name: String,
    /// The format that it was read in.
    pub format: Format,
    /// Whether it is a full list or its changes.
    pub kind: ListKind,
    /// What its name, its tags and the archive's name declare.
    pub declared: Declared,
    /// Numbers, or changes, handed to the sink, repeated ones counted each time.
    pub numbers: u64,
    /// The times of the changes; none in a full list.
    pub times: Option<Times>,
    /// Lines read.
    pub lines: u64,
    /// Bad lines among them.
    pub bad_count: u64,
}

/// When the changes of a list happened, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The first of them.
    pub earliest: DateTime,
    /// The last of them.
    pub latest: DateTime,
}

/// A line that gave no number, or one that does not belong in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// The file's name.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// Where the line or tag begins, in bytes from the start of the (unpacked) file: an XML file can be one long line.
    pub offset: u64,
    /// What is wrong with it.
    pub why: LineError,
}

// === impl Times ===

impl Times {
    /// Takes one more change into account.
    pub(super) fn with(times: Option<Self>, at: DateTime) -> Self {
        let Self { earliest, latest } = times.unwrap_or(Self { earliest: at, latest: at });
        Self { earliest: earliest.min(at), latest: latest.max(at) }
    }
}

// === impl BadLine ===

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.file, self.line, self.why)
    }
}

// === impl Summary ===

impl Summary {
    /// The format, if all files have the same.
    pub fn format(&self) -> Option<Format> {
        let first = self.files.first()?.format;
        self.files.iter().all(|file| file.format == first).then_some(first)
    }
}
