//! Replicas move to another node meanwhile.

use std::time::Duration;

use dnc_tests::cluster::Victim;
use dnc_tests::process::Role;
use rand::Rng;

use super::{PLAIN, Scenario, WHOLE, ms};
use crate::plan::{Act, Group, Who};
use crate::world::Harm;

/// The node that joins.
const NEWCOMER: Who = Who::The(Victim { role: Role::Node, index: 3 });

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "drain-while-another-is-killed",
        proves: "a node gives all of its replicas to a new one while another is killed: no check fails, it holds none at the end",
        once: true,
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
        ..PLAIN
    },
    Scenario {
        name: "moved-away",
        proves: "a router that has not heard of a move asks who has lost its replicas and one who was left behind: it clears nothing",
        may_fail: true,
        once: true,
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
        ..PLAIN
    },
];
