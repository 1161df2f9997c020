//! Leaving in order: a leader that is about to stop gives its leadership to another voter, so that nobody waits for an election.

use std::time::Duration;

use crate::group::{Group, GroupStatus};
use crate::types::{NodeId, Role};

impl Group {
    /// Hands the leadership to the voter whose log is nearest, if this replica leads. False if nobody took it within the
    /// limit: then the others elect one later.
    pub async fn hand_over(&self, limit: Duration) -> bool {
        let Some(voters) = self.tail().membership.map(|membership| membership.voters()) else { return false };
        let status = self.status();
        // Of a leader, the leader that it knows is itself.
        let me = status.leader;
        match heir(voters.into_iter().filter(|node| Some(*node) != me), &status) {
            Some(to) => self.transfer_leader(to, limit).await.is_ok(),
            None => false,
        }
    }
}

/// The voter whose log is nearest to the leader's; none if nobody has answered it.
fn heir(voters: impl Iterator<Item = NodeId>, status: &GroupStatus) -> Option<NodeId> {
    if status.role != Role::Leader {
        return None;
    }
    let near = voters.filter_map(|node| Some((status.matched.get(&node).copied().flatten()?, node)));
    near.max().map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LogPosition;

    fn status(role: Role, matched: &[(NodeId, Option<u64>)]) -> GroupStatus {
        let at = |index| LogPosition { term: 1, index };
        GroupStatus {
            role,
            term: 1,
            leader: Some(1),
            last: Some(at(9)),
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            receiving: 0,
            votes: true,
            matched: matched.iter().map(|(node, index)| (*node, index.map(at))).collect(),
            failure: None,
        }
    }

    #[test]
    fn the_voter_that_is_nearest_inherits_and_one_that_never_answered_does_not() {
        let leads = status(Role::Leader, &[(2, Some(7)), (3, Some(9)), (4, None), (5, Some(9))]);
        assert_eq!(heir([2, 3, 4].into_iter(), &leads), Some(3));
        assert_eq!(heir([4].into_iter(), &leads), None);
        assert_eq!(heir([2, 3].into_iter(), &status(Role::Follower, &[(2, Some(7))])), None);
    }
}
