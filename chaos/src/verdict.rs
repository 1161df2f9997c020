//! What a run has shown: each promise, how often it was looked at, how often it was broken.
//!
//! A promise that was not looked at is not kept. Only [`Outcome::Held`] ends a run with status 0.

use std::time::Duration;

use dnc_tests::history::{Kind, Report, Violation};
use serde::Serialize;

use crate::errands::Findings;
use crate::figures::{Latency, Window};

/// How long after a fault a check may still fail because of it, where checks may fail: one that has just begun is tried again.
const AFTERMATH: Duration = Duration::from_secs(2);

/// The promise that errands look at.
const BESIDE: &str = "what is acknowledged beside the load holds";

/// How many broken promises are told one by one.
const TOLD: usize = 50;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every promise was looked at and kept.
    Held,
    /// One was broken.
    Broken,
    /// A fault could not be done, or a promise was not looked at: nothing was shown.
    NotTried,
}

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// What must hold.
    pub promise: &'static str,
    /// How often it was looked at.
    pub checked: usize,
    /// How often it did not hold.
    pub broken: usize,
}

/// What was seen of a run, all that a verdict needs.
pub struct Evidence<'a> {
    /// What the checker of histories found.
    pub report: &'a Report,
    /// Checks of the last look at every number.
    pub swept: usize,
    /// Bulk checks.
    pub bulks: usize,
    /// When something was wrong.
    pub windows: &'a [Window],
    /// Whether checks may fail then.
    pub may_fail: bool,
    /// How long each round took to be whole again.
    pub healed: &'a [Duration],
    /// Whether the replicas were equal at the end; nothing if they could not be compared.
    pub equal: Option<bool>,
    /// What was found beside the load, where a scenario has something to do there.
    pub errands: Option<&'a Findings>,
    /// What could not be done.
    pub not_tried: Option<&'a str>,
    /// What did not become whole.
    pub not_healed: Option<&'a str>,
}

/// What a run has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it is not in the promises.
    pub why: Option<String>,
    /// Each promise.
    pub promises: Vec<Promise>,
    /// Checks that failed where the design says that they may.
    pub failed_by_design: usize,
    /// Broken promises one by one, the first of them.
    pub broken: Vec<String>,
}

/// What else is told of a run; nothing of it decides.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Checks, each number of a bulk for itself, those of the last look included.
    pub checks: usize,
    /// Suppressions acknowledged.
    pub suppressed: usize,
    /// Releases acknowledged.
    pub released: usize,
    /// Writes refused.
    pub refused: usize,
    /// Writes of which the caller does not know what became.
    pub unknown: usize,
    /// Checks while something was wrong.
    pub during: Latency,
    /// Checks while nothing was wrong.
    pub undisturbed: Latency,
    /// How long each round took to be whole again once its fault was gone, seconds.
    pub healed_s: Vec<f64>,
    /// The longest time without an acknowledged write, seconds.
    pub longest_without_writes_s: f64,
    /// Live entries at the end.
    pub live_entries: Option<u64>,
}

// === impl Verdict ===

impl Verdict {
    /// Judges.
    pub fn of(evidence: &Evidence<'_>) -> Verdict {
        let counts = evidence.report.counts;
        let (by_design, broken): (Vec<&Violation>, Vec<&Violation>) =
            evidence.report.violations.iter().partition(|violation| evidence.excuses(violation));
        let count = |kind| broken.iter().filter(|violation| violation.kind == kind).count();
        let promise = |promise, checked, broken| Promise { promise, checked, broken };
        // What was found broken was looked at.
        let unhealed = usize::from(evidence.not_healed.is_some());
        let mut promises = vec![
            promise("no acknowledged suppression is lost", evidence.swept, count(Kind::Lost)),
            promise("no false clear", counts.listed, count(Kind::FalseClear)),
            promise("no removal comes back", counts.released, count(Kind::WrongListed)),
            promise("one revision for each bulk", evidence.bulks, count(Kind::TwoRevisions)),
            promise("checks fail only where the design says so", counts.checks, count(Kind::FailedCheck)),
            promise(
                "the replicas are equal at the end",
                usize::from(evidence.equal.is_some()),
                usize::from(evidence.equal == Some(false)),
            ),
            promise("the cluster heals in time", evidence.healed.len() + unhealed, unhealed),
        ];
        promises.extend(evidence.errands.map(|found| promise(BESIDE, found.checked, found.broken)));
        let unseen = promises.iter().find(|promise| promise.checked == 0).map(|promise| promise.promise);
        let outcome = if promises.iter().any(|promise| promise.broken > 0) {
            Outcome::Broken
        } else if evidence.not_tried.is_some() || unseen.is_some() {
            Outcome::NotTried
        } else {
            Outcome::Held
        };
        let why = evidence.not_tried.or(evidence.not_healed).map(String::from);
        let why = why.or_else(|| unseen.map(|promise| format!("not looked at: {promise}")));
        Verdict {
            outcome,
            why,
            promises,
            failed_by_design: by_design.len(),
            broken: evidence
                .errands
                .iter()
                .flat_map(|found| found.told.iter().cloned())
                .chain(broken.iter().map(ToString::to_string))
                .take(TOLD)
                .collect(),
        }
    }
}

// === impl Evidence ===

impl Evidence<'_> {
    fn excuses(&self, violation: &Violation) -> bool {
        let touched = || self.windows.iter().any(|window| window.touches(&violation.check, AFTERMATH));
        self.may_fail && violation.kind == Kind::FailedCheck && touched()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_tests::history::{Counts, Event, Moment, Operation};
    use dnc_tests::numbers::number;

    const S: u64 = 1_000_000_000;
    static HEALED: [Duration; 1] = [Duration::from_secs(1)];
    const WINDOW: Window = Window { from: Moment(10 * S), until: Moment(20 * S) };

    fn violation(kind: Kind, at_s: u64) -> Violation {
        let check = Event {
            client: 1,
            number: number(212, 150),
            started: Moment(at_s * S),
            ended: Moment(at_s * S + 1),
            operation: Operation::Check(Err("nobody".into())),
        };
        Violation { kind, check, why: "so".into() }
    }

    fn report(violations: Vec<Violation>) -> Report {
        let counts = Counts { checks: 100, listed: 50, suppressed: 20, released: 10, ..Counts::default() };
        Report { counts, violations }
    }

    fn evidence(report: &Report) -> Evidence<'_> {
        Evidence {
            report,
            swept: 100,
            bulks: 10,
            windows: &[WINDOW],
            may_fail: false,
            healed: &HEALED,
            equal: Some(true),
            errands: None,
            not_tried: None,
            not_healed: None,
        }
    }

    #[test]
    fn all_promises_looked_at_and_kept_hold() {
        assert_eq!(Verdict::of(&evidence(&report(vec![]))).outcome, Outcome::Held);
    }

    #[test]
    fn a_fault_that_could_not_be_done_never_counts_as_held() {
        let report = report(vec![]);
        let verdict = Verdict::of(&Evidence { not_tried: Some("no namespaces"), ..evidence(&report) });
        assert_eq!(verdict.outcome, Outcome::NotTried);
        assert_eq!(verdict.why.as_deref(), Some("no namespaces"));
    }

    #[test]
    fn a_promise_that_was_not_looked_at_does_not_hold() {
        let report = report(vec![]);
        for evidence in [
            Evidence { swept: 0, ..evidence(&report) },
            Evidence { bulks: 0, ..evidence(&report) },
            Evidence { equal: None, ..evidence(&report) },
            Evidence { healed: &[], ..evidence(&report) },
        ] {
            assert_eq!(Verdict::of(&evidence).outcome, Outcome::NotTried);
        }
    }

    #[test]
    fn what_is_found_beside_the_load_counts() {
        let report = report(vec![]);
        let outcome = |checked, broken| {
            let found = Findings { checked, broken, told: Vec::new() };
            Verdict::of(&Evidence { errands: Some(&found), ..evidence(&report) }).outcome
        };
        assert_eq!(outcome(5, 0), Outcome::Held);
        assert_eq!(outcome(5, 1), Outcome::Broken);
        assert_eq!(outcome(0, 0), Outcome::NotTried);
    }

    #[test]
    fn failed_checks_are_excused_where_the_design_says_so_and_nowhere_else() {
        let outcome = |kind, at_s, may_fail| {
            let report = report(vec![violation(kind, at_s)]);
            Verdict::of(&Evidence { may_fail, ..evidence(&report) }).outcome
        };
        assert_eq!(outcome(Kind::FailedCheck, 15, true), Outcome::Held);
        assert_eq!(outcome(Kind::FailedCheck, 15, false), Outcome::Broken);
        assert_eq!(outcome(Kind::FailedCheck, 5, true), Outcome::Broken);
        assert_eq!(outcome(Kind::FailedCheck, 25, true), Outcome::Broken);
        for kind in [Kind::FalseClear, Kind::Lost, Kind::WrongListed, Kind::TwoRevisions] {
            assert_eq!(outcome(kind, 15, true), Outcome::Broken, "{kind:?}");
        }
    }

    #[test]
    fn what_did_not_heal_or_is_not_equal_is_broken() {
        let report = report(vec![]);
        let not_healed = Evidence { not_healed: Some("node 1 is not ready"), ..evidence(&report) };
        assert_eq!(Verdict::of(&not_healed).outcome, Outcome::Broken);
        assert_eq!(Verdict::of(&Evidence { equal: Some(false), ..evidence(&report) }).outcome, Outcome::Broken);
    }
}
