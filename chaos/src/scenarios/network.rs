//! Messages are cut off, lost or late.

use rand::Rng;
use rand::rngs::StdRng;

use super::{PLAIN, Scenario, WHOLE, ms};
use crate::plan::{Act, Group, Who};
use crate::world::Harm;

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "split",
        proves: "a leader, the meta leader and a router are cut off from the rest: the majority goes on, the minority clears nothing",
        smoke: true,
        round: |dice| {
            let minority = vec![Who::Leader, Who::MetaLeader, Who::Router(0)];
            harmed(Group::These(minority.clone()), Group::AllBut(minority), Harm::Cut, true, dice)
        },
        ..PLAIN
    },
    Scenario {
        name: "one-way-cut",
        proves: "a leader hears all and is heard by nobody, or the other way around: no check fails, others take over",
        smoke: true,
        round: |dice| {
            let (leader, rest) = (Group::one(Who::Leader), Group::AllBut(vec![Who::Leader]));
            let (from, to) = if dice.random() { (leader, rest) } else { (rest, leader) };
            harmed(from, to, Harm::Cut, false, dice)
        },
        ..PLAIN
    },
    Scenario {
        name: "router-cut-off-from-leader",
        proves: "a router cannot reach one leader, which everybody else can: its checks find the others, no check fails",
        round: |dice| harmed(Group::one(Who::Router(0)), Group::one(Who::Leader), Harm::Cut, true, dice),
        ..PLAIN
    },
    Scenario {
        name: "handover-while-cut-off",
        proves: "a leader hands its leaderships over while it is being cut off: no check fails, each shard is led by one",
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
        ..PLAIN
    },
    Scenario {
        name: "loss",
        proves: "some packets between all processes are lost: late is allowed, wrong is not",
        may_fail: true,
        round: |dice| {
            let percent = dice.random_range(1..=10);
            harmed(Group::everybody(), Group::everybody(), Harm::Loss(percent), false, dice)
        },
        ..PLAIN
    },
    Scenario {
        name: "delay",
        proves: "all that a leader sends and hears comes late: others are asked meanwhile, no check fails",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let delay = Act::Delay(leader, ms(dice, 5, 400), ms(dice, 1, 100));
            vec![delay, Act::Hold(ms(dice, 5_000, 15_000)), Act::Mend, WHOLE]
        },
        ..PLAIN
    },
];

/// The network is harmed, for longer than any election, and mended.
fn harmed(from: Group, to: Group, harm: Harm, both_ways: bool, dice: &mut StdRng) -> Vec<Act> {
    vec![Act::Harm { from, to, harm, both_ways }, Act::Hold(ms(dice, 5_000, 20_000)), Act::Mend, WHOLE]
}
