//! What was promised to callers, and whether each answer keeps it.
//!
//! Everything happens in one thread, so a counter orders all calls and acknowledgements.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::ids::{RequestId, VersionId};
use dnc_core::number::PhoneNumber;
use parking_lot::Mutex;

use crate::note;
use crate::plan::Plan;
use crate::router::{Said, Seen};
use crate::trace::Trace;

/// The promises of one run.
pub struct Model {
    trace: Trace,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    clock: u64,
    entries: BTreeMap<PhoneNumber, BTreeMap<RequestId, Entry>>,
    lists: BTreeMap<VersionId, List>,
    violations: Vec<String>,
    counts: Counts,
}

/// What clients did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Numbers that were checked and answered with a verdict.
    pub judged: u64,
    /// Numbers that were checked and not judged: too few replicas, or no answer.
    pub unjudged: u64,
    /// Suppressions and releases that were acknowledged.
    pub written: u64,
    /// Lists that were made active.
    pub lists: u64,
}

/// A suppression.
#[derive(Default)]
struct Entry {
    acknowledged: Option<u64>,
    release_called: Option<u64>,
}

/// A version of the federal list.
struct List {
    numbers: BTreeSet<PhoneNumber>,
    /// When it may have begun to answer checks.
    called: Option<u64>,
    acknowledged: Option<u64>,
}

/// When a check began.
#[derive(Clone, Copy, Debug)]
pub struct Begun(u64);

// === impl Model ===

impl Model {
    /// Nothing was promised yet.
    pub fn new(trace: Trace) -> Model {
        Model { trace, inner: Mutex::default() }
    }

    /// The numbers of a run, each in a block of its own.
    pub fn numbers(&self, plan: &Plan) -> Vec<PhoneNumber> {
        let number = |i: u64| PhoneNumber::from_u64(12_012_000_100 + i * 10_000);
        (0..plan.numbers).map(|i| number(i).expect("a number of New Jersey")).collect()
    }

    /// A suppression is on its way.
    pub fn suppress_called(&self, number: PhoneNumber, id: RequestId) {
        self.inner.lock().entries.entry(number).or_default().insert(id, Entry::default());
    }

    /// It is acknowledged.
    pub fn suppress_acknowledged(&self, who: &str, number: PhoneNumber, id: RequestId) {
        note!(self.trace, who, "{} is suppressed", number.to_u64());
        let mut inner = self.inner.lock();
        let now = inner.tick();
        inner.counts.written += 1;
        inner.entry(number, id).acknowledged = Some(now);
    }

    /// The entries of a number that stand and are not being released; none if there are none.
    pub fn standing(&self, number: PhoneNumber) -> Option<Vec<RequestId>> {
        let inner = self.inner.lock();
        let entries = inner.entries.get(&number)?;
        let standing = entries.iter().filter(|(_, entry)| entry.stands());
        let standing: Vec<RequestId> = standing.map(|(id, _)| *id).collect();
        (!standing.is_empty()).then_some(standing)
    }

    /// A release is on its way.
    pub fn release_called(&self, number: PhoneNumber, entries: &[RequestId]) {
        let mut inner = self.inner.lock();
        let now = inner.tick();
        entries.iter().for_each(|id| inner.entry(number, *id).release_called = Some(now));
    }

    /// It is acknowledged.
    pub fn release_acknowledged(&self, who: &str, number: PhoneNumber) {
        note!(self.trace, who, "{} is released", number.to_u64());
        self.inner.lock().counts.written += 1;
    }

    /// A version of the list is being loaded.
    pub fn list_begins(&self, version: VersionId, numbers: &BTreeSet<PhoneNumber>) {
        let mut inner = self.inner.lock();
        let list = || List { numbers: numbers.clone(), called: None, acknowledged: None };
        inner.lists.entry(version).or_insert_with(list);
    }

    /// It may answer checks from now on.
    pub fn list_called(&self, version: VersionId) {
        let mut inner = self.inner.lock();
        let now = inner.tick();
        if let Some(list) = inner.lists.get_mut(&version) {
            list.called.get_or_insert(now);
        }
    }

    /// The version with these numbers, the newest that may answer checks, does so from now on.
    pub fn list_acknowledged(&self, numbers: BTreeSet<PhoneNumber>) {
        let mut inner = self.inner.lock();
        let now = inner.tick();
        inner.counts.lists += 1;
        let newest = inner.lists.values_mut().rev().find(|list| list.called.is_some());
        match newest.filter(|list| list.numbers == numbers) {
            Some(list) => list.acknowledged = Some(now),
            None => inner.violations.push("a list was acknowledged that was never made active".to_owned()),
        }
    }

    /// A check begins.
    pub fn check_begins(&self) -> Begun {
        Begun(self.inner.lock().tick())
    }

    /// It ends, with an answer or without.
    pub fn check_ends(&self, who: &str, begun: Begun, numbers: &[PhoneNumber], answer: Option<&[Seen]>) {
        let mut inner = self.inner.lock();
        let Some(answer) = answer else {
            inner.counts.unjudged += numbers.len() as u64;
            drop(inner);
            return note!(self.trace, who, "no answer for {} numbers", numbers.len());
        };
        let text: String = answer.iter().map(|seen| letter(seen.verdict)).collect();
        note!(self.trace, who, "checked {text} by {:?}", answer.first().map(|seen| &seen.versions));
        let mut wrong = Vec::new();
        if answer.len() != numbers.len() {
            wrong.push(format!("{} numbers were asked, {} answered", numbers.len(), answer.len()));
        }
        for (number, seen) in numbers.iter().zip(answer) {
            let judged = seen.verdict != Said::Unavailable;
            inner.counts.judged += u64::from(judged);
            inner.counts.unjudged += u64::from(!judged);
            if judged && let Some(lost) = inner.lost(*number, begun, seen) {
                wrong.push(lost);
            }
        }
        if let Some(mixed) = inner.mixed(begun, numbers, answer) {
            wrong.push(mixed);
        }
        for what in wrong {
            note!(self.trace, who, "VIOLATION: {what}");
            inner.violations.push(format!("{who}: {what}"));
        }
    }

    /// What is wrong with an answer when all is at rest: nothing is under way, so it is known exactly.
    pub fn audit(&self, numbers: &[PhoneNumber], answer: &[Seen]) -> Vec<String> {
        let inner = self.inner.lock();
        let active = inner.lists.iter().rev().find(|(_, list)| list.acknowledged.is_some());
        let mut wrong = Vec::new();
        for (number, seen) in numbers.iter().zip(answer) {
            let entries = inner.entries.get(number).into_iter().flatten();
            let standing: BTreeSet<u128> = entries.filter(|(_, entry)| entry.stands()).map(|(id, _)| id.0).collect();
            let on_list = active.is_some_and(|(_, list)| list.numbers.contains(number));
            let shown: BTreeSet<u128> = seen.entries.iter().copied().collect();
            let verdict = if standing.is_empty() && !on_list { Said::Clear } else { Said::Listed };
            let versions: Vec<u64> = active.iter().map(|(version, _)| version.0).collect();
            if (seen.verdict, &shown, seen.on_list) != (verdict, &standing, on_list) {
                wrong.push(format!(
                    "{}: {:?} with {} entries and list {}, expected {verdict:?} with {} and {on_list}",
                    number.to_u64(),
                    seen.verdict,
                    shown.len(),
                    seen.on_list,
                    standing.len()
                ));
            } else if !seen.versions.iter().all(|version| versions.contains(version)) {
                wrong.push(format!(
                    "{}: judged by version {:?}, active is {versions:?}",
                    number.to_u64(),
                    seen.versions
                ));
            }
        }
        wrong
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.inner.lock().violations.clone()
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }
}

// === impl Entry ===

impl Entry {
    /// It was acknowledged, and nobody has begun to release it.
    fn stands(&self) -> bool {
        self.acknowledged.is_some() && self.release_called.is_none()
    }
}

// === impl Inner ===

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn entry(&mut self, number: PhoneNumber, id: RequestId) -> &mut Entry {
        self.entries.entry(number).or_default().entry(id).or_default()
    }

    /// A suppression that was acknowledged before the check began, and is not being released, must show.
    fn lost(&self, number: PhoneNumber, begun: Begun, seen: &Seen) -> Option<String> {
        let entries = self.entries.get(&number)?;
        let owed = entries.iter().find(|(id, entry)| {
            let acknowledged = entry.acknowledged.is_some_and(|at| at < begun.0);
            acknowledged && entry.stands() && !seen.entries.contains(&id.0)
        });
        let (id, _) = owed?;
        let what = if seen.verdict == Said::Clear { "a false CLEAR" } else { "a suppression that does not show" };
        Some(format!("{what}: {} was suppressed by {id} before the check began", number.to_u64()))
    }

    /// All numbers of a check are judged by one version, and that one may answer.
    fn mixed(&self, begun: Begun, numbers: &[PhoneNumber], answer: &[Seen]) -> Option<String> {
        let acknowledged = self.lists.iter().rev().find(|(_, list)| list.acknowledged.is_some_and(|at| at < begun.0));
        let since = acknowledged.map(|(version, _)| *version);
        let may_answer: Vec<(&VersionId, &List)> =
            self.lists.iter().filter(|(version, list)| list.called.is_some() && Some(**version) >= since).collect();
        let judged: Vec<(&PhoneNumber, &Seen)> =
            numbers.iter().zip(answer).filter(|(_, seen)| seen.verdict != Said::Unavailable).collect();
        let none_yet = since.is_none() && judged.iter().all(|(_, seen)| !seen.on_list && seen.versions.is_empty());
        let explains = |version: &VersionId, list: &List| {
            judged.iter().all(|(number, seen)| {
                seen.on_list == list.numbers.contains(number) && seen.versions.iter().all(|by| *by == version.0)
            })
        };
        if none_yet || may_answer.iter().any(|(version, list)| explains(version, list)) {
            return None;
        }
        let versions: BTreeSet<&Vec<u64>> = judged.iter().map(|(_, seen)| &seen.versions).collect();
        let may: Vec<u64> = may_answer.iter().map(|(version, _)| version.0).collect();
        Some(format!("no one version explains the answer: it names {versions:?}, and {may:?} may answer"))
    }
}

fn letter(said: Said) -> char {
    match said {
        Said::Clear => 'C',
        Said::Listed => 'L',
        Said::Uncovered => 'u',
        Said::Unavailable => '?',
    }
}
