//! What one worker counted; tallies of all workers add up.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_proto::v1::{CheckResponse, PackedVerdict, Verdict};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::population::Generated;

/// The longest time that a histogram tells apart.
const LONGEST: Duration = Duration::from_secs(120);

/// Counts and times.
pub struct Tally {
    /// Requests that were answered (numbers, with `stream`).
    pub requests: u64,
    /// Numbers that were answered.
    pub numbers: u64,
    /// Requests that failed, by code.
    pub errors: BTreeMap<String, u64>,
    /// Answers, by verdict.
    pub verdicts: Verdicts,
    /// Nanoseconds from asking to the answer, failures left out.
    pub latency: Histogram<u64>,
}

/// Answers, by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// May be called.
    pub clear: u64,
    /// Must not.
    pub listed: u64,
    /// Cannot be known.
    pub unknown: u64,
    /// The number had an error of its own.
    pub error: u64,
    /// CLEAR although the population lists the number: wrong, if its lists are loaded.
    pub false_clear: u64,
    /// LISTED although the population does not list the number: another list may.
    pub listed_elsewhere: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).expect("two minutes fit");
        let latency = Histogram::new_with_bounds(1_000, longest, 3).expect("the bounds are far enough apart");
        Self { requests: 0, numbers: 0, errors: BTreeMap::new(), verdicts: Verdicts::default(), latency }
    }

    /// A request was answered.
    pub fn answered(&mut self, took: Duration) {
        self.requests += 1;
        // Longer than the histogram reaches counts as its end.
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// One number was answered.
    pub fn verdict(&mut self, asked: Generated, answer: &CheckResponse) {
        self.count(asked, answer.error.is_none().then(|| answer.verdict()));
    }

    /// One number was answered in the packed form.
    pub fn packed(&mut self, asked: Generated, answer: u8) {
        let verdict = match PackedVerdict::try_from(i32::from(answer)) {
            Ok(PackedVerdict::Clear) => Some(Verdict::Clear),
            Ok(PackedVerdict::Listed) => Some(Verdict::Listed),
            Ok(PackedVerdict::NotCovered | PackedVerdict::Stale | PackedVerdict::Unavailable) => Some(Verdict::Unknown),
            Ok(PackedVerdict::Invalid | PackedVerdict::Unspecified) | Err(_) => None,
        };
        self.count(asked, verdict);
    }

    fn count(&mut self, asked: Generated, verdict: Option<Verdict>) {
        self.numbers += 1;
        let Some(verdict) = verdict else {
            self.verdicts.error += 1;
            return;
        };
        match (verdict, asked.listed) {
            (Verdict::Clear, true) => {
                self.verdicts.clear += 1;
                self.verdicts.false_clear += 1;
            }
            (Verdict::Clear, false) => self.verdicts.clear += 1,
            (Verdict::Listed, true) => self.verdicts.listed += 1,
            (Verdict::Listed, false) => {
                self.verdicts.listed += 1;
                self.verdicts.listed_elsewhere += 1;
            }
            (Verdict::Unknown | Verdict::Unspecified, _) => self.verdicts.unknown += 1,
        }
    }

    /// A request failed.
    pub fn failed(&mut self, code: &str) {
        *self.errors.entry(code.to_owned()).or_default() += 1;
    }

    /// Adds another worker's.
    pub fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.numbers += other.numbers;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        self.verdicts.clear += other.verdicts.clear;
        self.verdicts.listed += other.verdicts.listed;
        self.verdicts.unknown += other.verdicts.unknown;
        self.verdicts.error += other.verdicts.error;
        self.verdicts.false_clear += other.verdicts.false_clear;
        self.verdicts.listed_elsewhere += other.verdicts.listed_elsewhere;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_answer_for_a_listed_number_is_counted_apart() {
        let mut tally = Tally::new();
        let answer = |verdict: Verdict| CheckResponse { verdict: verdict.into(), ..CheckResponse::default() };
        let asked = |listed| Generated { national: 2_015_550_100, listed };
        tally.verdict(asked(true), &answer(Verdict::Clear));
        tally.verdict(asked(false), &answer(Verdict::Clear));
        tally.verdict(asked(false), &answer(Verdict::Listed));
        let mut sum = Tally::new();
        sum.add(&tally);
        let mut packed = Tally::new();
        packed.packed(asked(true), 1);
        packed.packed(asked(false), 1);
        packed.packed(asked(false), 2);
        sum.add(&packed);
        assert_eq!(sum.numbers, 6);
        assert_eq!(
            sum.verdicts,
            Verdicts { clear: 4, listed: 2, false_clear: 2, listed_elsewhere: 2, ..Verdicts::default() }
        );
    }
}
