//! Who belongs to the groups that are led here: shown to operators, changed by the reconciler.

use std::time::Duration;

use dnc_consensus::{GroupError, Role};
use dnc_core::ids::ShardId;
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_response::Outcome;
use tonic::Status;

use super::{MAX_LIMIT, Service};
use crate::hosting::Replica;
use crate::said;

// === impl Service ===

impl Service {
    /// Changes the membership of a group or its leader, if the group is as the caller saw it.
    pub(super) async fn change(&self, request: wire::ChangeGroupRequest) -> Result<wire::ChangeGroupResponse, Status> {
        let shard = ShardId(request.shard);
        let group = self.replica_of(shard, request.generation)?.group;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        let seen = request.membership_at.map(said::named);
        let change = request.change.ok_or_else(|| Status::invalid_argument("the request names no change"))?;
        tracing::info!(shard = shard.0, ?change, "change the group");
        let changed = match said::change(change) {
            Ok(change) => group.change_membership(change, seen, limit).await.map(drop),
            Err(to) if group.tail().membership_at == seen => group.transfer_leader(to, limit).await,
            Err(_) => Err(GroupError::MembershipChanged { expected: seen, found: group.tail().membership_at }),
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

/// The group as a replica knows it.
pub(super) fn group_of(replica: &Replica) -> wire::Group {
    // The tail first: see there.
    let (tail, status) = (replica.group.tail(), replica.group.status());
    said::group(tail, status.role == Role::Leader, status.committed, status.matched)
}
