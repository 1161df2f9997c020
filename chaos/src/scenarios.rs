//! The scenarios: what each one does in a round, and what may fail meanwhile. Nothing in here does anything.
//!
//! No scenario excuses a false clear, a loss or a removal that comes back. Checks may fail only where
//! the design says so: while a shard has no majority, or nobody is there to ask.

use std::time::Duration;

use dnc_core::tenant::DEFAULT_TENANT;
use dnc_tests::cluster::{Size, Victim};
use dnc_tests::process::Role;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::disk::damage::Which;
use crate::plan::{Act, Group, Who};
use crate::world::Harm;

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

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "kill-leader",
        proves: "the node that leads most shards is killed: no check fails, nothing acknowledged is lost",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: true,
        round: |dice| killed(Who::Leader, dice),
    },
    Scenario {
        name: "kill-follower",
        proves: "the node that leads fewest shards is killed: no check fails, nothing acknowledged is lost",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| killed(Who::Follower, dice),
    },
    Scenario {
        name: "pause-60s",
        proves: "a leader stands still for a minute and wakes up in another term: no check fails, it answers nothing stale",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |_| {
            let leader = Group::one(Who::Leader);
            vec![Act::Pause(leader.clone()), Act::Hold(Duration::from_secs(60)), Act::Resume(leader), WHOLE]
        },
    },
    Scenario {
        name: "split",
        proves: "a leader, the meta leader and a router are cut off from the rest: the majority goes on, the minority clears nothing",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: true,
        round: |dice| {
            let minority = vec![Who::Leader, Who::MetaLeader, Who::Router(0)];
            harmed(Group::These(minority.clone()), Group::AllBut(minority), Harm::Cut, true, dice)
        },
    },
    Scenario {
        name: "one-way-cut",
        proves: "a leader hears all and is heard by nobody, or the other way around: no check fails, others take over",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: true,
        round: |dice| {
            let (leader, rest) = (Group::one(Who::Leader), Group::AllBut(vec![Who::Leader]));
            let (from, to) = if dice.random() { (leader, rest) } else { (rest, leader) };
            harmed(from, to, Harm::Cut, false, dice)
        },
    },
    Scenario {
        name: "lost-volume",
        proves: "a node loses its data folder and comes back as another node: what the others hold is enough",
        may_fail: false,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let node = Group::one(Who::Leader);
            let down = Act::Hold(ms(dice, 500, 3_000));
            vec![Act::Kill(node.clone()), Act::Wipe(node.clone()), down, Act::Start(node), TWO]
        },
    },
    Scenario {
        name: "power-cut",
        proves: "everything stops at once and what was not synced is gone: all that was acknowledged is there",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: true,
        round: |dice| {
            let everybody = Group::everybody();
            let dark = Act::Hold(ms(dice, 200, 2_000));
            vec![Act::PowerCut(everybody.clone()), dark, Act::Start(everybody), WHOLE]
        },
    },
    Scenario {
        name: "rolling-restart",
        proves: "every process is restarted in turn under load: no check fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |_| vec![Act::Roll(Group::everybody()), WHOLE],
    },
    Scenario {
        name: "handover-while-cut-off",
        proves: "a leader hands its leaderships over while it is being cut off: no check fails, each shard is led by one",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let (leader, rest) = (Group::one(Who::Leader), Group::AllBut(vec![Who::Leader]));
            let both_ways = dice.random();
            vec![
                Act::AskToEnd(leader.clone()),
                Act::Hold(ms(dice, 0, 150)),
                Act::Harm { from: leader.clone(), to: rest, harm: Harm::Cut, both_ways },
                Act::Hold(ms(dice, 3_000, 8_000)),
                Act::Mend,
                Act::Ended(leader.clone()),
                Act::Start(leader),
                WHOLE,
            ]
        },
    },
    Scenario {
        name: "activate-while-leader-killed",
        proves: "a leader is killed while a list is replaced: every bulk is judged by one version, and the new one becomes active",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let (kill, start) = (Act::Kill(leader.clone()), Act::Start(leader));
            vec![Act::Load, Act::Hold(ms(dice, 0, 500)), kill, Act::Hold(ms(dice, 0, 5_000)), start, Act::Loaded, WHOLE]
        },
    },
    Scenario {
        name: "import-killed",
        proves: "the router that loads a list is killed in the middle: nothing has changed, or all of it",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let router = Group::one(Who::Router(0));
            let (kill, start) = (Act::Kill(router.clone()), Act::Start(router));
            vec![Act::Load, Act::Hold(ms(dice, 0, 500)), kill, Act::Hold(ms(dice, 0, 3_000)), start, Act::Loaded, WHOLE]
        },
    },
    Scenario {
        name: "rule-while-router-cut-off",
        proves: "a router is cut off from the meta group while a rule is added: it clears nothing that the rule lists",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: true,
        round: |dice| {
            let (router, voters) = (Group::one(Who::Router(0)), Group::All(Role::Meta));
            let cut = Act::Harm { from: router, to: voters, harm: Harm::Cut, both_ways: true };
            let (before, after) = (Act::Hold(ms(dice, 500, 4_000)), Act::Hold(ms(dice, 3_000, 8_000)));
            vec![cut, before, Act::AddRule { router: 1 }, Act::RuleAdded, after, Act::Mend, WHOLE]
        },
    },
    Scenario {
        name: "rule-while-shards-cut-off",
        proves: "a rule is added while the meta group and a router are cut off from all shards: nobody is told that it holds before it does",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let deciding = [Group::All(Role::Meta), Group::one(Who::Router(1))];
            let mut acts: Vec<Act> = deciding
                .into_iter()
                .flat_map(|from| [Group::All(Role::Node), Group::one(Who::Router(0))].map(|to| (from.clone(), to)))
                .map(|(from, to)| Act::Harm { from, to, harm: Harm::Cut, both_ways: true })
                .collect();
            let after = Act::Hold(ms(dice, 3_000, 6_000));
            acts.extend([Act::AddRule { router: 1 }, after, Act::Mend, Act::RuleAdded, WHOLE]);
            acts
        },
    },
    Scenario {
        name: "kill-router",
        proves: "a router is killed: callers go to the other one, no check fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| killed(Who::Router(dice.random_range(0..2)), dice),
    },
    Scenario {
        name: "kill-meta-voter",
        proves: "a meta voter that follows is killed: nobody notices",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| killed(Who::MetaFollower, dice),
    },
    Scenario {
        name: "kill-meta-leader",
        proves: "the meta leader is killed: nobody notices",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| killed(Who::MetaLeader, dice),
    },
    Scenario {
        name: "kill-meta-group",
        proves: "all meta voters are killed: checks and opt-outs go on",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let voters = Group::All(Role::Meta);
            let down = Act::Hold(ms(dice, 5_000, 15_000));
            vec![Act::Kill(voters.clone()), down, Act::Start(voters), WHOLE]
        },
    },
    Scenario {
        name: "router-cut-off-from-leader",
        proves: "a router cannot reach one leader, which everybody else can: its checks find the others, no check fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| harmed(Group::one(Who::Router(0)), Group::one(Who::Leader), Harm::Cut, true, dice),
    },
    Scenario {
        name: "loss",
        proves: "some packets between all processes are lost: late is allowed, wrong is not",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let percent = dice.random_range(1..=10);
            harmed(Group::everybody(), Group::everybody(), Harm::Loss(percent), false, dice)
        },
    },
    Scenario {
        name: "delay",
        proves: "all that a leader sends and hears comes late: others are asked meanwhile, no check fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let delay = Act::Delay(leader, ms(dice, 5, 400), ms(dice, 1, 100));
            vec![delay, Act::Hold(ms(dice, 5_000, 15_000)), Act::Mend, WHOLE]
        },
    },
    Scenario {
        name: "full-disk",
        proves: "the disk of a node is full: it leads nothing soon and acknowledges nothing, no check fails, and with room it goes on",
        may_fail: false,
        once: false,
        small_disk: Some(SMALL),
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let others = Act::LedByOthers(Group::one(Who::The(SMALL)));
            vec![Act::Fill, others, Act::Hold(ms(dice, 3_000, 10_000)), Act::Drain, WHOLE]
        },
    },
    Scenario {
        name: "torn-log",
        proves: "the power of a leader is cut within a write: it comes back with all that it had synced",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let (cut, start) = (Act::PowerCut(leader.clone()), Act::Start(leader.clone()));
            vec![cut, Act::Tear(leader, dice.random_range(1..=300)), Act::Hold(ms(dice, 0, 2_000)), start, WHOLE]
        },
    },
    Scenario {
        name: "flipped-log",
        proves: "a bit of each log of a node is flipped: it is found, and the node is whole again by itself, as another one",
        may_fail: false,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let flip = Act::Flip(leader.clone(), Which::Log, dice.random_range(100..900));
            let start = Act::Start(leader.clone());
            vec![Act::Kill(leader.clone()), flip, start, Act::Replaced(leader), WHOLE]
        },
    },
    Scenario {
        name: "flipped-table",
        proves: "a bit of each table of a node is flipped: it is found, and the node is whole again by itself, as another one",
        may_fail: false,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let (kill, start) = (Act::Kill(leader.clone()), Act::Start(leader.clone()));
            let flip = Act::Flip(leader.clone(), Which::Table, dice.random_range(100..900));
            // Tables are made of the log when a node starts.
            vec![kill.clone(), start.clone(), WHOLE, kill, flip, start, Act::Replaced(leader), WHOLE]
        },
    },
    Scenario {
        name: "stalled-fsync",
        proves: "the disk of a leader does not come back from a sync: others lead its shards soon, no check fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let stalled = Act::Hold(ms(dice, 1_000, 8_000));
            let others = Act::LedByOthers(leader.clone());
            vec![Act::Stall(leader.clone()), others, stalled, Act::Soothe(leader), WHOLE]
        },
    },
    Scenario {
        name: "failing-fsync",
        proves: "the disk of a leader fails each sync: it acknowledges nothing, and comes back once it is started anew",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let fails = Act::Hold(ms(dice, 2_000, 8_000));
            let (fail, soothe) = (Act::FailSync(leader.clone()), Act::Soothe(leader.clone()));
            vec![fail, fails, soothe, Act::PowerCut(leader.clone()), Act::Start(leader), WHOLE]
        },
    },
    Scenario {
        name: "clock",
        proves: "the clock of a leader is an hour ahead or behind: no answer changes",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let ahead_s = if dice.random() { 3_600 } else { -3_600 };
            let wrong = Act::Hold(ms(dice, 5_000, 15_000));
            vec![Act::Clock(leader.clone(), ahead_s), wrong, Act::Soothe(leader), WHOLE]
        },
    },
    Scenario {
        name: "overload",
        proves: "five times as many call as routers take in: who is too many is refused early, and no less is answered than before",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[("DNC_MAX_IN_FLIGHT", "32")],
        smoke: false,
        round: |_| {
            let hold = Act::Hold(Duration::from_secs(6));
            let flood = |times| Act::Flood(times, DEFAULT_TENANT);
            vec![flood(1), hold.clone(), Act::Ebb, flood(5), hold, Act::Ebb, WHOLE]
        },
    },
    Scenario {
        name: "noisy-tenant",
        proves: "one tenant calls five times as much as routers take in: it is refused, and no check of another tenant fails",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[("DNC_MAX_IN_FLIGHT", "32")],
        smoke: false,
        round: |dice| {
            let noise = Act::Hold(ms(dice, 5_000, 10_000));
            vec![Act::Flood(5, "noisy"), noise, Act::Ebb, WHOLE]
        },
    },
    Scenario {
        name: "power-cut-in-burst",
        proves: "everything stops at once while many numbers are suppressed: all that was acknowledged lists from the first answer on",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let everybody = Group::everybody();
            let (before, dark) = (Act::Hold(ms(dice, 300, 900)), Act::Hold(ms(dice, 200, 1_000)));
            vec![Act::Burst, before, Act::PowerCut(everybody.clone()), dark, Act::Start(everybody), WHOLE]
        },
    },
    Scenario {
        name: "crowd",
        proves: "tens of thousands of numbers of one shard are suppressed: its filter grows, and misses none of them",
        may_fail: false,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |_| vec![Act::Crowd, WHOLE],
    },
    Scenario {
        name: "exempt-while-node-killed",
        proves: "nodes are killed while exemptions come and go: none that is revoked lifts a listing",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let who = if dice.random() { Who::Leader } else { Who::Follower };
            let mut acts = vec![Act::Exempt, Act::Hold(ms(dice, 1_500, 2_500))];
            acts.extend(killed(who, dice));
            acts
        },
    },
    Scenario {
        name: "late-repeats",
        proves: "releases are repeated after all nodes were killed: what was suppressed again meanwhile stays",
        may_fail: true,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let nodes = Group::All(Role::Node);
            let (kill, down, start) = (Act::Kill(nodes.clone()), Act::Hold(ms(dice, 0, 1_000)), Act::Start(nodes));
            let settle = Act::Hold(Duration::from_secs(1));
            vec![Act::SuppressAgain, kill, down, start, WHOLE, Act::RepeatReleases, settle, WHOLE]
        },
    },
    Scenario {
        name: "lost-volume-while-another-is-behind",
        proves: "a node loses its data while another one is behind: it does not vote as who it was, and nothing is lost",
        may_fail: true,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let (ahead, lost) = (Group::one(Who::Leader), Group::one(Who::Other));
            let both = Group::These(vec![Who::Leader, Who::Other]);
            vec![
                Act::Harm { from: Group::one(Who::Follower), to: both.clone(), harm: Harm::Cut, both_ways: true },
                Act::Hold(ms(dice, 3_000, 5_000)),
                Act::Kill(both),
                Act::Wipe(lost.clone()),
                Act::Mend,
                Act::Start(lost),
                Act::Hold(ms(dice, 6_000, 8_000)),
                Act::Start(ahead),
                TWO,
            ]
        },
    },
    Scenario {
        name: "drain-while-another-is-killed",
        proves: "a node gives all of its replicas to a new one while another is killed: no check fails, it holds none at the end",
        may_fail: false,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let killed = Group::one(Who::Leader);
            vec![
                Act::Join,
                Act::Depart { who: Who::Follower, router: 0 },
                Act::Moved(dice.random_range(1..=3)),
                Act::Kill(killed.clone()),
                Act::Hold(ms(dice, 2_000, 6_000)),
                Act::Start(killed),
                Act::Departed,
                WHOLE,
            ]
        },
    },
    Scenario {
        name: "moved-away",
        proves: "a router that has not heard of a move asks who has lost its replicas and one who was left behind: it clears nothing",
        may_fail: true,
        once: true,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            // Who leaves and who is left behind on one side, with a router; the new majority and all others on the other.
            let (router, leaves, behind) = (Who::Router(0), Who::Leader, Who::Other);
            let but = |these: &[Who]| Group::AllBut(these.to_vec());
            let cut = |from: Group, to: Group| Act::Harm { from, to, harm: Harm::Cut, both_ways: true };
            vec![
                Act::Join,
                cut(Group::one(router), but(&[router, leaves, behind])),
                cut(Group::one(leaves), but(&[leaves, router])),
                cut(Group::These(vec![router, leaves]), Group::one(NEWCOMER)),
                Act::Depart { who: leaves, router: 1 },
                cut(Group::one(behind), but(&[behind, leaves, Who::Follower, router])),
                Act::Moved(1),
                Act::Hold(Duration::from_secs(4)),
                cut(Group::one(behind), Group::These(vec![Who::Follower, NEWCOMER])),
                Act::Hold(ms(dice, 4_000, 6_000)),
                Act::Mend,
                Act::Departed,
                WHOLE,
            ]
        },
    },
    Scenario {
        name: "any-process",
        proves: "any process is killed or paused, for a moment or for long: no check fails, nothing acknowledged is lost",
        may_fail: false,
        once: false,
        small_disk: None,
        router_settings: &[],
        smoke: false,
        round: |dice| {
            let victims = Size::default().victims();
            let victim: Victim = *victims.choose(dice).expect("a cluster has processes");
            if dice.random() {
                return killed(Who::The(victim), dice);
            }
            let one = Group::one(Who::The(victim));
            vec![Act::Pause(one.clone()), Act::Hold(ms(dice, 200, 15_000)), Act::Resume(one), WHOLE]
        },
    },
];

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

/// The node that joins, where one does.
const NEWCOMER: Who = Who::The(Victim { role: Role::Node, index: 3 });

/// The node whose disk is small where a scenario fills it.
const SMALL: Victim = Victim { role: Role::Node, index: 1 };

/// Somebody is killed, and comes back after a while.
fn killed(who: Who, dice: &mut StdRng) -> Vec<Act> {
    let one = Group::one(who);
    vec![Act::Kill(one.clone()), Act::Hold(ms(dice, 0, 8_000)), Act::Start(one), WHOLE]
}

/// The network is harmed, for longer than any election, and mended.
fn harmed(from: Group, to: Group, harm: Harm, both_ways: bool, dice: &mut StdRng) -> Vec<Act> {
    vec![Act::Harm { from, to, harm, both_ways }, Act::Hold(ms(dice, 5_000, 20_000)), Act::Mend, WHOLE]
}

fn ms(dice: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(dice.random_range(from..=to))
}

/// One by its name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errands::IN_FLIGHT;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_ends_whole() {
        let names: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        for scenario in ALL {
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
        for scenario in ALL {
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
