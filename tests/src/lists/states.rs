//! Which truth a check may be answered by: while one list replaces another, the old one or the new one, never both.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use dnc_core::verdict::Verdict;

use super::Held;

/// Truths, one after the other, and how far the registry is known to have come.
///
/// Whoever is about to replace one truth by the next says [`States::begin`] first, and
/// [`States::done`] once it was acknowledged; so a check that began and ended at known times may be
/// answered by any truth in between, and by one of them alone.
#[derive(Debug)]
pub struct States {
    held: Vec<Held>,
    /// The newest truth that may be active.
    begun: AtomicUsize,
    /// The newest truth that was acknowledged.
    acknowledged: AtomicUsize,
}

/// What one check of several numbers was answered.
#[derive(Debug)]
pub struct Answers {
    /// The truth acknowledged when it began.
    from: usize,
    /// The numbers, and what was answered.
    answers: Vec<(u64, Verdict)>,
}

// === impl States ===

impl States {
    /// These truths, of which the first is active.
    pub fn new(held: Vec<Held>) -> States {
        States { held, begun: AtomicUsize::new(0), acknowledged: AtomicUsize::new(0) }
    }

    /// A truth.
    pub fn held(&self, state: usize) -> &Held {
        &self.held[state]
    }

    /// This truth may become active from now on.
    pub fn begin(&self, state: usize) {
        self.begun.fetch_max(state, Ordering::SeqCst);
    }

    /// This truth is active.
    pub fn done(&self, state: usize) {
        self.acknowledged.fetch_max(state, Ordering::SeqCst);
    }

    /// To be said before a check is sent.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Holds what a check was answered against the truths; `from` is what was acknowledged before it was sent.
    pub fn judge(&self, from: usize, answers: Vec<(u64, Verdict)>) -> Result<()> {
        let until = self.begun.load(Ordering::SeqCst);
        let answers = Answers { from, answers };
        if (from..=until).any(|state| answers.wrong(&self.held[state]).is_none()) {
            return Ok(());
        }
        let newest = answers.wrong(&self.held[until]);
        bail!(
            "no truth of {}..={until} gives these {} answers; by the newest one {newest:?} is wrong",
            answers.from,
            answers.answers.len()
        );
    }
}

impl Answers {
    /// An answer that is not right by a truth.
    fn wrong(&self, held: &Held) -> Option<(u64, Verdict)> {
        self.answers.iter().copied().find(|(number, verdict)| {
            let right = if held.binary_search(number).is_ok() { Verdict::Listed } else { Verdict::Clear };
            *verdict != right
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_truth_are_right_and_a_mixture_is_not() {
        let states = States::new(vec![vec![1, 2], vec![2, 3]]);
        let (listed, clear) = (Verdict::Listed, Verdict::Clear);
        let old = vec![(1, listed), (2, listed), (3, clear)];
        let new = vec![(1, clear), (2, listed), (3, listed)];
        let both = vec![(1, listed), (3, listed)];
        assert!(states.judge(0, old.clone()).is_ok());
        assert!(states.judge(0, new.clone()).is_err());
        states.begin(1);
        assert!(states.judge(0, old.clone()).is_ok());
        assert!(states.judge(0, new.clone()).is_ok());
        assert!(states.judge(0, both).is_err());
        states.done(1);
        assert!(states.judge(states.acknowledged(), old).is_err());
        assert!(states.judge(states.acknowledged(), new).is_ok());
    }
}
