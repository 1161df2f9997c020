//! What was checked, counted: by day and tenant, for reports.
//!
//! Routers count, and add what they counted to the shards' records every few seconds, so a report
//! survives their restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::{Cause, Judgement, Verdict};

/// Counters of one day and one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Numbers judged.
    pub checks: u64,
    /// Judged CLEAR.
    pub clear: u64,
    /// Judged LISTED: calls that would have been violations.
    pub listed: u64,
    /// Judged UNKNOWN, by cause.
    pub unknown: BTreeMap<String, u64>,
    /// Reasons given, each number once under each of its reasons.
    pub reasons: BTreeMap<String, u64>,
    /// Numbers whose listing an exemption lifted.
    pub exempted: u64,
    /// Texts that were no numbers.
    pub errors: u64,
    /// Time that checks took, summed over requests, microseconds.
    pub micros: u64,
    /// Requests: single checks, bulks, batches of streams.
    pub requests: u64,
    /// Suppressions added.
    pub suppressions_added: u64,
    /// Suppressions removed.
    pub suppressions_removed: u64,
}

// === impl Counts ===

impl Counts {
    /// Counts a judgement of so many numbers.
    pub fn judged(&mut self, judgement: &Judgement, numbers: u64) {
        self.checks += numbers;
        match judgement.verdict {
            Verdict::Clear => self.clear += numbers,
            Verdict::Listed => self.listed += numbers,
            Verdict::Unknown(cause) => bump(&mut self.unknown, Cause::as_str(cause), numbers),
        }
        for reason in &judgement.reasons {
            bump(&mut self.reasons, reason.as_str(), numbers);
        }
        let lifted = judgement.exemption.is_some() && judgement.verdict != Verdict::Listed;
        self.exempted += if lifted { numbers } else { 0 };
    }

    /// Adds other counters to these.
    pub fn add(&mut self, other: &Counts) {
        let Counts {
            checks,
            clear,
            listed,
            unknown,
            reasons,
            exempted,
            errors,
            micros,
            requests,
            suppressions_added,
            suppressions_removed,
        } = other;
        self.checks += checks;
        self.clear += clear;
        self.listed += listed;
        unknown.iter().for_each(|(word, count)| bump(&mut self.unknown, word, *count));
        reasons.iter().for_each(|(word, count)| bump(&mut self.reasons, word, *count));
        self.exempted += exempted;
        self.errors += errors;
        self.micros += micros;
        self.requests += requests;
        self.suppressions_added += suppressions_added;
        self.suppressions_removed += suppressions_removed;
    }

    /// Raises each counter to what another one has, where that is more: of two states of the same sum, the later one.
    pub fn raise(&mut self, other: &Counts) {
        let raise = |own: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>| {
            for (word, count) in other {
                let known = own.entry(word.clone()).or_default();
                *known = (*known).max(*count);
            }
        };
        let Counts {
            checks,
            clear,
            listed,
            unknown,
            reasons,
            exempted,
            errors,
            micros,
            requests,
            suppressions_added,
            suppressions_removed,
        } = other;
        self.checks = self.checks.max(*checks);
        self.clear = self.clear.max(*clear);
        self.listed = self.listed.max(*listed);
        raise(&mut self.unknown, unknown);
        raise(&mut self.reasons, reasons);
        self.exempted = self.exempted.max(*exempted);
        self.errors = self.errors.max(*errors);
        self.micros = self.micros.max(*micros);
        self.requests = self.requests.max(*requests);
        self.suppressions_added = self.suppressions_added.max(*suppressions_added);
        self.suppressions_removed = self.suppressions_removed.max(*suppressions_removed);
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Counts::default()
    }
}

fn bump(counters: &mut BTreeMap<String, u64>, word: &str, by: u64) {
    match counters.get_mut(word) {
        Some(count) => *count += by,
        None => {
            counters.insert(word.to_owned(), by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_apart_adds_up() {
        let one = Counts { checks: 2, clear: 1, reasons: BTreeMap::from([("a".into(), 1)]), ..Counts::default() };
        let other = Counts {
            checks: 3,
            micros: 7,
            reasons: BTreeMap::from([("a".into(), 1), ("b".into(), 2)]),
            ..Counts::default()
        };
        let mut sum = Counts::default();
        assert!(sum.is_empty());
        sum.add(&one);
        sum.add(&other);
        assert_eq!((sum.checks, sum.clear, sum.micros), (5, 1, 7));
        assert_eq!(sum.reasons, BTreeMap::from([("a".into(), 2), ("b".into(), 2)]));
    }
}
