//! What a process stands on fails: its power, its disk, its clock.

use dnc_tests::cluster::Victim;
use dnc_tests::process::Role;
use rand::Rng;

use super::{PLAIN, Scenario, TWO, WHOLE, ms};
use crate::disk::damage::Which;
use crate::plan::{Act, Group, Who};
use crate::world::Harm;

/// The node whose disk is small where a scenario fills it.
const SMALL: Victim = Victim { role: Role::Node, index: 1 };

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "power-cut",
        proves: "everything stops at once and what was not synced is gone: all that was acknowledged is there",
        may_fail: true,
        smoke: true,
        round: |dice| {
            let everybody = Group::everybody();
            let dark = Act::Hold(ms(dice, 200, 2_000));
            vec![Act::PowerCut(everybody.clone()), dark, Act::Start(everybody), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "lost-volume",
        proves: "a node loses its data folder and comes back as another node: what the others hold is enough",
        once: true,
        round: |dice| {
            let node = Group::one(Who::Leader);
            let down = Act::Hold(ms(dice, 500, 3_000));
            vec![Act::Kill(node.clone()), Act::Wipe(node.clone()), down, Act::Start(node), TWO]
        },
        ..PLAIN
    },
    Scenario {
        name: "lost-volume-while-another-is-behind",
        proves: "a node loses its data while another one is behind: it does not vote as who it was, and nothing is lost",
        may_fail: true,
        once: true,
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
        ..PLAIN
    },
    Scenario {
        name: "full-disk",
        proves: "the disk of a node is full: it leads nothing soon and acknowledges nothing, no check fails, and with room it goes on",
        small_disk: Some(SMALL),
        round: |dice| {
            let others = Act::LedByOthers(Group::one(Who::The(SMALL)));
            vec![Act::Fill, others, Act::Hold(ms(dice, 3_000, 10_000)), Act::Drain, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "torn-log",
        proves: "the power of a leader is cut within a write: it comes back with all that it had synced",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let (cut, start) = (Act::PowerCut(leader.clone()), Act::Start(leader.clone()));
            vec![cut, Act::Tear(leader, dice.random_range(1..=300)), Act::Hold(ms(dice, 0, 2_000)), start, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "flipped-log",
        proves: "a bit of each log of a node is flipped: it is found, and the node is whole again by itself, as another one",
        once: true,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let flip = Act::Flip(leader.clone(), Which::Log, dice.random_range(100..900));
            let start = Act::Start(leader.clone());
            vec![Act::Kill(leader.clone()), flip, start, Act::Replaced(leader), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "flipped-table",
        proves: "a bit of each table of a node is flipped: it is found, and the node is whole again by itself, as another one",
        once: true,
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let (kill, start) = (Act::Kill(leader.clone()), Act::Start(leader.clone()));
            let flip = Act::Flip(leader.clone(), Which::Table, dice.random_range(100..900));
            // Tables are made of the log when a node starts.
            vec![kill.clone(), start.clone(), WHOLE, kill, flip, start, Act::Replaced(leader), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "stalled-fsync",
        proves: "the disk of a leader does not come back from a sync: others lead its shards soon, no check fails",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let stalled = Act::Hold(ms(dice, 1_000, 8_000));
            let others = Act::LedByOthers(leader.clone());
            vec![Act::Stall(leader.clone()), others, stalled, Act::Soothe(leader), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "failing-fsync",
        proves: "the disk of a leader fails each sync: it acknowledges nothing, and comes back once it is started anew",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let fails = Act::Hold(ms(dice, 2_000, 8_000));
            let (fail, soothe) = (Act::FailSync(leader.clone()), Act::Soothe(leader.clone()));
            vec![fail, fails, soothe, Act::PowerCut(leader.clone()), Act::Start(leader), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "clock",
        proves: "the clock of a leader is an hour ahead or behind: no answer changes",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let ahead_s = if dice.random() { 3_600 } else { -3_600 };
            let wrong = Act::Hold(ms(dice, 5_000, 15_000));
            vec![Act::Clock(leader.clone(), ahead_s), wrong, Act::Soothe(leader), WHOLE]
        },
        ..PLAIN
    },
];
