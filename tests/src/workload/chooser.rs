//! Which number is asked for next, and which is suppressed or released.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use dnc_core::number::PhoneNumber;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::history::Outcome;
use crate::numbers::Numbers;

/// How many of the last suppressed numbers are asked for most.
const RECENT: usize = 64;

/// Every so many checks one is in bulk.
const BULK_EVERY: u32 = 8;

/// The numbers that some client suppressed last: where a false clear would show first.
#[derive(Debug, Default)]
pub struct Recent {
    numbers: Mutex<VecDeque<PhoneNumber>>,
}

/// Chooses what one client checks.
pub struct Chooser {
    numbers: Arc<Numbers>,
    recent: Arc<Recent>,
    bulk: usize,
    dice: StdRng,
}

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Suppress this number for good.
    Keep(PhoneNumber),
    /// Suppress this number, to release it later.
    Suppress(PhoneNumber),
    /// Release all suppressions of this number.
    Release(PhoneNumber),
}

/// Chooses what one client writes, and knows what it wrote to its numbers.
///
/// One half of its numbers is suppressed once and never released: none of these may be lost. The
/// other half is suppressed and released in turn; a number whose release has an unknown outcome is
/// left alone from then on, because nothing certain can be said of it any more.
pub struct Writer {
    keep: Vec<PhoneNumber>,
    free: Vec<PhoneNumber>,
    suppressed: Vec<PhoneNumber>,
    dice: StdRng,
}

// === impl Recent ===

impl Recent {
    /// A number was suppressed just now.
    pub fn push(&self, number: PhoneNumber) {
        let mut numbers = self.numbers.lock().expect("nobody panics while holding it");
        if numbers.len() == RECENT {
            numbers.pop_front();
        }
        numbers.push_back(number);
    }

    fn choose(&self, dice: &mut StdRng) -> Option<PhoneNumber> {
        let numbers = self.numbers.lock().expect("nobody panics while holding it");
        let at = dice.random_range(0..numbers.len().max(1));
        numbers.get(at).copied()
    }
}

// === impl Chooser ===

impl Chooser {
    /// The same seed gives the same choices, but for the numbers suppressed last.
    pub fn new(numbers: Arc<Numbers>, recent: Arc<Recent>, bulk: usize, seed: u64) -> Chooser {
        Chooser { numbers, recent, bulk, dice: StdRng::seed_from_u64(seed) }
    }

    /// One number, or a bulk of them.
    pub fn next(&mut self) -> Vec<PhoneNumber> {
        let count = if self.dice.random_ratio(1, BULK_EVERY) { self.bulk.max(2) } else { 1 };
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> PhoneNumber {
        let dice = &mut self.dice;
        if dice.random_ratio(2, 5)
            && let Some(number) = self.recent.choose(dice)
        {
            return number;
        }
        let numbers = &self.numbers;
        let from = match dice.random_range(0..8) {
            0..4 => numbers.own.choose(dice).expect("there is a client"),
            4 | 5 => &numbers.listed,
            6 => &numbers.clear,
            _ => &numbers.uncovered,
        };
        *from.choose(dice).expect("every kind has numbers")
    }
}

// === impl Writer ===

impl Writer {
    /// Writes to these numbers, and to no others.
    pub fn new(mut own: Vec<PhoneNumber>, seed: u64) -> Writer {
        let keep = own.split_off(own.len() / 2);
        Writer { keep, free: own, suppressed: Vec::new(), dice: StdRng::seed_from_u64(!seed) }
    }

    /// The next write; none if all numbers are used up.
    pub fn next(&mut self) -> Option<Write> {
        // Few of the kept ones at a time: at the usual load they last a quarter of an hour of faults.
        if self.dice.random_ratio(1, 20)
            && let Some(number) = take(&mut self.keep, &mut self.dice)
        {
            return Some(Write::Keep(number));
        }
        let release = self.dice.random_ratio(1, 2);
        if release && let Some(number) = take(&mut self.suppressed, &mut self.dice) {
            return Some(Write::Release(number));
        }
        if let Some(number) = take(&mut self.free, &mut self.dice) {
            return Some(Write::Suppress(number));
        }
        if let Some(number) = take(&mut self.suppressed, &mut self.dice) {
            return Some(Write::Release(number));
        }
        take(&mut self.keep, &mut self.dice).map(Write::Keep)
    }

    /// What became of the write that was chosen last.
    pub fn learn(&mut self, write: Write, outcome: Outcome) {
        match (write, outcome) {
            (Write::Keep(_), _) => {}
            // A suppression that may stand is released as one that does.
            (Write::Suppress(number), Outcome::Acknowledged | Outcome::Unknown) => self.suppressed.push(number),
            (Write::Release(number), Outcome::Refused) => self.suppressed.push(number),
            (Write::Suppress(number), Outcome::Refused) => self.free.push(number),
            (Write::Release(number), Outcome::Acknowledged) => self.free.push(number),
            (Write::Release(_), Outcome::Unknown) => {}
        }
    }
}

fn take(from: &mut Vec<PhoneNumber>, dice: &mut StdRng) -> Option<PhoneNumber> {
    if from.is_empty() {
        return None;
    }
    let at = dice.random_range(0..from.len());
    Some(from.swap_remove(at))
}
