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
            let cut = Act::Harm { from: leader.clone(), to: rest, harm: Harm::Cut, both_ways };
            let acts = vec![Act::AskToEnd(leader), Act::Hold(ms(dice, 0, 150)), cut, Act::Hold(ms(dice, 3_000, 8_000))];
            mended_and_back(acts)
        },
        ..PLAIN
    },
    Scenario {
        name: "handover-unheard",
        proves: "a leader hands its leaderships over and hears of nobody who took them, but routers reach it: it does not answer alone",
        round: |dice| {
            let leader = Group::one(Who::Leader);
            let cut = Act::Harm { from: peers_of_leader(), to: leader.clone(), harm: Harm::Cut, both_ways: false };
            mended_and_back(vec![cut, Act::AskToEnd(leader), Act::Hold(ms(dice, 3_000, 6_000))])
        },
        ..PLAIN
    },
    Scenario {
        name: "leader-cut-off-from-nodes",
        proves: "a leader reaches no other node, but all routers reach it: it stops answering alone before another one leads",
        round: |dice| harmed(Group::one(Who::Leader), peers_of_leader(), Harm::Cut, dice.random(), dice),
        ..PLAIN
    },
    Scenario {
        name: "leader-half-cut-off-while-follower-restarts",
        proves: "a leader is cut off from one follower and the other one restarts: it forgets what it owed and keeps it all the same",
        round: |dice| {
            let (cut, restarts) = (Group::one(Who::Follower), Group::one(Who::Other));
            vec![
                Act::Harm { from: Group::one(Who::Leader), to: cut, harm: Harm::Cut, both_ways: true },
                Act::Hold(ms(dice, 1_000, 3_000)),
                Act::Kill(restarts.clone()),
                Act::Start(restarts),
                Act::Hold(ms(dice, 2_000, 5_000)),
                Act::Mend,
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

/// All but the leader and the routers.
fn peers_of_leader() -> Group {
    Group::AllBut(vec![Who::Leader, Who::Router(0), Who::Router(1)])
}

/// After these acts the network is mended, and the leader, which has ended as it was asked to, is started again.
fn mended_and_back(mut acts: Vec<Act>) -> Vec<Act> {
    let leader = Group::one(Who::Leader);
    acts.extend([Act::Mend, Act::Ended(leader.clone()), Act::Start(leader), WHOLE]);
    acts
}

/// The network is harmed, for longer than any election, and mended.
fn harmed(from: Group, to: Group, harm: Harm, both_ways: bool, dice: &mut StdRng) -> Vec<Act> {
    vec![Act::Harm { from, to, harm, both_ways }, Act::Hold(ms(dice, 5_000, 20_000)), Act::Mend, WHOLE]
}
