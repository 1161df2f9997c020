//! What the checker found.

use std::fmt;
use std::time::Duration;

use super::event::{Event, Operation, Outcome};

/// How many violations a report prints in full; the rest is counted.
const PRINTED: usize = 20;

/// What kind of promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// CLEAR against a list, or against a suppression that was acknowledged before the check began.
    FalseClear,
    /// An acknowledged suppression that was never released does not list its number at the end.
    Lost,
    /// A check that ended in an error, too late, in UNKNOWN unavailable, or in a wrong verdict.
    FailedCheck,
    /// One bulk check was answered by more than one revision of the catalog.
    TwoRevisions,
    /// LISTED, though no list and no suppression ever named the number, or all of them are long released.
    WrongListed,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub kind: Kind,
    /// The check that shows it.
    pub check: Event,
    /// What would have been right, and why.
    pub why: String,
}

/// What a history is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks, those of the final sweep included.
    pub checks: usize,
    /// Checks that ended in LISTED.
    pub listed: usize,
    /// Suppressions acknowledged.
    pub suppressed: usize,
    /// Releases acknowledged.
    pub released: usize,
    /// Writes refused.
    pub refused: usize,
    /// Writes of which the caller does not know what became.
    pub unknown: usize,
    /// The longest time that a check's caller waited.
    pub slowest_check: Duration,
}

/// What the checker found in a history.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What it is made of.
    pub counts: Counts,
    /// Broken promises, in the order in which they were seen.
    pub violations: Vec<Violation>,
}

// === impl Counts ===

impl Counts {
    pub(super) fn add(&mut self, event: &Event) {
        match &event.operation {
            Operation::Check(answer) => {
                self.checks += 1;
                self.listed += usize::from(*answer == Ok(dnc_core::verdict::Verdict::Listed));
                self.slowest_check = self.slowest_check.max(event.took());
            }
            Operation::Suppress(Outcome::Acknowledged) => self.suppressed += 1,
            Operation::Release(Outcome::Acknowledged) => self.released += 1,
            Operation::Suppress(Outcome::Refused) | Operation::Release(Outcome::Refused) => {
                self.refused += 1;
            }
            Operation::Suppress(Outcome::Unknown) | Operation::Release(Outcome::Unknown) => {
                self.unknown += 1;
            }
        }
    }
}

// === impl Report ===

impl Report {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many violations there are of one kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|v| v.kind == kind).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} checks ({} listed, slowest {:.0} ms), {} suppressions and {} releases acknowledged, {} writes refused, {} of unknown outcome",
            counts.checks,
            counts.listed,
            counts.slowest_check.as_secs_f64() * 1_000.0,
            counts.suppressed,
            counts.released,
            counts.refused,
            counts.unknown,
        )?;
        write!(
            f,
            "{} failed checks, {} false clears, {} lost, {} wrongly listed",
            self.count(Kind::FailedCheck),
            self.count(Kind::FalseClear),
            self.count(Kind::Lost),
            self.count(Kind::WrongListed),
        )?;
        for violation in self.violations.iter().take(PRINTED) {
            write!(f, "\n  {violation}")?;
        }
        if self.violations.len() > PRINTED {
            write!(f, "\n  and {} more", self.violations.len() - PRINTED)?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    // Numbers in tests are made up, so they are printed in clear here, and here only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::FalseClear => "FALSE CLEAR",
            Kind::Lost => "LOST",
            Kind::FailedCheck => "FAILED CHECK",
            Kind::TwoRevisions => "TWO REVISIONS",
            Kind::WrongListed => "WRONGLY LISTED",
        };
        write!(
            f,
            "{kind}: client {} checked {} from {} to {}: ",
            self.check.client, self.check.number, self.check.started, self.check.ended
        )?;
        match &self.check.operation {
            Operation::Check(Ok(verdict)) => write!(f, "{verdict:?}")?,
            Operation::Check(Err(error)) => write!(f, "error: {error}")?,
            other => write!(f, "{other:?}")?,
        }
        write!(f, "; {}", self.why)
    }
}
