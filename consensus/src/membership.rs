//! Changing who belongs to a group: one change at a time, each with the membership that it is
//! meant for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::errors::{ClientWriteError, PreconditionFailed, RaftError};
use openraft::{ChangeMembers, EmptyNode, Precondition};

use crate::error::GroupError;
use crate::group::Group;
use crate::raft_types::{log_id, position};
use crate::types::{LogPosition, NodeId};

/// A change of a group's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipChange {
    /// A new replica that receives the log and has no vote. It must run already.
    AddLearner(NodeId),
    /// A replica without a vote leaves. It is not told: stop it.
    RemoveLearner(NodeId),
    /// These replicas vote from now on; each of them must be a voter or a learner. Who is not among
    /// them leaves, and is not told. Goes through a joint membership when several voters change.
    SetVoters(BTreeSet<NodeId>),
    /// Finishes a change that got stuck in its joint membership, because whoever made it died.
    FinishJoint,
}

impl Group {
    /// Changes the membership, if the newest one is still that at `expected` (see
    /// [`Tail::membership_at`]), and returns where the new one is once it is committed.
    ///
    /// After `limit` the outcome is unknown, and the change goes on; look at the tail.
    ///
    /// [`Tail::membership_at`]: crate::Tail::membership_at
    pub async fn change_membership(
        &self,
        change: MembershipChange,
        expected: Option<LogPosition>,
        limit: Duration,
    ) -> Result<LogPosition, GroupError> {
        if matches!(change, MembershipChange::AddLearner(_))
            && self.is_leader()
            && let Err(error) = self.shed_log(limit / 2).await
        {
            tracing::debug!(group = %self.id(), %error, "the log is not cut; whoever joins is sent more of it");
        }
        let raft = self.raft().clone();
        let precondition = Precondition::LastMembershipLogId { last_membership_log_id: expected.map(log_id) };
        // The library drives the second half of a joint change from the caller's future, so it runs
        // where a caller that goes away does not stop it.
        let changed = self
            .runtime()
            .spawn(async move { raft.change_membership_if(members(change), false, [precondition]).await });
        let changed = tokio::time::timeout(limit, changed)
            .await
            .map_err(|_| GroupError::Unknown(format!("no majority within {limit:?}")))?
            .map_err(|_| GroupError::Stopped)?;
        match changed {
            Ok(response) => Ok(position(&response.log_id)),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(GroupError::NotLeader { leader: to.leader_id })
            }
            Err(RaftError::APIError(ClientWriteError::PreconditionFailed(
                PreconditionFailed::LastMembershipLogIdMismatch { expected, actual },
            ))) => Err(GroupError::MembershipChanged {
                expected: expected.as_ref().map(position),
                found: actual.as_ref().map(position),
            }),
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => {
                Err(GroupError::Refused(error.to_string()))
            }
            Err(error) => Err(GroupError::Unknown(error.to_string())),
        }
    }
}

fn members(change: MembershipChange) -> ChangeMembers<NodeId, EmptyNode> {
    match change {
        MembershipChange::AddLearner(node) => ChangeMembers::AddNodes(BTreeMap::from([(node, EmptyNode {})])),
        MembershipChange::RemoveLearner(node) => ChangeMembers::RemoveNodes(BTreeSet::from([node])),
        MembershipChange::SetVoters(voters) => ChangeMembers::ReplaceAllVoters(voters),
        MembershipChange::FinishJoint => ChangeMembers::AddVoterIds(BTreeSet::new()),
    }
}
