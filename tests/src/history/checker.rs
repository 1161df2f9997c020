//! Decides whether a history keeps the promises of the cluster.
//!
//! Every number is looked at on its own. For each check the checker asks two questions: must the
//! number be listed, and may it be? Writes of unknown outcome widen what may be, and never narrow
//! what must be beyond what was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};

use super::event::{Event, Moment, Operation, Outcome, TWO_REVISIONS, World};
use super::report::{Kind, Report, Violation};

/// How long a released number may still be LISTED: until a replica that was asked has applied the
/// release, which a leader that is lost meanwhile puts off by an election or two.
const GRACE: Duration = Duration::from_secs(10);

/// Checks a history. `sweep` are the checks made at its end, after all writes have ended and all
/// replicas have caught up; `deadline` is the time in which a check must be answered.
pub fn check(world: &World, history: &[Event], sweep: &[Event], deadline: Duration) -> Report {
    let mut report = Report::default();
    let mut writes: BTreeMap<PhoneNumber, Writes<'_>> = BTreeMap::new();
    for event in history.iter().chain(sweep) {
        report.counts.add(event);
        let writes = writes.entry(event.number).or_default();
        match event.operation {
            // A refused write never took effect, so it explains nothing.
            Operation::Suppress(Outcome::Refused) | Operation::Release(Outcome::Refused) => {}
            Operation::Suppress(_) => writes.suppressions.push(event),
            Operation::Release(_) => writes.releases.push(event),
            Operation::Check(_) => {}
        }
    }
    let none = Writes::default();
    for (event, last) in history.iter().map(|event| (event, false)).chain(sweep.iter().map(|event| (event, true))) {
        if let Operation::Check(answer) = &event.operation {
            let writes = writes.get(&event.number).unwrap_or(&none);
            let right = Right::of(world, writes, event, last);
            if let Some((kind, why)) = right.broken_by(answer, event, last, deadline) {
                report.violations.push(Violation { kind, check: event.clone(), why });
            }
        }
    }
    report
}

/// The writes to one number that took effect, or may have.
#[derive(Default)]
struct Writes<'a> {
    suppressions: Vec<&'a Event>,
    releases: Vec<&'a Event>,
}

/// What would be a right answer to a check.
struct Right {
    /// Why it must be LISTED, if it must.
    must_list: Option<MustList>,
    /// Whether it may be LISTED.
    may_list: bool,
    /// The answer if nothing lists it.
    otherwise: Verdict,
}

/// Why a number must be listed.
enum MustList {
    /// An imported list names it.
    Imported,
    /// A suppression was acknowledged at this moment, and nothing can have removed it.
    SuppressedAt(Moment),
}

// === impl Writes ===

impl Writes<'_> {
    /// The acknowledged suppression that must still be in effect during the check, if there is one.
    fn standing(&self, check: &Event) -> Option<&Event> {
        self.suppressions.iter().copied().find(|suppression| {
            acknowledged(suppression)
                && suppression.ended < check.started
                && !self.releases.iter().any(|release| may_remove(release, suppression, check.ended))
        })
    }

    /// Whether some suppression may be in effect during the check. A replica may show a removed entry
    /// a little longer, which is the safe side; in the final sweep a release must have worked.
    fn may_stand(&self, check: &Event, last: bool) -> bool {
        let grace = if last { Duration::ZERO } else { GRACE };
        self.suppressions.iter().any(|suppression| {
            let removed = acknowledged(suppression)
                && self.releases.iter().any(|release| {
                    acknowledged(release)
                        && release.started > suppression.ended
                        && release.ended < check.started
                        && check.started.since(release.ended) >= grace
                });
            suppression.started < check.ended && !removed
        })
    }
}

fn acknowledged(write: &Event) -> bool {
    matches!(write.operation, Operation::Suppress(Outcome::Acknowledged) | Operation::Release(Outcome::Acknowledged))
}

/// Whether a release may have removed a suppression before `until`. One that was acknowledged took
/// effect before its end, late retries of it included: it cannot remove what began after that.
fn may_remove(release: &Event, suppression: &Event, until: Moment) -> bool {
    let over_before = acknowledged(release) && release.ended < suppression.started;
    release.started < until && !over_before
}

// === impl Right ===

impl Right {
    fn of(world: &World, writes: &Writes<'_>, check: &Event, last: bool) -> Right {
        let imported = world.listed.contains(&check.number);
        let must_list = if imported {
            Some(MustList::Imported)
        } else {
            writes.standing(check).map(|suppression| MustList::SuppressedAt(suppression.ended))
        };
        let covered = world.covered.contains(&check.number.area());
        Right {
            may_list: must_list.is_some() || writes.may_stand(check, last),
            must_list,
            otherwise: if covered { Verdict::Clear } else { Verdict::Unknown(Cause::NotCovered) },
        }
    }

    /// The promise that an answer breaks, the gravest first.
    fn broken_by(
        &self,
        answer: &Result<Verdict, String>,
        check: &Event,
        last: bool,
        deadline: Duration,
    ) -> Option<(Kind, String)> {
        let late = check.took() > deadline;
        match (answer, &self.must_list) {
            (Ok(Verdict::Clear), Some(MustList::Imported)) => {
                Some((Kind::FalseClear, "an imported list names it".into()))
            }
            (Ok(Verdict::Unknown(Cause::Unavailable)), _) => {
                Some((Kind::FailedCheck, "too few replicas answered".into()))
            }
            (Ok(Verdict::Listed), _) if !self.may_list => {
                Some((Kind::WrongListed, format!("nothing lists it: {:?} is right", self.otherwise)))
            }
            (Ok(verdict), Some(MustList::SuppressedAt(at))) if *verdict != Verdict::Listed => {
                let why = format!("a suppression was acknowledged at {at} and never released");
                let kind = match verdict {
                    _ if last => Kind::Lost,
                    Verdict::Clear => Kind::FalseClear,
                    Verdict::Listed | Verdict::Unknown(_) => Kind::FailedCheck,
                };
                Some((kind, why))
            }
            (Ok(Verdict::Unknown(_)), Some(MustList::Imported)) => {
                Some((Kind::FailedCheck, "an imported list names it".into()))
            }
            (Ok(verdict), None) if *verdict != Verdict::Listed && *verdict != self.otherwise => {
                Some((Kind::FailedCheck, format!("{:?} is right", self.otherwise)))
            }
            (Err(error), _) if error == TWO_REVISIONS => {
                Some((Kind::TwoRevisions, "all numbers of a bulk are judged alike".into()))
            }
            (Err(_), _) => Some((Kind::FailedCheck, "it ended in an error".into())),
            (Ok(_), _) if late => Some((Kind::FailedCheck, format!("it was answered after {:?}", check.took()))),
            (Ok(_), _) => None,
        }
    }
}
