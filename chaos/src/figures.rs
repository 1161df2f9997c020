//! Figures of a history: how fast checks were answered with and without a fault, and how many there were.

use std::time::Duration;

use dnc_core::verdict::{Cause, Verdict};
use dnc_tests::history::{Event, Moment, Operation, Outcome};
use serde::Serialize;

/// A time in which something was wrong, or was not yet whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the first act began.
    pub from: Moment,
    /// When all was whole.
    pub until: Moment,
}

/// How long the callers of some checks waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many checks; a bulk is one.
    pub checks: usize,
    /// Half of them waited no longer, milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
    /// All but one in a thousand.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// Checks that were answered; a bulk is one.
    pub checks: usize,
    /// Checks that ended in an error or in UNKNOWN `unavailable`.
    pub failed: usize,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Writes that were not.
    pub unconfirmed: usize,
    /// How long all checks but one in a thousand waited, milliseconds.
    pub p999_ms: f64,
}

// === impl Window ===

impl Window {
    /// Whether an operation had to do with it: it was under way, or what it needs may still have been tried again.
    pub fn touches(&self, event: &Event, after: Duration) -> bool {
        event.ended >= self.from && event.started.0 <= self.until.0.saturating_add(nanos(after))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The checks of a history as calls: the numbers of one bulk begin and end together and are one.
fn calls(events: &[Event]) -> impl Iterator<Item = &Event> {
    let mut last = None;
    events.iter().filter(move |event| {
        let is_check = matches!(event.operation, Operation::Check(_));
        is_check && last.replace(call(event)) != Some(call(event))
    })
}

/// What all numbers of one call share.
fn call(event: &Event) -> (u32, Moment, Moment) {
    (event.client, event.started, event.ended)
}

/// How many checks were of several numbers.
pub fn bulks(events: &[Event]) -> usize {
    let checks: Vec<&Event> = events.iter().filter(|event| matches!(event.operation, Operation::Check(_))).collect();
    let same = |pair: &[&Event]| call(pair[0]) == call(pair[1]);
    // Where a run of equal ones begins.
    let begins = |(at, pair): (usize, &[&Event])| same(pair) && (at == 0 || call(checks[at - 1]) != call(pair[0]));
    checks.windows(2).enumerate().filter(|pair| begins(*pair)).count()
}

/// How long callers waited in any of the windows, and outside of all of them.
pub fn latencies(events: &[Event], windows: &[Window]) -> (Latency, Latency) {
    let (during, calm): (Vec<&Event>, Vec<&Event>) =
        calls(events).partition(|event| windows.iter().any(|window| window.touches(event, Duration::ZERO)));
    (latency(&during), latency(&calm))
}

fn latency(calls: &[&Event]) -> Latency {
    let mut waited: Vec<Duration> = calls.iter().map(|event| event.took()).collect();
    waited.sort_unstable();
    let at = |of_thousand: usize| -> f64 {
        let rank = (waited.len() * of_thousand).div_ceil(1_000).max(1) - 1;
        waited.get(rank).map_or(0.0, |time| (time.as_secs_f64() * 1e6).round() / 1e3)
    };
    Latency { checks: waited.len(), p50_ms: at(500), p99_ms: at(990), p999_ms: at(999), max_ms: at(1_000) }
}

/// The longest time in which no write was acknowledged, between two that were.
pub fn longest_without_writes(events: &[Event]) -> Duration {
    let mut acknowledged: Vec<Moment> =
        events.iter().filter(|event| written(event) == Some(true)).map(|e| e.ended).collect();
    acknowledged.sort_unstable();
    acknowledged.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

/// Whether a write was acknowledged; nothing if it is none.
fn written(event: &Event) -> Option<bool> {
    match event.operation {
        Operation::Check(_) => None,
        Operation::Suppress(outcome) | Operation::Release(outcome) => Some(outcome == Outcome::Acknowledged),
    }
}

fn failed(event: &Event) -> bool {
    matches!(event.operation, Operation::Check(Err(_) | Ok(Verdict::Unknown(Cause::Unavailable))))
}

/// Second by second; an operation counts where it ended.
pub fn seconds(events: &[Event]) -> Vec<Second> {
    let at = |event: &Event| usize::try_from(event.ended.0 / 1_000_000_000).unwrap_or(usize::MAX);
    let count = events.iter().map(|event| at(event) + 1).max().unwrap_or(0);
    let mut seconds = vec![Second::default(); count];
    let mut waiting: Vec<Vec<&Event>> = vec![Vec::new(); count];
    for call in calls(events) {
        let second = &mut seconds[at(call)];
        second.checks += 1;
        second.failed += usize::from(failed(call));
        waiting[at(call)].push(call);
    }
    for event in events {
        match written(event) {
            Some(true) => seconds[at(event)].writes += 1,
            Some(false) => seconds[at(event)].unconfirmed += 1,
            None => {}
        }
    }
    for (second, calls) in seconds.iter_mut().zip(&waiting) {
        second.p999_ms = latency(calls).p999_ms;
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_tests::numbers::number;

    const MS: u64 = 1_000_000;

    fn event(client: u32, started: u64, ended: u64, operation: Operation) -> Event {
        Event { client, number: number(212, 150), started: Moment(started), ended: Moment(ended), operation }
    }

    fn check(client: u32, started_ms: u64, ended_ms: u64) -> Event {
        event(client, started_ms * MS, ended_ms * MS, Operation::Check(Ok(Verdict::Clear)))
    }

    #[test]
    fn a_bulk_is_one_call() {
        let events = [check(1, 0, 5), check(1, 0, 5), check(2, 0, 5), check(1, 6, 7)];
        let (_, calm) = latencies(&events, &[]);
        assert_eq!((calm.checks, calm.max_ms), (3, 5.0));
        assert_eq!(bulks(&events), 1);
    }

    #[test]
    fn calls_are_parted_by_the_windows() {
        let events = [check(1, 0, 10), check(1, 20, 120), check(1, 200, 201)];
        let windows = [Window { from: Moment(100 * MS), until: Moment(150 * MS) }];
        let (during, calm) = latencies(&events, &windows);
        assert_eq!((during.checks, during.max_ms), (1, 100.0));
        assert_eq!((calm.checks, calm.max_ms), (2, 10.0));
    }

    #[test]
    fn of_a_thousand_calls_the_slowest_but_one_counts() {
        let events: Vec<Event> = (1..=1_000).map(|at| check(1, at * 2_000, at * 2_000 + at)).collect();
        let (_, calm) = latencies(&events, &[]);
        assert_eq!((calm.p50_ms, calm.p999_ms, calm.max_ms), (500.0, 999.0, 1_000.0));
    }

    #[test]
    fn seconds_count_what_ended_in_them() {
        let write = |ended, outcome| event(1, 0, ended * MS, Operation::Suppress(outcome));
        let error = event(2, 0, 1_500 * MS, Operation::Check(Err("nobody".into())));
        let events = [
            check(1, 900, 1_100),
            error,
            write(100, Outcome::Acknowledged),
            write(1_900, Outcome::Unknown),
            write(1_950, Outcome::Acknowledged),
        ];
        let seconds = seconds(&events);
        assert_eq!((seconds[0].checks, seconds[0].writes), (0, 1));
        assert_eq!((seconds[1].checks, seconds[1].failed, seconds[1].writes, seconds[1].unconfirmed), (2, 1, 1, 1));
        assert_eq!(longest_without_writes(&events), Duration::from_millis(1_850));
    }
}
