//! How to read a list whose layout is its own: which columns mean what.
//!
//! States and other countries publish lists in layouts that no header explains, so a registry's layout is data: an
//! operator writes it once, and [`Mapping::check`] says at once what is wrong with it. `mapped.rs` reads by it.
//!
//! Mappings are stored in the catalog and sent as JSON, so every field is always written, and every enum names its
//! variant.

use serde::{Deserialize, Serialize};

use super::ListKind;
use super::pattern::Pattern;
use super::split::MAX_COLUMNS;

const MAX_WORDS: usize = 32;
const MAX_WORD_BYTES: usize = 64;

/// The layout of a list and the meaning of its columns.
///
/// ```json
/// {
///   "layout": {"delimited": {"delimiter": "|", "quoted": false}},
///   "skip_lines": 1,
///   "columns": {
///     "number": {"parts": {"area_code": {"column": 2}, "local": {"column": 3}}},
///     "time": {"at": {"column": 5}, "format": {"pattern": "%m/%d/%Y"}},
///     "action": {"at": {"column": 1}, "add": ["ADD"], "delete": ["DEL"]}
///   }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// How a line falls into columns.
    pub layout: Layout,
    /// Lines in front of the list, such as a header. A list whose skipped lines hold a number is refused.
    #[serde(default)]
    pub skip_lines: u16,
    /// What the columns mean.
    pub columns: Columns,
}

/// How a line falls into columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layout {
    /// One character stands between columns. All lines have the same number of them.
    Delimited {
        /// That character, as ASCII; written as a text of one character.
        #[serde(with = "as_char")]
        delimiter: u8,
        /// Whether columns may be in double quotes, with the delimiter and doubled quotes within them.
        quoted: bool,
    },
    /// Each column has its place in the line, counted in bytes.
    FixedWidth,
}

/// What the columns mean. With an action the list is a change list, without one a full list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The number.
    pub number: NumberColumns,
    /// The calling code of the number's country, such as `65` or `+65`.
    pub country: Option<Position>,
    /// The time of the change; in a full list it is only checked. A change list without it takes its own date.
    pub time: Option<TimeColumn>,
    /// What happens to the number.
    pub action: Option<ActionColumn>,
}

/// Where the number stands. Spaces, dots, hyphens, slashes and parentheses may stand between its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NumberColumns {
    /// In one column.
    Whole(Position),
    /// In two, the second of which follows the first.
    Parts {
        /// The area code.
        area_code: Position,
        /// The digits behind it.
        local: Position,
    },
}

/// The time of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    /// Where it stands.
    pub at: Position,
    /// How it is written.
    pub format: TimeFormat,
}

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeFormat {
    /// `2026-08-29`, `20260829`, `2026-08-29T08:00:00`, with or without a zone: as in the national change list.
    Iso,
    /// `%Y %y %m %b %d %H %I %p %M %S %f %z %%` as in `strptime`, and what stands between them.
    Pattern(String),
}

/// What a line does to its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionColumn {
    /// Where it stands.
    pub at: Position,
    /// The words that put the number on the list, in any case. Any other word refuses the file.
    pub add: Vec<String>,
    /// The words that take it off.
    pub delete: Vec<String>,
}

/// The place of a column in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Position {
    /// In a delimited layout, counted from 1.
    Column(u16),
    /// In a fixed-width layout.
    Span {
        /// Its first byte, counted from 1.
        start: u16,
        /// Its length in bytes.
        length: u16,
    },
}

/// Why a mapping cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMapping {
    /// A delimiter that could be part of a column.
    #[error("the delimiter is no ASCII punctuation, space or tab, or it is a quote or a plus sign")]
    Delimiter,
    /// A span in a delimited layout, or a column in one of fixed width.
    #[error("a delimited layout takes columns, one of fixed width takes spans")]
    Layout,
    /// A column or span that no line has.
    #[error("columns count from 1 to {MAX_COLUMNS}, and a span has a start of at least 1 and a length")]
    Position,
    /// Two meanings for one place.
    #[error("two columns have the same place")]
    Overlap,
    /// Words that do not tell additions from deletions.
    #[error("the words for add and delete are none, too many, too long, repeated, empty, or have spaces around them")]
    Words,
    /// A form of times that does not make a time.
    #[error("the pattern of times cannot be used: {0}")]
    TimePattern(&'static str),
}

// === impl Mapping ===

impl Mapping {
    /// Whether lists can be read by this mapping.
    pub fn check(&self) -> Result<(), BadMapping> {
        if let Layout::Delimited { delimiter, .. } = self.layout {
            let usual = delimiter.is_ascii_punctuation() || matches!(delimiter, b' ' | b'\t' | 0x1c..=0x1f);
            if !usual || matches!(delimiter, b'"' | b'+') {
                return Err(BadMapping::Delimiter);
            }
        }
        let positions = self.columns.positions();
        for (at, position) in positions.iter().enumerate() {
            let range = position.range_in(self.layout)?;
            let others = positions[..at].iter().map(|other| other.range_in(self.layout));
            for other in others {
                let other = other?;
                if range.start < other.end && other.start < range.end {
                    return Err(BadMapping::Overlap);
                }
            }
        }
        if let Some(action) = &self.columns.action {
            action.check()?;
        }
        match self.columns.time.as_ref().map(|time| &time.format) {
            Some(TimeFormat::Pattern(text)) => Pattern::new(text).map(drop).map_err(BadMapping::TimePattern),
            Some(TimeFormat::Iso) | None => Ok(()),
        }
    }

    /// What lists of this layout are.
    pub const fn kind(&self) -> ListKind {
        if self.columns.action.is_some() { ListKind::Changes } else { ListKind::Full }
    }

    /// Where in a line the last column ends that means something: in bytes for fixed widths, else in columns.
    pub(super) fn reach(&self) -> usize {
        let ranges = self.columns.positions().into_iter().filter_map(|position| position.range_in(self.layout).ok());
        ranges.map(|range| range.end).max().unwrap_or(0)
    }
}

impl Columns {
    fn positions(&self) -> Vec<Position> {
        let mut positions = match self.number {
            NumberColumns::Whole(at) => vec![at],
            NumberColumns::Parts { area_code, local } => vec![area_code, local],
        };
        positions.extend(self.country);
        positions.extend(self.time.as_ref().map(|time| time.at));
        positions.extend(self.action.as_ref().map(|action| action.at));
        positions
    }
}

impl Position {
    /// The bytes or columns that it covers, counted from 0.
    fn range_in(self, layout: Layout) -> Result<std::ops::Range<usize>, BadMapping> {
        match (layout, self) {
            (Layout::Delimited { .. }, Self::Column(column)) => match usize::from(column) {
                column @ 1..=MAX_COLUMNS => Ok(column - 1..column),
                _ => Err(BadMapping::Position),
            },
            (Layout::FixedWidth, Self::Span { start: 1.., length: 1.. }) => Ok(self.bytes()),
            (Layout::FixedWidth, Self::Span { .. }) => Err(BadMapping::Position),
            _ => Err(BadMapping::Layout),
        }
    }

    /// The bytes of a span, counted from 0; none of a column.
    pub(super) fn bytes(self) -> std::ops::Range<usize> {
        match self {
            Self::Span { start, length } => {
                let start = usize::from(start).saturating_sub(1);
                start..start + usize::from(length)
            }
            Self::Column(_) => 0..0,
        }
    }
}

impl ActionColumn {
    fn check(&self) -> Result<(), BadMapping> {
        let words: Vec<&String> = self.add.iter().chain(&self.delete).collect();
        let usable = |word: &str| (1..=MAX_WORD_BYTES).contains(&word.len()) && word.trim() == word;
        let repeated =
            |at: usize| words[..at].iter().any(|other: &&String| other.eq_ignore_ascii_case(words[at].as_str()));
        let counted = (1..=MAX_WORDS).contains(&words.len());
        let good = counted && (0..words.len()).all(|at| usable(words[at]) && !repeated(at));
        if good { Ok(()) } else { Err(BadMapping::Words) }
    }
}

/// A delimiter reads better as a character than as its code.
mod as_char {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(byte: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        char::from(*byte).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let delimiter = char::deserialize(deserializer)?;
        u8::try_from(delimiter).map_err(|_| de::Error::custom("a delimiter is one ASCII character"))
    }
}
