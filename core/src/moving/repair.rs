//! The next safe step for a node that has found damage in its data.
//!
//! It is let go when nobody needs it: so many nodes at a time, and only while each of its shards has a majority without
//! it. It comes back under another id, which is given all that it held; then the old id is retired. Nothing is
//! remembered between steps but what the catalog says.

use std::collections::BTreeSet;
use std::fmt;

use super::lead::Led;
use crate::catalog::{Catalog, Duty, Move, Node, Repair};
use crate::ids::{NodeId, ShardId};

/// What to do next about a damaged node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be done now.
    Wait(Waiting),
    /// Let it give its data up.
    Grant,
    /// Have its successor hold what it held.
    Move(Vec<Move>),
    /// Nothing is placed on it any more: let it go for good.
    Retire,
}

/// What the repair of a node waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Damaged nodes are not replaced by themselves here.
    Off,
    /// Another node is being replaced.
    Turn(NodeId),
    /// A plan is being carried out.
    Plan,
    /// Without it a shard would have no majority of whole replicas.
    Majority(ShardId),
    /// It was let go and has not come back yet.
    Successor,
    /// Its successor holds what is left already, or takes no replicas: somebody has to plan.
    Place,
}

/// The next step for a damaged node; nothing if the catalog knows of no damage. `led` are the shards that are led, and
/// who could lead them; `at_once` bounds how many nodes are replaced at a time, 0 for none.
pub fn next(catalog: &Catalog, node: NodeId, led: &[Led], at_once: usize) -> Option<Step> {
    let repair = *catalog.moves.repairs.get(&node)?;
    let held: Vec<ShardId> = catalog.shard_map.shards_of(node).collect();
    let plan = catalog.moves.plan.as_ref();
    Some(match repair {
        Repair::Waiting => match hindrance(catalog, node, &held, led, at_once) {
            Some(waiting) => Step::Wait(waiting),
            None => Step::Grant,
        },
        _ if plan.is_some() => Step::Wait(Waiting::Plan),
        _ if held.is_empty() => Step::Retire,
        Repair::Granted => Step::Wait(Waiting::Successor),
        Repair::Succeeded(by) => match moves(catalog, node, by, &held) {
            moves if moves.is_empty() => Step::Wait(Waiting::Place),
            moves => Step::Move(moves),
        },
    })
}

/// Why a node may not give its data up now.
fn hindrance(catalog: &Catalog, node: NodeId, held: &[ShardId], led: &[Led], at_once: usize) -> Option<Waiting> {
    if at_once == 0 {
        return Some(Waiting::Off);
    }
    let repairs = &catalog.moves.repairs;
    let mut others = repairs.iter().filter(|(_, repair)| **repair != Repair::Waiting).map(|(other, _)| *other);
    if let Some(last) = others.nth(at_once - 1) {
        return Some(Waiting::Turn(last));
    }
    // A move to it would wait for ever, and one from it needs nobody's help.
    if catalog.moves.plan.is_some() {
        return Some(Waiting::Plan);
    }
    let is_safe = |shard: &ShardId| {
        let replicas: BTreeSet<NodeId> = catalog.shard_map.replicas(*shard).iter().copied().collect();
        let able = led.iter().find(|led| led.shard == *shard).map(|led| &led.able);
        // Who has found damage too is no help: what it cannot read may be what this one still can.
        let whole = |other: &&NodeId| replicas.contains(other) && !repairs.contains_key(other);
        able.is_some_and(|able| able.iter().filter(whole).count() > replicas.len() / 2)
    };
    debug_assert!(repairs.contains_key(&node), "it does not count itself");
    held.iter().find(|shard| !is_safe(shard)).map(|shard| Waiting::Majority(*shard))
}

/// What a node held goes to its successor, as far as that takes it.
fn moves(catalog: &Catalog, old: NodeId, new: NodeId, held: &[ShardId]) -> Vec<Move> {
    let takes = catalog.nodes.get(&new).is_some_and(Node::is_reachable) && catalog.duty(new) == Duty::Serving;
    let free = held.iter().filter(|shard| takes && !catalog.shard_map.replicas(**shard).contains(&new));
    free.map(|shard| Move { shard: *shard, to: new, from: old }).collect()
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("damaged nodes are not replaced by themselves here (repairs_at_once is 0)"),
            Self::Turn(node) => write!(f, "node {node} is being replaced"),
            Self::Plan => f.write_str("a plan is being carried out"),
            Self::Majority(shard) => write!(f, "shard {shard} has no majority of whole replicas without it"),
            Self::Successor => f.write_str("it has not come back yet without its data"),
            Self::Place => f.write_str("its successor cannot take what is left of it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Change, Decision, Founding, NodeAddresses, Purpose, ShardMap};
    use crate::ids::RequestId;

    /// Two shards on nodes 1, 2, 3; node 4 holds nothing.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
        change(&mut catalog, Change::Found(founding));
        for node in 1..=4u128 {
            let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
            change(&mut catalog, Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
        }
        change(&mut catalog, Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]; 2] }));
        catalog
    }

    fn change(catalog: &mut Catalog, change: Change) {
        let decision = catalog.apply(change);
        assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
    }

    fn damaged(catalog: &mut Catalog, node: NodeId) {
        change(catalog, Change::ReportDamage { incarnation: u128::from(node) });
    }

    fn led(able: [&[NodeId]; 2]) -> Vec<Led> {
        let one = |(shard, able): (u32, &&[NodeId])| Led {
            shard: ShardId(shard),
            leader: able[0],
            able: able.iter().copied().collect(),
        };
        (0..).zip(&able).map(one).collect()
    }

    #[test]
    fn a_node_is_let_go_only_while_a_majority_of_each_shard_is_whole_without_it() {
        let mut catalog = catalog();
        let all = led([&[1, 2, 3], &[2, 1]]);
        assert_eq!(next(&catalog, 3, &all, 1), None);
        damaged(&mut catalog, 3);
        assert_eq!(next(&catalog, 3, &all, 1), Some(Step::Grant));
        let majority = |shard| Some(Step::Wait(Waiting::Majority(ShardId(shard))));
        assert_eq!(next(&catalog, 3, &led([&[1, 2, 3], &[2, 3]]), 1), majority(1), "node 1 is missing");
        assert_eq!(next(&catalog, 3, &all[..1], 1), majority(1), "nobody leads shard 1");
        assert_eq!(next(&catalog, 3, &led([&[1, 3, 4], &[1, 2]]), 1), majority(0), "node 4 is no voter");
        damaged(&mut catalog, 2);
        assert_eq!(next(&catalog, 3, &all, 1), majority(0), "node 2 is damaged too");
    }

    #[test]
    fn so_many_are_replaced_at_a_time_and_none_while_a_plan_is_carried_out() {
        let mut catalog = catalog();
        damaged(&mut catalog, 3);
        damaged(&mut catalog, 4);
        change(&mut catalog, Change::GrantRepair { node: 4 });
        let all = led([&[1, 2], &[1, 2]]);
        assert_eq!(next(&catalog, 3, &all, 1), Some(Step::Wait(Waiting::Turn(4))));
        assert_eq!(next(&catalog, 3, &all, 2), Some(Step::Grant));
        assert_eq!(next(&catalog, 3, &all, 0), Some(Step::Wait(Waiting::Off)));
        // It held nothing, so nobody waits for it.
        assert_eq!(next(&catalog, 4, &all, 1), Some(Step::Retire));
    }

    #[test]
    fn all_that_it_held_goes_to_its_successor_and_then_it_is_retired() {
        let mut catalog = catalog();
        damaged(&mut catalog, 3);
        change(&mut catalog, Change::GrantRepair { node: 3 });
        assert_eq!(next(&catalog, 3, &[], 1), Some(Step::Wait(Waiting::Successor)));
        change(&mut catalog, Change::Succeed { damaged: 3, incarnation: 4 });
        let Some(Step::Move(moves)) = next(&catalog, 3, &[], 1) else { panic!("it has come back") };
        assert_eq!(moves, [0, 1].map(|shard| Move { shard: ShardId(shard), to: 4, from: 3 }));
        let purpose = Purpose { why: "test".into(), throttle: 0, made_ms: 1 };
        change(&mut catalog, Change::AdoptPlan { id: RequestId(1), purpose, moves: moves.clone() });
        assert_eq!(next(&catalog, 3, &[], 1), Some(Step::Wait(Waiting::Plan)));
        for step in moves {
            change(&mut catalog, Change::FinishMove { plan: RequestId(1), step, now_ms: 2 });
        }
        assert_eq!(next(&catalog, 3, &[], 1), Some(Step::Retire));
        change(&mut catalog, Change::RetireNode { node: 3 });
        assert_eq!(next(&catalog, 3, &[], 1), None);
    }

    #[test]
    fn a_successor_that_takes_nothing_is_for_people_to_see() {
        let mut catalog = catalog();
        damaged(&mut catalog, 3);
        change(&mut catalog, Change::GrantRepair { node: 3 });
        change(&mut catalog, Change::Succeed { damaged: 3, incarnation: 4 });
        change(&mut catalog, Change::SetDuty { node: 4, duty: Duty::Draining });
        assert_eq!(next(&catalog, 3, &[], 1), Some(Step::Wait(Waiting::Place)));
    }
}
