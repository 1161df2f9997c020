//! A look at the beginning of a list file: what a load would make of it, before anything is loaded.
//!
//! Whatever the size of the file, this reads its beginning only. So it promises less than a reading: later lines may
//! be bad, later files of an archive too, and what tags declare may be declared further on.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read, Seek};

use super::input::{Budget, ReadSeek, Tracked, buffer_bytes};
use super::tally::{Sink, Tally};
use super::{
    BadLine, Declared, Entry, Format, ListFileError, ListKind, Options, SinkError, archive, measure, name, read_file,
};

/// No caller gets more entries than this of one file.
const MAX_ROWS: usize = 1_000;
/// Files of an archive that are looked into.
const MAX_FILES: usize = 5;
/// How far a file is read, unless its lines may be longer.
const MAX_BYTES: u64 = 1 << 20;
/// Bad lines that are named.
const MAX_BAD_LINES: usize = 100;

/// What the beginning of a list file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The list, or the first lists of an archive.
    pub files: Vec<FilePreview>,
    /// All lists of the archive; 1, if it is none.
    pub total_files: usize,
    /// Files of the archive that are no lists by their names alone.
    pub skipped: Vec<String>,
    /// Bad lines met on the way, of all files, as many as [`Options::max_reported`] says (100 at most). A reading may
    /// refuse what a preview shows.
    pub bad_lines: Vec<BadLine>,
}

/// What the beginning of one list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePreview {
    /// Its name, within the archive if it came in one.
    pub name: String,
    /// The format that it was read in.
    pub format: Format,
    /// Whether it is a full list or its changes.
    pub kind: ListKind,
    /// What its name, the archive's name and its first tags declare.
    pub declared: Declared,
    /// Its header as it stands there: of a table, or the first line that a mapping skips.
    pub header: Option<String>,
    /// Its first numbers or changes.
    pub entries: Vec<Entry>,
    /// Whether it was read to its end, so that there are no more entries.
    pub is_whole: bool,
}

/// Ends the reading of a file that has shown enough.
#[derive(Debug)]
struct Enough;

/// The beginning of a source, and then [`Enough`].
struct Beginning<'a> {
    source: &'a mut dyn Read,
    left: u64,
}

/// Reads the beginning of a list file, or of the first files of an archive, as [`super::read`] would read it, and
/// gives up to `rows` (1,000 at most) entries of each. Bad lines are reported rather than counted against a limit.
pub fn preview<R: Read + Seek>(
    name: &str,
    mut input: R,
    options: &Options,
    rows: usize,
) -> Result<Preview, ListFileError> {
    preview_any(&name::printable_name(name), &mut input, options, rows.min(MAX_ROWS))
}

fn preview_any(name: &str, input: &mut dyn ReadSeek, options: &Options, rows: usize) -> Result<Preview, ListFileError> {
    let allow_empty = options.allow_empty;
    let options = &Options {
        max_bad_lines: u64::MAX,
        max_reported: options.max_reported.min(MAX_BAD_LINES),
        allow_empty: true,
        ..options.clone()
    };
    let entries = RefCell::new(Vec::new());
    let mut sink = |entry| -> Result<(), SinkError> {
        let mut entries = entries.borrow_mut();
        if entries.len() < rows {
            entries.push(entry);
        }
        if entries.len() < rows { Ok(()) } else { Err(Enough.into()) }
    };
    let mut sink = Sink(&mut sink);
    let mut tally = Tally::new(options, &mut sink);
    let (length, magic) = measure(input).map_err(|source| ListFileError::read(name, source))?;
    let position = Cell::new(0);
    let mut source = Tracked::new(input, &position);
    let mut preview = Preview { files: Vec::new(), total_files: 0, skipped: Vec::new(), bad_lines: Vec::new() };
    let mut ignore = |_| {};
    let is_zip = archive::is_zip(&magic);
    let mut budget = match is_zip {
        true => Budget::for_archive(options, length, &position, &mut ignore),
        false => Budget::for_plain(options, &position, &mut ignore),
    };
    let mut visit = |file: &str, outer: &Declared, source: &mut dyn Read| {
        preview.total_files += 1;
        if preview.total_files > MAX_FILES {
            return Ok(());
        }
        let mut source = Beginning::new(source, options);
        let is_whole = match read_file(file, outer, &mut source, options, &mut budget, &mut tally) {
            Ok(()) => true,
            Err(error) if is_enough(&error) => false,
            Err(error) => return Err(error),
        };
        let entries = entries.take();
        let (file, header) = tally.current().expect("a file that was read at all has begun");
        if is_whole && entries.is_empty() && file.bad_count == 0 && !allow_empty {
            return Err(ListFileError::Empty { file: file.name.clone() });
        }
        preview.files.push(FilePreview {
            name: file.name.clone(),
            format: file.format,
            kind: file.kind,
            declared: file.declared.clone(),
            header: header.map(str::to_owned),
            entries,
            is_whole,
        });
        Ok(())
    };
    if is_zip {
        let skipped = archive::each(name, length, &mut source, options, &mut visit)?;
        preview.skipped = skipped;
    } else {
        visit(name, &Declared::default(), &mut source)?;
    }
    preview.bad_lines = tally.bad_lines().to_vec();
    Ok(preview)
}

fn is_enough(error: &ListFileError) -> bool {
    match error {
        ListFileError::Sink(source) => source.is::<Enough>(),
        ListFileError::Read { source, .. } => source.get_ref().is_some_and(|source| source.is::<Enough>()),
        _ => false,
    }
}

// === impl Beginning ===

impl<'a> Beginning<'a> {
    fn new(source: &'a mut dyn Read, options: &Options) -> Self {
        // Two buffers: a reader looks at its lines when the first is full.
        Self { source, left: MAX_BYTES.max(2 * buffer_bytes(options) as u64) }
    }
}

impl Read for Beginning<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(Enough));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.source.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("enough was read")
    }
}

impl std::error::Error for Enough {}
