//! Processes are killed, paused or restarted; their disks keep what they hold.

use std::time::Duration;

use dnc_tests::cluster::{Size, Victim};
use dnc_tests::process::Role;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{NO_LEASES, PLAIN, Scenario, WHOLE, killed, ms};
use crate::plan::{Act, Group, Who};

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kill-leader",
        proves: "the node that leads most shards is killed: no check fails, nothing acknowledged is lost",
        smoke: true,
        round: |dice| killed(Who::Leader, dice),
        ..PLAIN
    },
    Scenario {
        name: "kill-follower-without-leases",
        proves: "the same as kill-follower with routers that trust no clock: each check asks a majority",
        router_settings: NO_LEASES,
        round: |dice| killed(Who::Follower, dice),
        ..PLAIN
    },
    Scenario {
        name: "kill-follower",
        proves: "the node that leads fewest shards is killed: no check fails, nothing acknowledged is lost",
        round: |dice| killed(Who::Follower, dice),
        ..PLAIN
    },
    Scenario {
        name: "pause-60s",
        proves: "a leader stands still for a minute and wakes up in another term: no check fails, it answers nothing stale",
        round: |_| {
            let leader = Group::one(Who::Leader);
            vec![Act::Pause(leader.clone()), Act::Hold(Duration::from_secs(60)), Act::Resume(leader), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "kill-router",
        proves: "a router is killed: callers go to the other one, no check fails",
        round: |dice| killed(Who::Router(dice.random_range(0..2)), dice),
        ..PLAIN
    },
    Scenario {
        name: "kill-meta-voter",
        proves: "a meta voter that follows is killed: nobody notices",
        round: |dice| killed(Who::MetaFollower, dice),
        ..PLAIN
    },
    Scenario {
        name: "kill-meta-leader",
        proves: "the meta leader is killed: nobody notices",
        round: |dice| killed(Who::MetaLeader, dice),
        ..PLAIN
    },
    Scenario {
        name: "kill-meta-group",
        proves: "all meta voters are killed: checks and opt-outs go on",
        round: |dice| {
            let voters = Group::All(Role::Meta);
            let down = Act::Hold(ms(dice, 5_000, 15_000));
            vec![Act::Kill(voters.clone()), down, Act::Start(voters), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "rolling-restart",
        proves: "every process is restarted in turn under load: no check fails",
        round: |_| vec![Act::Roll(Group::everybody()), WHOLE],
        ..PLAIN
    },
    Scenario {
        name: "any-process",
        proves: "any process is killed or paused, for a moment or for long: no check fails, nothing acknowledged is lost",
        round: |dice| {
            let victims = Size::default().victims();
            let victim: Victim = *victims.choose(dice).expect("a cluster has processes");
            if dice.random() {
                return killed(Who::The(victim), dice);
            }
            let one = Group::one(Who::The(victim));
            vec![Act::Pause(one.clone()), Act::Hold(ms(dice, 200, 15_000)), Act::Resume(one), WHOLE]
        },
        ..PLAIN
    },
];
