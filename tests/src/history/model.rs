//! A cluster that keeps its promises, as small as can be: it makes histories that the checker must accept.
//!
//! Each operation takes effect at one point. For those whose caller was answered the point lies
//! between their start and their end; those of unknown outcome take effect at any time after their
//! start, or never.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::area::Area;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};
use proptest::prelude::*;

use super::event::{Event, Moment, Operation, Outcome, World};

/// Deadline of the model's checks: longer than any of them takes.
pub const DEADLINE: Duration = Duration::from_nanos(1_000);

/// What a caller is going to do, before the model says what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    number: usize,
    act: Act,
    started: u64,
    took: u64,
    /// Where between start and end it takes effect, in percent.
    point: u64,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Check,
    Suppress,
    Release,
    /// The caller never learns what became of it; it takes effect so long after its start, or never.
    LostSuppress(Option<u64>),
    LostRelease(Option<u64>),
    RefusedSuppress,
}

/// Numbers of the model: listed, two that are covered and not listed, not covered.
pub fn numbers() -> Vec<PhoneNumber> {
    ["2015550100", "2015550101", "2015550102", "3035550100"]
        .iter()
        .map(|text| PhoneNumber::parse(text).expect("a number"))
        .collect()
}

/// The lists of the model.
pub fn world() -> World {
    World { listed: [numbers()[0]].into(), covered: [Area::nanp(201).expect("an area")].into() }
}

/// Any plans.
pub fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let act = prop_oneof![
        6 => Just(Act::Check),
        3 => Just(Act::Suppress),
        2 => Just(Act::Release),
        1 => proptest::option::of(0u64..2_000).prop_map(Act::LostSuppress),
        1 => proptest::option::of(0u64..2_000).prop_map(Act::LostRelease),
        1 => Just(Act::RefusedSuppress),
    ];
    let plan = (0usize..4, act, 0u64..2_000, 2u64..400, 1u64..100)
        .prop_map(|(number, act, started, took, point)| Plan { number, act, started, took, point });
    proptest::collection::vec(plan, 0..80)
}

/// Carries the plans out: the history, and the sweep at its end.
pub fn run(plans: &[Plan]) -> (Vec<Event>, Vec<Event>) {
    let world = world();
    let numbers = numbers();
    let mut by_point: Vec<(u64, &Plan)> = plans.iter().filter_map(|p| Some((p.takes_effect()?, p))).collect();
    by_point.sort_by_key(|(point, _)| *point);
    let mut standing: BTreeMap<PhoneNumber, u32> = BTreeMap::new();
    let mut history: Vec<Event> = Vec::new();
    for (_, plan) in by_point {
        let number = numbers[plan.number];
        let operation = match plan.act {
            Act::Check => Operation::Check(Ok(verdict(&world, &standing, number))),
            Act::Suppress | Act::LostSuppress(_) => {
                *standing.entry(number).or_default() += 1;
                match plan.act {
                    Act::Suppress => Operation::Suppress(Outcome::Acknowledged),
                    _ => Operation::Suppress(Outcome::Unknown),
                }
            }
            Act::Release | Act::LostRelease(_) => {
                standing.remove(&number);
                match plan.act {
                    Act::Release => Operation::Release(Outcome::Acknowledged),
                    _ => Operation::Release(Outcome::Unknown),
                }
            }
            Act::RefusedSuppress => Operation::Suppress(Outcome::Refused),
        };
        history.push(plan.event(number, operation));
    }
    // Those that never took effect were begun all the same.
    for plan in plans.iter().filter(|p| p.takes_effect().is_none()) {
        let operation = match plan.act {
            Act::LostRelease(_) => Operation::Release(Outcome::Unknown),
            _ => Operation::Suppress(Outcome::Unknown),
        };
        history.push(plan.event(numbers[plan.number], operation));
    }
    let sweep = numbers
        .iter()
        .map(|number| Event {
            client: 9,
            number: *number,
            started: Moment(10_000),
            ended: Moment(10_001),
            operation: Operation::Check(Ok(verdict(&world, &standing, *number))),
        })
        .collect();
    (history, sweep)
}

fn verdict(world: &World, standing: &BTreeMap<PhoneNumber, u32>, number: PhoneNumber) -> Verdict {
    if world.listed.contains(&number) || standing.contains_key(&number) {
        Verdict::Listed
    } else if world.covered.contains(&number.area()) {
        Verdict::Clear
    } else {
        Verdict::Unknown(Cause::NotCovered)
    }
}

// === impl Plan ===

impl Plan {
    fn takes_effect(&self) -> Option<u64> {
        match self.act {
            Act::LostSuppress(after) | Act::LostRelease(after) => after.map(|after| (self.started + 1 + after) * 100),
            // In hundredths, so that the point lies strictly within.
            _ => Some(self.started * 100 + self.took * self.point),
        }
    }

    fn event(&self, number: PhoneNumber, operation: Operation) -> Event {
        Event { client: 0, number, started: Moment(self.started), ended: Moment(self.started + self.took), operation }
    }
}
