use std::time::Duration;

use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};
use proptest::prelude::*;

use super::event::{Event, Moment, Operation, Outcome};
use super::model::{self, DEADLINE};
use super::{Kind, Report, check};

const CLEAR: Operation = Operation::Check(Ok(Verdict::Clear));
const LISTED: Operation = Operation::Check(Ok(Verdict::Listed));
const NOT_COVERED: Operation = Operation::Check(Ok(Verdict::Unknown(Cause::NotCovered)));
const SUPPRESSED: Operation = Operation::Suppress(Outcome::Acknowledged);
const RELEASED: Operation = Operation::Release(Outcome::Acknowledged);

fn listed() -> PhoneNumber {
    model::numbers()[0]
}

fn free() -> PhoneNumber {
    model::numbers()[1]
}

fn uncovered() -> PhoneNumber {
    model::numbers()[3]
}

fn event(number: PhoneNumber, started: u64, ended: u64, operation: Operation) -> Event {
    Event { client: 1, number, started: Moment(started), ended: Moment(ended), operation }
}

fn on_free(steps: &[(u64, u64, Operation)]) -> Vec<Event> {
    steps.iter().map(|(started, ended, operation)| event(free(), *started, *ended, operation.clone())).collect()
}

fn report(history: &[Event], sweep: &[Event]) -> Report {
    check(&model::world(), history, sweep, DEADLINE)
}

fn kinds(history: &[Event], sweep: &[Event]) -> Vec<Kind> {
    report(history, sweep).violations.iter().map(|v| v.kind).collect()
}

#[test]
fn a_planted_false_clear_is_caught() {
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, CLEAR)]);
    assert_eq!(kinds(&history, &[]), [Kind::FalseClear]);
    // Also one against a list.
    assert_eq!(kinds(&[event(listed(), 0, 1, CLEAR)], &[]), [Kind::FalseClear]);
}

#[test]
fn a_false_clear_is_caught_after_an_earlier_release() {
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, RELEASED), (21, 30, SUPPRESSED), (31, 40, CLEAR)]);
    assert_eq!(kinds(&history, &[]), [Kind::FalseClear]);
}

#[test]
fn a_late_retry_of_an_acknowledged_release_excuses_nothing() {
    // The release is over before the second suppression begins, so only a retry of it that came too late can have removed that.
    let history = on_free(&[(0, 5, RELEASED), (6, 10, SUPPRESSED), (11, 12, LISTED), (900, 901, CLEAR)]);
    assert_eq!(kinds(&history, &[]), [Kind::FalseClear]);
}

#[test]
fn a_planted_loss_is_caught() {
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, LISTED)]);
    let sweep = on_free(&[(100, 101, CLEAR)]);
    assert_eq!(kinds(&history, &sweep), [Kind::Lost]);
    let sweep = [event(uncovered(), 100, 101, NOT_COVERED)];
    let history = [event(uncovered(), 0, 10, SUPPRESSED)];
    assert_eq!(kinds(&history, &sweep), [Kind::Lost]);
}

#[test]
fn a_planted_failure_is_caught() {
    let unavailable = Operation::Check(Ok(Verdict::Unknown(Cause::Unavailable)));
    let stale = Operation::Check(Ok(Verdict::Unknown(Cause::Stale)));
    let error = Operation::Check(Err("no router answers".into()));
    for (number, started, ended, operation) in [
        (free(), 0, 1, unavailable.clone()),
        (listed(), 0, 1, unavailable),
        (free(), 0, 1, error.clone()),
        (listed(), 0, 1, error),
        (free(), 0, 1, stale.clone()),
        (listed(), 0, 1, stale),
        (free(), 0, 1, NOT_COVERED),
        (uncovered(), 0, 1, CLEAR),
        (listed(), 0, 1_001, LISTED),
        (free(), 5, 1_006, CLEAR),
    ] {
        let history = [event(number, started, ended, operation)];
        assert_eq!(kinds(&history, &[]), [Kind::FailedCheck], "{history:?}");
        assert_eq!(kinds(&[], &history), [Kind::FailedCheck], "{history:?}");
    }
}

#[test]
fn a_suppressed_number_that_is_unknown_is_a_failure_and_not_a_false_clear() {
    let history = [event(uncovered(), 0, 10, SUPPRESSED), event(uncovered(), 11, 12, NOT_COVERED)];
    assert_eq!(kinds(&history, &[]), [Kind::FailedCheck]);
}

#[test]
fn a_number_that_nothing_ever_listed_must_not_be_listed() {
    for number in [free(), uncovered()] {
        assert_eq!(kinds(&[event(number, 0, 1, LISTED)], &[]), [Kind::WrongListed]);
    }
    // A refused suppression lists nothing, nor does one that began after the check had ended.
    for operation in [Operation::Suppress(Outcome::Refused), SUPPRESSED] {
        let history = on_free(&[(10, 20, operation), (0, 5, LISTED)]);
        assert_eq!(kinds(&history, &[]), [Kind::WrongListed]);
    }
}

#[test]
fn at_the_end_a_released_number_must_not_be_listed_any_more() {
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, RELEASED), (21, 30, LISTED)]);
    assert!(report(&history, &[]).holds(), "a little longer is the safe side");
    let sweep = on_free(&[(100, 101, LISTED)]);
    assert_eq!(kinds(&history, &sweep), [Kind::WrongListed]);
}

#[test]
fn a_bulk_of_two_revisions_is_caught() {
    let history = [event(free(), 0, 1, Operation::Check(Err(super::TWO_REVISIONS.into())))];
    assert_eq!(kinds(&history, &[]), [Kind::TwoRevisions]);
}

#[test]
fn right_answers_are_accepted() {
    let history = [
        event(listed(), 0, 1_000, LISTED),
        event(free(), 0, 1, CLEAR),
        event(uncovered(), 0, 1, NOT_COVERED),
        event(uncovered(), 2, 3, SUPPRESSED),
        event(uncovered(), 4, 5, LISTED),
    ];
    let report = report(&history, &[event(uncovered(), 10, 11, LISTED)]);
    assert!(report.holds(), "{report}");
    assert_eq!((report.counts.checks, report.counts.suppressed, report.counts.listed), (5, 1, 3));
}

#[test]
fn a_check_beside_a_write_may_see_either() {
    for answer in [CLEAR, LISTED] {
        for (started, ended) in [(0, 15), (15, 16), (15, 30), (0, 30), (20, 25)] {
            let history = on_free(&[(10, 20, SUPPRESSED), (started, ended, answer.clone())]);
            assert!(report(&history, &[]).holds(), "{history:?}");
        }
        for (started, ended) in [(50, 65), (65, 66), (65, 80), (50, 80)] {
            let history = on_free(&[(10, 20, SUPPRESSED), (60, 70, RELEASED), (started, ended, answer.clone())]);
            assert!(report(&history, &[]).holds(), "{history:?}");
        }
    }
}

#[test]
fn a_write_of_unknown_outcome_may_have_happened_or_not() {
    let lost_suppression = Operation::Suppress(Outcome::Unknown);
    let lost_release = Operation::Release(Outcome::Unknown);
    for answer in [CLEAR, LISTED] {
        let sweep = on_free(&[(900, 901, answer.clone())]);
        let history = on_free(&[(0, 10, lost_suppression.clone()), (11, 20, answer.clone())]);
        assert!(report(&history, &sweep).holds(), "{history:?}");
        let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, lost_release.clone()), (21, 30, answer.clone())]);
        assert!(report(&history, &sweep).holds(), "{history:?}");
        // It may even take effect after a later suppression.
        let history = on_free(&[(0, 10, lost_release.clone()), (11, 20, SUPPRESSED), (21, 30, answer.clone())]);
        assert!(report(&history, &sweep).holds(), "{history:?}");
    }
}

#[test]
fn a_refused_release_excuses_nothing() {
    let refused = Operation::Release(Outcome::Refused);
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, refused), (21, 30, CLEAR)]);
    assert_eq!(kinds(&history, &[]), [Kind::FalseClear]);
}

#[test]
fn a_report_names_what_was_broken() {
    let history = on_free(&[(0, 10, SUPPRESSED), (11, 20, CLEAR)]);
    let text = report(&history, &[]).to_string();
    assert!(text.contains("0 failed checks, 1 false clears, 0 lost, 0 wrongly listed"), "{text}");
    assert!(text.contains("FALSE CLEAR: client 1 checked +12015550101"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn histories_of_a_cluster_that_keeps_its_promises_are_accepted(plans in model::plans()) {
        let (history, sweep) = model::run(&plans);
        let report = report(&history, &sweep);
        prop_assert!(report.holds(), "{}", report);
    }

    #[test]
    fn a_false_clear_planted_into_such_a_history_is_caught(plans in model::plans(), listed in any::<bool>()) {
        let (mut history, sweep) = model::run(&plans);
        let number = if listed {
            self::listed()
        } else {
            // After all that may still happen, a suppression that nothing releases.
            history.retain(|e| e.operation != Operation::Release(Outcome::Unknown));
            history.push(event(free(), 5_000, 5_010, SUPPRESSED));
            free()
        };
        history.push(event(number, 5_011, 5_012, CLEAR));
        let report = check(&model::world(), &history, &sweep, Duration::from_secs(1));
        prop_assert!(report.count(Kind::FalseClear) >= 1, "{}", report);
    }
}
