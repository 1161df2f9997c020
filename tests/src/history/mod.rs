//! What callers saw of a cluster, and whether it may be so.
//!
//! A history is a list of operations, each with the moments at which its caller began and ended it,
//! and what the caller was told. Nothing in this room talks to a cluster or reads a clock: the
//! checker is a pure function, so that it can itself be tested with planted mistakes. Start at
//! [`Event`] for what is recorded and at [`check`] for what must hold.

mod checker;
mod event;
#[cfg(test)]
mod model;
mod report;
#[cfg(test)]
mod tests;

pub use self::checker::check;
pub use self::event::{Event, Moment, Operation, Outcome, TWO_REVISIONS, World};
pub use self::report::{Counts, Kind, Report, Violation};
