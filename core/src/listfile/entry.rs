//! What a list file is made of: numbers, or changes to them.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::number::PhoneNumber;

/// One item of a list file. A file holds items of one kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A full list: this number is on it.
    Number(PhoneNumber),
    /// A change list: this number came on the list, or went off it.
    Change(ListChange),
}

/// One line of a change list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChange {
    /// The number that changes.
    pub number: PhoneNumber,
    /// When, in UTC. A date without a time of day is its midnight; a time that names no zone counts as UTC.
    pub at: DateTime,
    /// What happens to it.
    pub action: Action,
}

/// What a change does to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The number comes on the list.
    Add,
    /// The number goes off the list.
    Delete,
}

/// What the items of a file say about the numbers that are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// All numbers: one that is missing is not on the list.
    Full,
    /// Changes to the list before: one that is missing stays as it was.
    Changes,
}

// === impl Entry ===

impl Entry {
    /// The number that this item is about.
    pub const fn number(self) -> PhoneNumber {
        match self {
            Self::Number(number) => number,
            Self::Change(change) => change.number,
        }
    }
}

// === impl ListKind ===

impl ListKind {
    /// The name used in configuration and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Changes => "changes",
        }
    }
}
