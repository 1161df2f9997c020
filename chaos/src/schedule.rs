//! What is done to whom, and when: decided by a seed before anything happens.

use std::time::Duration;

use clap::ValueEnum;
use dnc_tests::cluster::{Fault, Size, Victim};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// What is done to processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// They are killed, and started again.
    Kill,
    /// They are stopped in their tracks, and resumed.
    Pause,
    /// Both, in any order.
    All,
}

/// One fault of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Time of whole cluster before it.
    pub calm: Duration,
    /// Who is hurt.
    pub victim: Victim,
    /// How.
    pub fault: Fault,
}

/// How long a process may stay down.
const DOWN_MS: std::ops::RangeInclusive<u64> = 0..=8_000;

/// How long a process may stand still: from shorter than an election to much longer than any deadline.
const STILL_MS: std::ops::RangeInclusive<u64> = 200..=15_000;

/// Time between a recovery and the next fault.
const CALM_MS: std::ops::RangeInclusive<u64> = 0..=4_000;

/// What a recovery is reckoned to take when a schedule is made.
const RECOVERY: Duration = Duration::from_secs(1);

/// Faults for about so long. The same arguments give the same schedule; a longer one begins with the shorter one.
pub fn schedule(scenario: Scenario, seed: u64, minutes: u32, size: Size) -> Vec<Step> {
    let mut dice = StdRng::seed_from_u64(seed);
    let victims = size.victims();
    let whole = Duration::from_secs(60) * minutes;
    let mut spent = Duration::ZERO;
    let mut steps = Vec::new();
    let ms = |dice: &mut StdRng, range| Duration::from_millis(dice.random_range(range));
    while spent < whole {
        let kill = match scenario {
            Scenario::Kill => true,
            Scenario::Pause => false,
            Scenario::All => dice.random(),
        };
        let fault = if kill {
            Fault::Kill { down: ms(&mut dice, DOWN_MS) }
        } else {
            Fault::Pause { still: ms(&mut dice, STILL_MS) }
        };
        let step = Step {
            calm: ms(&mut dice, CALM_MS),
            victim: *victims.choose(&mut dice).expect("a cluster has processes"),
            fault,
        };
        spent += step.calm + step.length() + RECOVERY;
        steps.push(step);
    }
    steps
}

// === impl Step ===

impl Step {
    /// How long the fault lasts.
    fn length(&self) -> Duration {
        match self.fault {
            Fault::Kill { down } => down,
            Fault::Pause { still } => still,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(scenario: Scenario, seed: u64, minutes: u32) -> Vec<Step> {
        schedule(scenario, seed, minutes, Size::default())
    }

    #[test]
    fn a_seed_decides_the_schedule() {
        assert_eq!(of(Scenario::All, 7, 10), of(Scenario::All, 7, 10));
        assert_ne!(of(Scenario::All, 7, 10), of(Scenario::All, 8, 10));
    }

    #[test]
    fn a_longer_schedule_begins_with_the_shorter_one() {
        let short = of(Scenario::All, 3, 2);
        assert_eq!(of(Scenario::All, 3, 20)[..short.len()], short);
    }

    #[test]
    fn a_scenario_does_what_it_says_and_no_more() {
        let kills = |scenario| -> BTreeSet<bool> {
            of(scenario, 1, 30).iter().map(|step| matches!(step.fault, Fault::Kill { .. })).collect()
        };
        assert_eq!(kills(Scenario::Kill), [true].into());
        assert_eq!(kills(Scenario::Pause), [false].into());
        assert_eq!(kills(Scenario::All), [false, true].into());
    }

    #[test]
    fn every_process_is_hurt_in_a_long_enough_run() {
        let hurt: BTreeSet<Victim> = of(Scenario::All, 1, 60).iter().map(|step| step.victim).collect();
        assert_eq!(hurt.into_iter().collect::<Vec<_>>(), {
            let mut all = Size::default().victims();
            all.sort();
            all
        });
    }

    #[test]
    fn a_schedule_takes_about_as_long_as_was_asked() {
        for minutes in [1, 5, 60] {
            let steps = of(Scenario::All, 5, minutes);
            let spent: Duration = steps.iter().map(|step| step.calm + step.length() + RECOVERY).sum();
            let asked = Duration::from_secs(60) * minutes;
            assert!(spent >= asked && spent < asked + Duration::from_secs(30), "{spent:?}");
        }
    }
}
