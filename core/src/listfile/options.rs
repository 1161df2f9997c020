//! What a caller may decide about a reading.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{ListFileError, Mapping};

/// The forms that a list file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `NPA,7digits`, one number a line: the national registry's full list.
    FtcFlat,
    /// The digits of one number a line. Lines of this kind and of the one above may stand in one file.
    Digits,
    /// Tags: `<ph val='5550100' />` within `<ac val='416'>` within `<list>`.
    Xml,
    /// Columns under a header, one of which names the phone number.
    Csv,
    /// `10digits,time,A` or `NPA,7digits,time,D`: the national registry's change list.
    Change,
    /// As [`Options::mapping`] says.
    Mapped,
}

/// A text that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown list format: expected ftc_flat, digits, xml, csv, change or mapped")]
pub struct UnknownFormatName;

/// How a list file is read, and the limits on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The format, where it is not to be detected.
    pub format: Option<Format>,
    /// The layout of files that are read by a mapping, and by nothing else.
    pub mapping: Option<Mapping>,
    /// The list's own date, where the files do not declare it: the time of changes that come without one.
    pub list_date: Option<Date>,
    /// The country of numbers that come without one.
    pub default_country: u16,
    /// How many digits a national number of `default_country` has. Known for countries 1, 44, 65 and 91; elsewhere,
    /// without this, numbers need a plus sign and their country code.
    pub national_digits: Option<u8>,
    /// The CSV column that holds the number, by its name in the header, where the usual names do not settle it.
    pub csv_column: Option<String>,
    /// The most bytes to read, unpacked, all files of an archive together.
    pub max_bytes: u64,
    /// The longest line, or tag, in bytes.
    pub max_line_bytes: usize,
    /// How many times its own size an archive may unpack to. Lists of numbers pack about ten to one.
    pub max_ratio: u64,
    /// The most files in an archive.
    pub max_files: usize,
    /// How many bad lines are tolerated; they are reported, and their numbers are missing from the list.
    pub max_bad_lines: u64,
    /// How many bad lines are reported one by one.
    pub max_reported: usize,
    /// Whether a file without numbers is a list (of nobody) rather than an error. An empty file counts as a full list
    /// unless `format` or `mapping` makes it a change list.
    pub allow_empty: bool,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            format: None,
            mapping: None,
            list_date: None,
            default_country: 1,
            national_digits: None,
            csv_column: None,
            max_bytes: 16 << 30,
            max_line_bytes: 16 << 10,
            max_ratio: 200,
            max_files: 1_000,
            max_bad_lines: 0,
            max_reported: 20,
            allow_empty: false,
        }
    }
}

impl Options {
    /// The mapping to read by, if it is to be read by one.
    pub(super) fn mapping(&self) -> Result<Option<&Mapping>, ListFileError> {
        match (&self.mapping, self.format) {
            (Some(mapping), None | Some(Format::Mapped)) => {
                mapping.check()?;
                Ok(Some(mapping))
            }
            (Some(_), Some(format)) => Err(ListFileError::MappingAndFormat(format)),
            (None, Some(Format::Mapped)) => Err(ListFileError::MappingAndFormat(Format::Mapped)),
            (None, _) => Ok(None),
        }
    }
}

// === impl Format ===

impl Format {
    /// The name used in configuration and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FtcFlat => "ftc_flat",
            Self::Digits => "digits",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Change => "change",
            Self::Mapped => "mapped",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormatName;

    fn from_str(text: &str) -> Result<Self, UnknownFormatName> {
        [Self::FtcFlat, Self::Digits, Self::Xml, Self::Csv, Self::Change, Self::Mapped]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or(UnknownFormatName)
    }
}
