//! Whether a shard has lost its majority for good, and from which replica it could go on.
//!
//! Of the replicas that are left it is the one with the newest log: by Raft's log matching that log holds every entry that
//! any of the others holds and that may be committed. What only the lost ones had is lost, whoever goes on.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Survivor;
use crate::ids::{NodeId, Position, ShardId};

/// What is known of one replica of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replica {
    /// Its node runs it, and says where it stands.
    Runs(Standing),
    /// Its node answers, and does not run it.
    Stopped,
    /// Its node does not answer.
    Silent,
}

/// Where a replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The newest entry of its log.
    pub last: Option<Position>,
    /// The newest entry that is part of its state.
    pub applied: Option<Position>,
    /// The newest membership in its log, and where that stands.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Where that membership stands in the log.
    pub voters_at: Option<Position>,
    /// The generation of the group that it belongs to.
    pub generation: u64,
}

/// How a shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A majority of it answers: nothing is to be recovered.
    Majority,
    /// This node answers and does not run its replica, so the replica is not known to be lost.
    Undecided(NodeId),
    /// No replica is left.
    Nothing,
    /// It can go on from this replica, without these nodes.
    From(Survivor, BTreeSet<NodeId>),
}

/// How a shard stands, given what is known of each replica that the catalog names, and of one that is on its way.
pub fn assess(shard: ShardId, replicas: &BTreeMap<NodeId, Replica>, generation: u64) -> Outcome {
    let standing = |(node, replica): (&NodeId, &'_ Replica)| match replica {
        Replica::Runs(standing) if standing.generation == generation => Some((*node, standing.clone())),
        _ => None,
    };
    let left: BTreeMap<NodeId, Standing> = replicas.iter().filter_map(standing).collect();
    let newest =
        left.values().filter(|standing| standing.voters_at.is_some()).max_by_key(|standing| standing.voters_at);
    // A replica that knows of no membership belongs to a group that was never heard of: all that are named count.
    let named = || vec![replicas.keys().copied().collect()];
    let configs = newest.map_or_else(named, |standing| standing.voters.clone());
    let answers =
        |voters: &BTreeSet<NodeId>| voters.iter().filter(|node| left.contains_key(node)).count() * 2 > voters.len();
    if configs.iter().all(answers) {
        return Outcome::Majority;
    }
    let undecided = |(node, replica): (&NodeId, &Replica)| {
        (!matches!(replica, Replica::Silent) && !left.contains_key(node)).then_some(*node)
    };
    if let Some(node) = replicas.iter().find_map(undecided) {
        return Outcome::Undecided(node);
    }
    let with_log = left.iter().filter_map(|(node, standing)| Some((standing.last?, standing.applied, *node)));
    let Some((last, _, node)) =
        with_log.max_by_key(|(last, applied, node)| (*last, *applied, std::cmp::Reverse(*node)))
    else {
        return Outcome::Nothing;
    };
    let lost = replicas.iter().filter(|(_, replica)| **replica == Replica::Silent).map(|(node, _)| *node).collect();
    Outcome::From(Survivor { shard, node, last, generation }, lost)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARD: ShardId = ShardId(3);

    fn at(term: u64, index: u64) -> Position {
        Position { term, index }
    }

    fn runs(last: Position, voters: &[&[NodeId]]) -> Replica {
        Replica::Runs(Standing {
            last: Some(last),
            applied: None,
            voters: voters.iter().map(|set| set.iter().copied().collect()).collect(),
            voters_at: Some(at(1, 0)),
            generation: 0,
        })
    }

    fn of(replicas: &[(NodeId, Replica)]) -> Outcome {
        assess(SHARD, &replicas.iter().cloned().collect(), 0)
    }

    const THREE: &[&[NodeId]] = &[&[1, 2, 3]];

    #[test]
    fn one_of_three_goes_on_and_two_of_three_need_not() {
        let one = [(1, runs(at(2, 9), THREE)), (2, Replica::Silent), (3, Replica::Silent)];
        let survivor = Survivor { shard: SHARD, node: 1, last: at(2, 9), generation: 0 };
        assert_eq!(of(&one), Outcome::From(survivor, [2, 3].into()));
        let two = [(1, runs(at(2, 9), THREE)), (2, runs(at(2, 9), THREE)), (3, Replica::Silent)];
        assert_eq!(of(&two), Outcome::Majority);
        assert_eq!(of(&[(1, Replica::Silent), (2, Replica::Silent)]), Outcome::Nothing);
    }

    #[test]
    fn a_node_that_answers_without_its_replica_is_not_lost() {
        let replicas = [(1, runs(at(2, 9), THREE)), (2, Replica::Stopped), (3, Replica::Silent)];
        assert_eq!(of(&replicas), Outcome::Undecided(2));
        // Nor is one that has yet to follow an earlier recovery.
        let replicas = replicas.into_iter().map(|(node, _)| (node, runs(at(2, 9), THREE))).collect();
        assert_eq!(assess(SHARD, &replicas, 1), Outcome::Undecided(1));
    }

    #[test]
    fn of_several_that_are_left_the_newest_log_goes_on() {
        let five: &[&[NodeId]] = &[&[1, 2, 3, 4, 5]];
        let lost = [(3, Replica::Silent), (4, Replica::Silent), (5, Replica::Silent)];
        for (first, second, node) in [(at(2, 90), at(3, 4), 2), (at(3, 5), at(3, 4), 1), (at(3, 4), at(3, 4), 1)] {
            let mut replicas = vec![(1, runs(first, five)), (2, runs(second, five))];
            replicas.extend(lost.clone());
            assert!(matches!(of(&replicas), Outcome::From(survivor, _) if survivor.node == node));
        }
    }

    #[test]
    fn a_move_that_was_under_way_counts_by_the_groups_own_voters() {
        // The group has replaced node 3 by node 4 already; the catalog does not say so yet.
        let moved: &[&[NodeId]] = &[&[1, 2, 4]];
        let left = [(1, Replica::Silent), (2, runs(at(2, 9), moved)), (3, Replica::Silent), (4, runs(at(2, 8), moved))];
        assert_eq!(of(&left), Outcome::Majority);
        let joint: &[&[NodeId]] = &[&[1, 2, 3], &[1, 2, 4]];
        let left = [(1, Replica::Silent), (2, runs(at(2, 9), joint)), (3, Replica::Silent), (4, runs(at(2, 8), joint))];
        assert!(matches!(of(&left), Outcome::From(survivor, _) if survivor.node == 2));
    }

    proptest! {
        /// Whatever is left: a shard with a majority is never recovered, and one that is goes on from a newest log, without
        /// exactly those who are silent.
        #[test]
        fn the_newest_log_goes_on_and_only_without_a_majority(
            states in proptest::collection::vec(proptest::option::of((1u64..4, 0u64..6)), 1..8),
        ) {
            let voters: BTreeSet<NodeId> = (1..).take(states.len()).collect();
            let standing = |(term, index): (u64, u64)| Replica::Runs(Standing {
                last: Some(at(term, index)),
                applied: None,
                voters: vec![voters.clone()],
                voters_at: Some(at(0, 0)),
                generation: 0,
            });
            let replicas: BTreeMap<NodeId, Replica> = (1..)
                .zip(&states)
                .map(|(node, state)| (node, state.map_or(Replica::Silent, standing)))
                .collect();
            let left = states.iter().flatten().count();
            match assess(SHARD, &replicas, 0) {
                Outcome::Majority => prop_assert!(left * 2 > states.len()),
                Outcome::Nothing => prop_assert_eq!(left, 0),
                Outcome::Undecided(node) => prop_assert!(false, "node {} is not undecided", node),
                Outcome::From(survivor, lost) => {
                    prop_assert!(left * 2 <= states.len());
                    prop_assert_eq!(lost.len(), states.len() - left);
                    prop_assert!(!lost.contains(&survivor.node));
                    let newest = states.iter().flatten().map(|(term, index)| at(*term, *index)).max();
                    prop_assert_eq!(Some(survivor.last), newest);
                }
            }
        }
    }
}
