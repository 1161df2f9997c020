//! The scenarios: what each one does in a round, and what may fail meanwhile. Nothing in here does anything.
//!
//! No scenario excuses a false clear, a loss or a removal that comes back. Checks may fail only where
//! the design says so: while a shard has no majority, or nobody is there to ask. Here is what a
//! scenario is; the scenarios themselves are in the files beside, by what they hurt.

mod disk;
mod kills;
mod lists;
mod load;
mod moves;
mod network;

use std::time::Duration;

use dnc_tests::cluster::Victim;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::plan::{Act, Group, Who};

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows if it ends well.
    pub proves: &'static str,
    /// Whether checks may fail from the first act of a round until all is whole.
    pub may_fail: bool,
    /// Whether it can be done once only to a cluster.
    pub once: bool,
    /// Whose disk is a small one.
    pub small_disk: Option<Victim>,
    /// Settings of the routers, where the usual ones would hide what is looked at.
    pub router_settings: &'static [(&'static str, &'static str)],
    /// Whether it is one of the few that every change is tried with.
    pub smoke: bool,
    /// What is done in one round, whole again at its end.
    pub round: fn(&mut StdRng) -> Vec<Act>,
}

/// All files, in the order in which the scenarios are listed and run.
const THEMES: [&[Scenario]; 6] =
    [kills::SCENARIOS, network::SCENARIOS, disk::SCENARIOS, lists::SCENARIOS, load::SCENARIOS, moves::SCENARIOS];

/// Routers ask majorities.
const NO_LEASES: &[(&str, &str)] = &[("DNC_LEASE_READS", "false")];

/// What a scenario is like unless it says otherwise.
const PLAIN: Scenario = Scenario {
    name: "",
    proves: "",
    may_fail: false,
    once: false,
    small_disk: None,
    router_settings: &[],
    smoke: false,
    round: |_| Vec::new(),
};

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    THEMES.into_iter().flatten()
}

/// One by its name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    all().find(|scenario| scenario.name == name)
}

// === impl Scenario ===

impl Scenario {
    /// The acts of the first round that a seed makes.
    pub fn acts(&self, seed: u64) -> Vec<Act> {
        (self.round)(&mut StdRng::seed_from_u64(seed))
    }
}

/// All is as it was.
const WHOLE: Act = Act::Whole { replicas: 3 };

/// One node's replicas are lost with its folder: nobody makes new ones of them without being told to.
const TWO: Act = Act::Whole { replicas: 2 };

/// Somebody is killed, and comes back after a while.
fn killed(who: Who, dice: &mut StdRng) -> Vec<Act> {
    let one = Group::one(who);
    vec![Act::Kill(one.clone()), Act::Hold(ms(dice, 0, 8_000)), Act::Start(one), WHOLE]
}

fn ms(dice: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(dice.random_range(from..=to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errands::IN_FLIGHT;
    use dnc_tests::cluster::Size;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_ends_whole() {
        let names: BTreeSet<&str> = all().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().count());
        for scenario in all() {
            let acts = scenario.acts(1);
            assert!(matches!(acts.last(), Some(Act::Whole { .. })), "{}", scenario.name);
            assert_eq!(acts, scenario.acts(1), "{}", scenario.name);
        }
    }

    #[test]
    fn routers_are_flooded_by_what_they_take_in() {
        let overload = named("overload").expect("there is one");
        assert_eq!(overload.router_settings, [("DNC_MAX_IN_FLIGHT", IN_FLIGHT.to_string().as_str())]);
    }

    #[test]
    fn whoever_is_hurt_is_healed() {
        for scenario in all() {
            for seed in 0..20 {
                let acts = scenario.acts(seed);
                let count = |of: fn(&Act) -> bool| acts.iter().filter(|act| of(act)).count();
                let name = scenario.name;
                let size = |group: &Group| match group {
                    Group::These(these) => these.len(),
                    Group::AllBut(these) => Size::default().victims().len() - these.len(),
                    Group::All(_) => 3,
                };
                let down = acts.iter().map(|act| match act {
                    Act::Kill(group) | Act::PowerCut(group) | Act::Ended(group) => size(group),
                    _ => 0,
                });
                let up = acts.iter().map(|act| match act {
                    Act::Start(group) => size(group),
                    _ => 0,
                });
                assert_eq!(down.sum::<usize>(), up.sum::<usize>(), "{name}");
                let paused = count(|act| matches!(act, Act::Pause(_)));
                assert_eq!(paused, count(|act| matches!(act, Act::Resume(_))), "{name}");
                let harmed = count(|act| matches!(act, Act::Harm { .. } | Act::Delay(..)));
                assert_eq!(harmed > 0, count(|act| matches!(act, Act::Mend)) > 0, "{name}");
            }
        }
    }
}
