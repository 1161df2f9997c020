//! What is recorded of each operation.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use dnc_core::area::Area;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::Verdict;

/// A moment of the history: nanoseconds since it began, by one monotonic clock for all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// One operation as its caller saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which client.
    pub client: u32,
    /// The number that it is about.
    pub number: PhoneNumber,
    /// When the caller began it.
    pub started: Moment,
    /// When the caller knew, or gave up.
    pub ended: Moment,
    /// What it was, and what came of it.
    pub operation: Operation,
}

/// What a check of a bulk ends in that was answered by more than one revision of the catalog.
pub const TWO_REVISIONS: &str = "one bulk was judged by several revisions";

/// An operation and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A check, and its verdict, or the error that it ended in.
    Check(Result<Verdict, String>),
    /// A number was to be suppressed.
    Suppress(Outcome),
    /// All suppressions of a number were to be released.
    Release(Outcome),
}

/// What became of a write, as far as its caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: it took effect between its start and its end.
    Acknowledged,
    /// Not done, and never will be.
    Refused,
    /// It may have taken effect, may still do so at any later time, or never.
    Unknown,
}

/// The truth that no operation of the history changes.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Numbers on the lists that were imported before the history began.
    pub listed: BTreeSet<PhoneNumber>,
    /// Areas that those lists cover.
    pub covered: BTreeSet<Area>,
}

// === impl Moment ===

impl Moment {
    /// How long after an earlier moment; zero if it was not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", Duration::from_nanos(self.0).as_secs_f64())
    }
}

// === impl Event ===

impl Event {
    /// How long its caller waited.
    pub fn took(&self) -> Duration {
        self.ended.since(self.started)
    }
}
