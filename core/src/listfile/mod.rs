//! Reading list files: whatever form a Do-Not-Call list comes in, its numbers come out one by one.
//!
//! A list that is read wrongly is a list of numbers that get called. So this room refuses rather than guesses: a file
//! that ends too early, a line that is no number, a number outside the area that the file says it is for, a change
//! that does something unknown, an ambiguous header. What it reports names lines, never their content.
//!
//! It never opens files, never keeps more than a buffer of them in memory, and never infers which areas a list covers
//! from the numbers in it: coverage is what a file's name and tags declare ([`Declared`]).
//!
//! [`read`] below is the way in, and [`preview()`] the way to look first. From there: `archive.rs` unpacks zips,
//! `detect.rs` tells the format, `text.rs`, `change.rs`, `csv.rs`, `xml.rs` and `mapped.rs` each read one, `field.rs`
//! and `time.rs` turn digits into numbers and times, `tally.rs` counts and judges, `input.rs` holds the buffer and the
//! limits. [`Changes`] puts the items of change lists in order.

mod archive;
mod change;
mod changes;
mod csv;
mod detect;
mod entry;
mod error;
mod field;
mod input;
mod mapped;
mod mapping;
mod name;
mod options;
mod pattern;
mod preview;
mod split;
mod summary;
mod tally;
mod text;
mod time;
mod xml;

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

pub use changes::{AmbiguousChange, BlockChange, Changes, Settled, TooManyChanges};
pub use entry::{Action, Entry, ListChange, ListKind};
pub use error::{LineError, ListFileError, SinkError};
pub use mapping::{
    ActionColumn, BadMapping, Columns, Layout, Mapping, NumberColumns, Position, TimeColumn, TimeFormat,
};
pub use name::{Declared, declared_by_name};
pub use options::{Format, Options, UnknownFormatName};
pub use preview::{FilePreview, Preview, preview};
pub use summary::{BadLine, FileSummary, Summary, Times};

use input::{Budget, Input, ReadSeek, Tracked};
use tally::{Sink, Tally};

/// Reads a list file, or a zip of them, from its beginning, and hands every number, or every change, to `sink`.
///
/// `name` is the file's own name: it may declare the list's area and date, and stands in reports. `progress` is told
/// how far into `input` reading has come, in bytes of the file as it is (compressed, if it is a zip).
///
/// Entries reach `sink` while later lines are still unread. **Until this returns `Ok`, what the sink got is not the
/// list**: the caller throws it away on any error. Numbers that a file repeats come repeatedly, and changes in the
/// order of the file, which need not be that of their times. All entries are of [`Summary::kind`].
pub fn read<R, E>(
    name: &str,
    mut input: R,
    options: &Options,
    sink: &mut dyn FnMut(Entry) -> Result<(), E>,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, ListFileError>
where
    R: Read + Seek,
    E: Into<SinkError>,
{
    let name = name::printable_name(name);
    let mut sink = Sink(sink);
    let tally = Tally::new(options, &mut sink);
    read_any(&name, &mut input, options, tally, progress)
}

fn read_any(
    name: &str,
    input: &mut dyn ReadSeek,
    options: &Options,
    mut tally: Tally<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, ListFileError> {
    let (length, magic) = measure(input).map_err(|source| ListFileError::read(name, source))?;
    let position = Cell::new(0);
    let mut source = Tracked::new(input, &position);
    if archive::is_zip(&magic) {
        let mut budget = Budget::for_archive(options, length, &position, progress);
        let skipped = archive::each(name, length, &mut source, options, &mut |file, outer, source| {
            read_file(file, outer, source, options, &mut budget, &mut tally)
        })?;
        tally.skip(skipped);
    } else {
        let mut budget = Budget::for_plain(options, &position, progress);
        read_file(name, &Declared::default(), &mut source, options, &mut budget, &mut tally)?;
    }
    tally.finish()
}

/// Reads one list that is not packed. `outer` is what the archive around it declares.
fn read_file(
    name: &str,
    outer: &Declared,
    source: &mut dyn Read,
    options: &Options,
    budget: &mut Budget<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), ListFileError> {
    let mut input = Input::new(name, source, options, budget);
    input.fill()?;
    input.skip_byte_order_mark();
    if archive::is_zip(input.window()) {
        return Err(ListFileError::NestedArchive { file: name.into() });
    }
    let declared = declared_by_name(name).within(outer, name)?;
    if let Some(mapping) = options.mapping()? {
        tally.begin(name, declared, Format::Mapped, mapping.kind())?;
        mapped::read(&mut input, options, mapping, tally)?;
        return tally.end();
    }
    let format = match options.format {
        Some(format) => format,
        None => detect::format_of(name, input.window(), input.is_at_end(), input.limit(), options)?,
    };
    let kind = if format == Format::Change { ListKind::Changes } else { ListKind::Full };
    tally.begin(name, declared, format, kind)?;
    match format {
        Format::FtcFlat | Format::Digits => text::read(&mut input, options, tally)?,
        Format::Csv => csv::read(&mut input, options, tally)?,
        Format::Xml => xml::read(&mut input, options, tally)?,
        Format::Change => change::read(&mut input, options, tally)?,
        Format::Mapped => return Err(ListFileError::MappingAndFormat(format)),
    }
    tally.end()
}

/// The length of the input and its first bytes; leaves it at its beginning.
fn measure(input: &mut dyn ReadSeek) -> io::Result<(u64, [u8; 4])> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(0))?;
    let mut magic = [0; 4];
    if length >= 4 {
        input.read_exact(&mut magic)?;
        input.seek(SeekFrom::Start(0))?;
    }
    Ok((length, magic))
}
