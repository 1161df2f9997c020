//! The next safe step of one move, from what the shard's group and the new node say of themselves.
//!
//! Nothing is remembered between steps: whoever carries a plan out may die after any of them, and the next one sees
//! from the group's membership how far it is. Each step that changes the membership names the membership that it was
//! decided on, so of two that overlap one is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Move;
use crate::ids::{NodeId, Position};

/// How far the log of a replica may be behind its leader's when it is given a vote, in entries.
const NEAR: u64 = 64;

/// A group, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Who leads.
    pub leader: NodeId,
    /// Voters: one set, or two while they change.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Replicas that receive the log and do not vote.
    pub learners: BTreeSet<NodeId>,
    /// The membership is committed.
    pub committed: bool,
    /// Last entry of the leader's log.
    pub last: Option<Position>,
    /// How far the log of each other replica agrees with it.
    pub matched: BTreeMap<NodeId, Option<Position>>,
}

/// The node that takes the replica, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// The replica runs there, by a catalog that has this move or a newer one.
    pub runs: bool,
    /// It has the versions that checks are judged by.
    pub has_view: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be done now.
    Wait(Waiting),
    /// Have the group send its log and state to the new replica.
    AddLearner,
    /// Give the leadership to this voter: the one who leads gives its replica up.
    Transfer(NodeId),
    /// Let these vote from now on.
    SetVoters(BTreeSet<NodeId>),
    /// Finish a change of voters that whoever began it left half done.
    FinishJoint,
    /// Take the new replica back.
    RemoveLearner,
    /// The group is as the move wants it: say so in the catalog.
    Finish,
    /// The group is as it was before the move, which was cancelled: say so in the catalog.
    Drop,
}

/// What a move waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nobody leads the group, or its leader does not answer.
    Leader,
    /// The membership is not committed yet.
    Commit,
    /// The new replica does not run yet.
    Start,
    /// The new replica is catching up.
    CatchUp,
    /// The new replica makes the versions resident.
    View,
    /// The group's voters are not those that the catalog names, nor those that the move wants.
    Strange,
}

/// The next step of a move, given the replicas that the catalog names. `cancelled`: it is to be taken back, if that is
/// still possible.
pub fn next(step: &Move, replicas: &[NodeId], group: Option<&Group>, taker: Taker, cancelled: bool) -> Step {
    let Some(group) = group else { return Step::Wait(Waiting::Leader) };
    let before: BTreeSet<NodeId> = replicas.iter().copied().collect();
    let mut after = before.clone();
    after.remove(&step.from);
    after.insert(step.to);
    if !group.committed {
        return Step::Wait(Waiting::Commit);
    }
    let [voters] = group.voters.as_slice() else {
        return Step::FinishJoint;
    };
    if *voters == after {
        return Step::Finish;
    }
    if *voters != before {
        return Step::Wait(Waiting::Strange);
    }
    let learns = group.learners.contains(&step.to);
    if cancelled {
        return if learns { Step::RemoveLearner } else { Step::Drop };
    }
    if !taker.runs {
        return Step::Wait(Waiting::Start);
    }
    if !learns {
        return Step::AddLearner;
    }
    let index = |position: Option<Position>| position.map_or(0, |position| position.index);
    let matched = index(group.matched.get(&step.to).copied().flatten());
    if matched == 0 || index(group.last).saturating_sub(matched) > NEAR {
        return Step::Wait(Waiting::CatchUp);
    }
    if !taker.has_view {
        return Step::Wait(Waiting::View);
    }
    if group.leader == step.from {
        // To the voter that needs least time: it stays a voter all along.
        let heir = before.iter().filter(|node| **node != step.from);
        let heir = heir.max_by_key(|node| group.matched.get(node).copied().flatten());
        return heir.map_or(Step::SetVoters(after), |heir| Step::Transfer(*heir));
    }
    Step::SetVoters(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardId;

    const STEP: Move = Move { shard: ShardId(0), to: 4, from: 3 };
    const THERE: Taker = Taker { runs: true, has_view: true };

    fn at(index: u64) -> Option<Position> {
        Some(Position { term: 1, index })
    }

    fn group(voters: &[&[NodeId]], learners: &[NodeId]) -> Group {
        Group {
            leader: 1,
            voters: voters.iter().map(|set| set.iter().copied().collect()).collect(),
            learners: learners.iter().copied().collect(),
            committed: true,
            last: at(1_000),
            matched: [(2, at(1_000)), (3, at(1_000)), (4, at(990))].into(),
        }
    }

    fn then(group: &Group, taker: Taker, cancelled: bool) -> Step {
        next(&STEP, &[1, 2, 3], Some(group), taker, cancelled)
    }

    #[test]
    fn a_move_goes_from_learner_over_voter_to_its_end() {
        let stopped = Taker { runs: false, has_view: false };
        assert_eq!(then(&group(&[&[1, 2, 3]], &[]), stopped, false), Step::Wait(Waiting::Start));
        assert_eq!(then(&group(&[&[1, 2, 3]], &[]), THERE, false), Step::AddLearner);
        let behind = Group { matched: [(4, at(10))].into(), ..group(&[&[1, 2, 3]], &[4]) };
        assert_eq!(then(&behind, THERE, false), Step::Wait(Waiting::CatchUp));
        let without = Taker { runs: true, has_view: false };
        assert_eq!(then(&group(&[&[1, 2, 3]], &[4]), without, false), Step::Wait(Waiting::View));
        assert_eq!(then(&group(&[&[1, 2, 3]], &[4]), THERE, false), Step::SetVoters([1, 2, 4].into()));
        assert_eq!(then(&group(&[&[1, 2, 3], &[1, 2, 4]], &[]), THERE, false), Step::FinishJoint);
        assert_eq!(then(&group(&[&[1, 2, 4]], &[]), THERE, false), Step::Finish);
    }

    #[test]
    fn a_leader_that_leaves_hands_over_first_to_one_that_stays() {
        let leads = Group { leader: 3, ..group(&[&[1, 2, 3]], &[4]) };
        assert_eq!(then(&leads, THERE, false), Step::Transfer(2));
    }

    #[test]
    fn nothing_is_done_to_a_group_that_is_not_settled_or_not_known() {
        assert_eq!(next(&STEP, &[1, 2, 3], None, THERE, false), Step::Wait(Waiting::Leader));
        let open = Group { committed: false, ..group(&[&[1, 2, 4]], &[]) };
        assert_eq!(then(&open, THERE, false), Step::Wait(Waiting::Commit));
        assert_eq!(then(&group(&[&[1, 2, 5]], &[]), THERE, false), Step::Wait(Waiting::Strange));
    }

    #[test]
    fn a_cancelled_move_is_taken_back_until_the_new_replica_votes() {
        assert_eq!(then(&group(&[&[1, 2, 3]], &[4]), THERE, true), Step::RemoveLearner);
        assert_eq!(then(&group(&[&[1, 2, 3]], &[]), THERE, true), Step::Drop);
        assert_eq!(then(&group(&[&[1, 2, 3], &[1, 2, 4]], &[]), THERE, true), Step::FinishJoint);
        assert_eq!(then(&group(&[&[1, 2, 4]], &[]), THERE, true), Step::Finish);
    }

    #[test]
    fn a_replica_that_has_not_answered_at_all_is_not_near() {
        let silent = Group { last: at(3), matched: BTreeMap::new(), ..group(&[&[1, 2, 3]], &[4]) };
        assert_eq!(then(&silent, THERE, false), Step::Wait(Waiting::CatchUp));
    }
}
