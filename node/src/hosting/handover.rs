//! Leaving in order: a node that is about to stop gives its leaderships to others, so that no shard waits for an election.

use std::time::Duration;

use dnc_consensus::{Group, GroupStatus, NodeId, Role};
use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::Hosting;

/// Time for one leadership to be taken over.
const ONE: Duration = Duration::from_millis(500);
/// Time for all of them.
const ALL: Duration = Duration::from_secs(3);

impl Hosting {
    /// Hands over every leadership that another voter can take. Bounded: who does not take it in time is elected later.
    pub async fn hand_over(&self, me: NodeId) {
        let leading: Vec<Group> =
            self.all().into_iter().map(|replica| replica.group).filter(Group::is_leader).collect();
        if leading.is_empty() {
            return;
        }
        let (began, count) = (Instant::now(), leading.len());
        let handed = join_all(leading.iter().map(|group| hand_over(group, me)));
        match timeout(ALL, handed).await {
            Ok(done) => {
                let handed = done.into_iter().filter(|handed| *handed).count();
                tracing::info!(handed, of = count, took = ?began.elapsed(), "leaderships handed over");
            }
            Err(_) => tracing::warn!(of = count, "not all leaderships were handed over in time"),
        }
    }
}

async fn hand_over(group: &Group, me: NodeId) -> bool {
    let Some(voters) = group.tail().membership.map(|membership| membership.voters()) else { return false };
    let status = group.status();
    let others = voters.into_iter().filter(|node| *node != me);
    match heir(others, &status) {
        Some(to) => group.transfer_leader(to, ONE).await.is_ok(),
        None => false,
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
    use dnc_consensus::LogPosition;

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
