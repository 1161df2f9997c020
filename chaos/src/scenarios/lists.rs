//! Lists, rules and exemptions change, and requests are repeated, while something fails.

use std::time::Duration;

use dnc_tests::process::Role;
use rand::Rng;
use rand::rngs::StdRng;

use super::{NO_LEASES, PLAIN, Scenario, WHOLE, killed, ms};
use crate::plan::{Act, Group, Who};
use crate::world::Harm;

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "activate-while-leader-killed",
        proves: "a leader is killed while a list is replaced: every bulk is judged by one version, and the new one becomes active",
        round: activated_while_leader_killed,
        ..PLAIN
    },
    Scenario {
        name: "activate-while-leader-killed-without-leases",
        proves: "the same with routers that trust no clock: replicas that do not have the version yet are asked too",
        router_settings: NO_LEASES,
        round: activated_while_leader_killed,
        ..PLAIN
    },
    Scenario {
        name: "back-with-old-list-without-leases",
        proves: "a node is away while a list is replaced, and comes back to routers, but not to other nodes: it answers for no list that it lacks",
        router_settings: NO_LEASES,
        round: |dice| {
            let follower = Group::one(Who::Follower);
            let nodes = Group::AllBut(vec![Who::Follower, Who::Router(0), Who::Router(1)]);
            let cut = Act::Harm { from: follower.clone(), to: nodes, harm: Harm::Cut, both_ways: true };
            let (kill, start) = (Act::Kill(follower.clone()), Act::Start(follower));
            vec![kill, Act::Load, Act::Loaded, cut, start, Act::Hold(ms(dice, 4_000, 8_000)), Act::Mend, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "import-killed",
        proves: "the router that loads a list is killed in the middle: nothing has changed, or all of it",
        round: |dice| {
            let router = Group::one(Who::Router(0));
            let (kill, start) = (Act::Kill(router.clone()), Act::Start(router));
            vec![Act::Load, Act::Hold(ms(dice, 0, 500)), kill, Act::Hold(ms(dice, 0, 3_000)), start, Act::Loaded, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "rule-while-router-cut-off",
        proves: "a router is cut off from the meta group while a rule is added: it clears nothing that the rule lists",
        smoke: true,
        round: |dice| {
            let (router, voters) = (Group::one(Who::Router(0)), Group::All(Role::Meta));
            let cut = Act::Harm { from: router, to: voters, harm: Harm::Cut, both_ways: true };
            let (before, after) = (Act::Hold(ms(dice, 500, 4_000)), Act::Hold(ms(dice, 3_000, 8_000)));
            vec![cut, before, Act::AddRule { router: 1 }, Act::RuleAdded, after, Act::Mend, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "rule-while-shards-cut-off",
        proves: "a rule is added while the meta group and a router are cut off from all shards: nobody is told that it holds before it does",
        may_fail: true,
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
        ..PLAIN
    },
    Scenario {
        name: "exempt-while-node-killed",
        proves: "nodes are killed while exemptions come and go: none that is revoked lifts a listing",
        round: |dice| {
            let who = if dice.random() { Who::Leader } else { Who::Follower };
            let mut acts = vec![Act::Exempt, Act::Hold(ms(dice, 1_500, 2_500))];
            acts.extend(killed(who, dice));
            acts
        },
        ..PLAIN
    },
    Scenario {
        name: "exempt-while-node-killed-without-leases",
        proves: "the same with routers that trust no clock: of a majority, one that lags shows what another knows to be revoked",
        router_settings: NO_LEASES,
        round: |dice| {
            let mut acts = vec![Act::Exempt, Act::Hold(ms(dice, 1_500, 2_500))];
            acts.extend(killed(Who::Follower, dice));
            acts
        },
        ..PLAIN
    },
    Scenario {
        name: "late-repeats",
        proves: "releases are repeated after all nodes were killed: what was suppressed again meanwhile stays",
        may_fail: true,
        round: |dice| {
            let nodes = Group::All(Role::Node);
            let (kill, down, start) = (Act::Kill(nodes.clone()), Act::Hold(ms(dice, 0, 1_000)), Act::Start(nodes));
            let settle = Act::Hold(Duration::from_secs(1));
            vec![Act::SuppressAgain, kill, down, start, WHOLE, Act::RepeatReleases, settle, WHOLE]
        },
        ..PLAIN
    },
];

fn activated_while_leader_killed(dice: &mut StdRng) -> Vec<Act> {
    let leader = Group::one(Who::Leader);
    let (kill, start) = (Act::Kill(leader.clone()), Act::Start(leader));
    vec![Act::Load, Act::Hold(ms(dice, 0, 500)), kill, Act::Hold(ms(dice, 0, 5_000)), start, Act::Loaded, WHOLE]
}
