//! Who belongs to the groups that are led here: shown to operators, changed by the reconciler.

use std::time::Duration;

use dnc_consensus::{GroupError, MembershipChange, Role};
use dnc_core::ids::ShardId;
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_request::Change;
use dnc_proto::internal::change_group_response::Outcome;
use tonic::Status;

use super::status::position;
use super::{MAX_LIMIT, Service};
use crate::hosting::Replica;

// === impl Service ===

impl Service {
    /// Changes the membership of a group or its leader, if the group is as the caller saw it.
    pub(super) async fn change(&self, request: wire::ChangeGroupRequest) -> Result<wire::ChangeGroupResponse, Status> {
        let shard = ShardId(request.shard);
        let group = self.replica_of(shard, request.generation)?.group;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        let seen = request.membership_at.map(|at| dnc_consensus::LogPosition { term: at.term, index: at.index });
        let change = request.change.ok_or_else(|| Status::invalid_argument("the request names no change"))?;
        tracing::info!(shard = shard.0, ?change, "change the group");
        let changed = match change {
            Change::Leader(to) => {
                if group.tail().membership_at == seen {
                    group.transfer_leader(to, limit).await
                } else {
                    Err(GroupError::MembershipChanged { expected: seen, found: group.tail().membership_at })
                }
            }
            other => group.change_membership(membership_change(other), seen, limit).await.map(drop),
        };
        let outcome = match changed {
            Ok(()) => Outcome::Done(true),
            Err(GroupError::NotLeader { leader }) => Outcome::NotLeader(leader.unwrap_or(0)),
            Err(error @ (GroupError::Unknown(_) | GroupError::TimedOut)) => Outcome::Unknown(error.to_string()),
            Err(error) => Outcome::Refused(error.to_string()),
        };
        Ok(wire::ChangeGroupResponse { outcome: Some(outcome), node: self.identity.node })
    }
}

fn membership_change(change: Change) -> MembershipChange {
    match change {
        Change::AddLearner(node) => MembershipChange::AddLearner(node),
        Change::RemoveLearner(node) => MembershipChange::RemoveLearner(node),
        Change::Voters(voters) => MembershipChange::SetVoters(voters.nodes.into_iter().collect()),
        Change::FinishJoint(_) => MembershipChange::FinishJoint,
        Change::Leader(_) => unreachable!("a leader is no membership"),
    }
}

/// The group as a replica knows it.
pub(super) fn group_of(replica: &Replica) -> wire::Group {
    // The tail first: what was committed when it was read is committed now.
    let (tail, status) = (replica.group.tail(), replica.group.status());
    let membership = tail.membership.unwrap_or_default();
    wire::Group {
        leads: status.role == Role::Leader,
        voters: membership.configs.iter().map(|set| wire::VoterSet { nodes: set.iter().copied().collect() }).collect(),
        learners: membership.learners.iter().copied().collect(),
        committed: tail.membership_at.is_some() && tail.membership_at <= status.committed,
        membership_at: tail.membership_at.map(position),
        matched: status.matched.into_iter().map(|(node, at)| wire::Matched { node, at: at.map(position) }).collect(),
    }
}
