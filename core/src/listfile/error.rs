//! Why a line is bad, and why a file is refused. No message repeats what stands in a line.

use std::fmt::Write;
use std::io;

use serde::{Deserialize, Serialize};

use super::{BadLine, BadMapping, Format};

/// Whatever the receiver of the numbers failed with.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why a line (or a tag) gives no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LineError {
    /// A byte 0, as after a crash of the machine that wrote the file.
    #[error("a NUL byte")]
    NulByte,
    /// Bytes that are no text.
    #[error("not UTF-8")]
    NotUtf8,
    /// Something other than digits where digits belong.
    #[error("not a number")]
    NotDigits,
    /// Too short to be a number.
    #[error("too few digits")]
    TooFewDigits,
    /// Too long to be a number.
    #[error("too many digits")]
    TooManyDigits,
    /// The last line has no line end and is shorter than the one before it.
    #[error("the last line may be cut off: it is shorter than the one before it and has no line end")]
    CutOff,
    /// National digits of a country whose numbers have no known length.
    #[error("a plus sign and a country code are needed: the length of national numbers is not known")]
    CountryMissing,
    /// No country code begins with 0.
    #[error("a country code cannot begin with 0")]
    CountryCode,
    /// A 0 in front of the national number, which is not part of it.
    #[error("a trunk prefix 0 in front of the number")]
    TrunkPrefix,
    /// More or fewer columns than the format has.
    #[error("not the expected columns")]
    Columns,
    /// The column of the number is empty.
    #[error("no number in the number's column")]
    Missing,
    /// A quoted field without its closing quote on the same line: the numbers of the following lines would vanish in
    /// it.
    #[error("a quoted field does not end on its line")]
    OpenQuote,
    /// A carriage return within a line.
    #[error("a carriage return within the line")]
    CarriageReturn,
    /// The number lies outside the area that the file declares.
    #[error("a number outside the area that the file is for")]
    OutsideArea,
    /// A tag that is not closed before the next one, or whose attributes cannot be read.
    #[error("a malformed tag")]
    MalformedTag,
    /// A tag that lists do not have.
    #[error("an unknown tag")]
    UnknownTag,
    /// Text between tags.
    #[error("text between tags")]
    TextBetweenTags,
    /// A tag for an area that does not hold an area code.
    #[error("not an area code")]
    AreaCode,
    /// Seven digits outside any area.
    #[error("a local number outside any area")]
    NoArea,
    /// A change that is neither an addition nor a deletion. It puts the whole file in doubt: it may say what later lines
    /// take for granted.
    #[error("an unknown action: the whole file is refused")]
    UnknownAction,
    /// A line in front of the list, which the mapping skips, looks like the lines of the list.
    #[error("a line that is skipped holds a number: the whole file is refused")]
    SkippedNumber,
    /// What should be a time cannot be read as one, or is none that a list can know of.
    #[error("not a time")]
    Time,
    /// Days, times of day and times with a zone next to each other: their order would be a guess.
    #[error("a time that tells more or less than those before it")]
    TimeForm,
    /// Bytes outside ASCII in front of a column that has its place in bytes.
    #[error("not ASCII: columns of fixed width cannot be counted")]
    NotAscii,
    /// What should be a country's calling code is none.
    #[error("not a country's calling code")]
    Country,
    /// The number begins with the code of another country than its line names.
    #[error("a number of another country than the line names")]
    OtherCountry,
}

/// Why a list file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ListFileError {
    /// The input failed, or an archive's content does not match its checksum.
    #[error("read {file}")]
    Read {
        /// The file's name.
        file: String,
        /// What failed.
        #[source]
        source: io::Error,
    },
    /// The receiver of the numbers refused one.
    #[error("store the numbers")]
    Sink(#[source] SinkError),
    /// None of the known forms.
    #[error(
        "{file}: unknown format; looked for `NPA,7digits` lines, lines of digits, changes, XML with <list>, <ac> and <ph> tags, \
         and a CSV header with a column phone, phone_number, number, telephone or mobile"
    )]
    UnknownFormat {
        /// The file's name.
        file: String,
    },
    /// A list of additions and deletions whose layout is not known.
    #[error(
        "{file}: a change list in a layout that is not known; lines of `number,time,A|D` are, for others use a mapping"
    )]
    ChangeList {
        /// The file's name.
        file: String,
    },
    /// A line for which no limit on bad lines makes up.
    #[error("{0}")]
    FatalLine(BadLine),
    /// A full list and a change list in one archive.
    #[error("{file}: full lists and change lists in one archive")]
    MixedKinds {
        /// The first file that differs.
        file: String,
    },
    /// The mapping cannot be used.
    #[error("the mapping cannot be used")]
    Mapping(#[from] BadMapping),
    /// The mapped format without a mapping, or a mapping together with another format.
    #[error("format {0}: a mapping goes with the format mapped, and with no other")]
    MappingAndFormat(Format),
    /// The mapping has no column for times, and nothing else says when the changes happened.
    #[error("{file}: its changes have no times, and neither its name nor the caller says of when the list is")]
    ChangeTime {
        /// The file's name.
        file: String,
    },
    /// Too many lines gave no number.
    #[error("{count} or more bad lines where {max} are allowed: {}", list(.first))]
    TooManyBadLines {
        /// Bad lines seen before reading stopped.
        count: u64,
        /// Bad lines allowed.
        max: u64,
        /// The first of them.
        first: Vec<BadLine>,
    },
    /// A list of nobody.
    #[error("{file}: no numbers")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// The file ends within a tag or before its list does.
    #[error("{file}: ends before its list does")]
    CutOff {
        /// The file's name.
        file: String,
    },
    /// A line or tag beyond the limit.
    #[error("{file}: line {line} is longer than {max} bytes")]
    LineTooLong {
        /// The file's name.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The limit in bytes.
        max: usize,
    },
    /// More bytes than allowed.
    #[error("{file}: more than {max} bytes")]
    TooLarge {
        /// The file's name.
        file: String,
        /// The limit in bytes.
        max: u64,
    },
    /// An archive that unpacks to far more than lists do.
    #[error("{file}: unpacks to more than {max} times the size of its archive")]
    Bomb {
        /// The file's name.
        file: String,
        /// The limit.
        max: u64,
    },
    /// More files in an archive than allowed.
    #[error("{file}: more than {max} files in the archive")]
    TooManyFiles {
        /// The archive's name.
        file: String,
        /// The limit.
        max: usize,
    },
    /// An archive within an archive.
    #[error("{file}: an archive within an archive")]
    NestedArchive {
        /// The inner archive's name.
        file: String,
    },
    /// A file that needs a password.
    #[error("{file}: encrypted")]
    Encrypted {
        /// The file's name.
        file: String,
    },
    /// The archive is cut off or damaged, or not made the way archives are.
    #[error("{file}: {why}")]
    BrokenArchive {
        /// The archive's name.
        file: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The archive cannot be unpacked.
    #[error("unpack {file}")]
    Unpack {
        /// The archive's name.
        file: String,
        /// What failed.
        #[source]
        source: zip::result::ZipError,
    },
    /// Name, archive and tags declare different areas.
    #[error("{file}: declared for different areas by its name, its archive or its tags")]
    Conflict {
        /// The file's name.
        file: String,
    },
    /// No column, or more than one, that could hold the number.
    #[error("{file}: {found} columns of the header could hold the number; name the one that does")]
    Column {
        /// The file's name.
        file: String,
        /// How many could.
        found: usize,
    },
    /// A default country that does not exist, or impossible national digits.
    #[error("the default country has no such numbers")]
    DefaultCountry,
}

// === impl LineError ===

impl LineError {
    /// Whether such a line refuses its file, however many bad lines are allowed.
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::UnknownAction | Self::SkippedNumber)
    }
}

// === impl ListFileError ===

impl ListFileError {
    pub(super) fn read(file: &str, source: io::Error) -> Self {
        Self::Read { file: file.into(), source }
    }
}

/// Bad lines as one line of text.
fn list(bad_lines: &[BadLine]) -> String {
    let mut text = String::new();
    for bad in bad_lines {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{bad}");
    }
    text
}
