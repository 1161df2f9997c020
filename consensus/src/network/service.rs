//! The incoming side: finds the group that a call is for, and lets its replica answer.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::codec;
use crate::config::HostOptions;
use crate::group::{Group, Groups};
use crate::network::identity::Envelope;
use crate::network::receive_snapshot::receive_snapshot;
use crate::network::wire;
use crate::network::wire::raft_server::Raft;
use crate::raft_types::Types;
use crate::types::{ClusterId, NodeId};

/// The service of one process.
pub(crate) struct Service {
    cluster: ClusterId,
    me: NodeId,
    groups: Arc<Groups>,
    snapshots: Arc<Semaphore>,
    snapshot_progress: Duration,
}

// === impl Service ===

impl Service {
    pub(crate) fn new(cluster: ClusterId, me: NodeId, groups: Arc<Groups>, options: &HostOptions) -> Self {
        Self {
            cluster,
            me,
            groups,
            snapshots: Arc::new(Semaphore::new(options.snapshots_inflight_max)),
            snapshot_progress: Duration::from_millis(options.snapshot_progress_ms),
        }
    }

    /// The group that a call is for.
    fn group(&self, metadata: &MetadataMap) -> Result<Group, Status> {
        let envelope = Envelope::open(metadata, self.cluster, self.me)?;
        let (me, group) = (self.me, envelope.group);
        let running = self
            .groups
            .get(group)
            .ok_or_else(|| Status::not_found(format!("group {group} does not run on node {me}")))?;
        let (ours, theirs) = (running.generation(), envelope.generation);
        if ours != theirs {
            // Whoever belongs to another generation of the group does not belong to this one, whatever its term.
            let from = envelope.from;
            return Err(Status::aborted(format!(
                "group {group} on node {me} is of generation {ours}, the call of node {from} is of generation {theirs}"
            )));
        }
        Ok(running)
    }

    /// The same for calls that can end a leader's lease. A replica that has just started may have
    /// promised an earlier leader to wait, and has forgotten it: it waits in any case. And one that was
    /// discarded has forgotten its log: it waits until it has it again.
    fn voting_group(&self, metadata: &MetadataMap) -> Result<Group, Status> {
        let group = self.group(metadata)?;
        if !group.may_vote() {
            let (me, id) = (self.me, group.id());
            let reason = format!("node {me} has just started and takes no part in elections of group {id} yet");
            return Err(Status::aborted(reason));
        }
        Ok(group)
    }
}

// Both are answers of the peer itself: they must not end the connection, which other groups use too.

/// Refuses to lead where nothing new is to be written.
fn may_lead(group: &Group) -> Result<(), Status> {
    group.replica().store.hold().map_or(Ok(()), |hold| Err(Status::aborted(hold.why.clone())))
}

/// Refuses what would fill a disk that has no room.
fn has_room(group: &Group) -> Result<(), Status> {
    match group.replica().store.hold().filter(|hold| hold.takes_no_appends) {
        Some(hold) => Err(Status::aborted(hold.why.clone())),
        None => Ok(()),
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Status> {
    codec::decode(body).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn stopped(fatal: impl std::fmt::Display) -> Status {
    Status::aborted(format!("the replica has stopped: {fatal}"))
}

fn encode<T: Serialize, E: std::fmt::Display>(answer: Result<T, E>) -> Result<Vec<u8>, Status> {
    answer.map(|answer| codec::encode(&answer)).map_err(stopped)
}

#[tonic::async_trait]
impl Raft for Service {
    type AppendStream = BoxStream<'static, Result<wire::AppendResponse, Status>>;

    async fn append(
        &self,
        request: Request<Streaming<wire::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let group = self.group(request.metadata())?;
        has_room(&group)?;
        let taking = group.clone();
        // A broken stream ends the input; what was taken from it before is still answered.
        let input = futures::stream::unfold((request.into_inner(), taking), |(mut requests, taking)| async move {
            let message = requests.message().await.ok()??;
            has_room(&taking).ok()?;
            match codec::decode::<AppendEntriesRequest<Types>>(&message.body) {
                Ok(request) => Some((request, (requests, taking))),
                Err(error) => {
                    tracing::warn!(%error, "an append request cannot be read, its stream is closed");
                    None
                }
            }
        });
        let answers = group.raft().stream_append(Box::pin(input)).map(|answer| {
            let body = encode::<StreamAppendResult<Types>, _>(answer)?;
            Ok(wire::AppendResponse { body })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn heartbeat(
        &self,
        request: Request<wire::HeartbeatRequest>,
    ) -> Result<Response<wire::HeartbeatResponse>, Status> {
        let group = self.group(request.metadata())?;
        let rpc = decode(&request.into_inner().body)?;
        let body = encode(group.raft().append_entries(rpc).await)?;
        Ok(Response::new(wire::HeartbeatResponse { body }))
    }

    async fn vote(&self, request: Request<wire::VoteRequest>) -> Result<Response<wire::VoteResponse>, Status> {
        let group = self.voting_group(request.metadata())?;
        let rpc: VoteRequest<Types> = decode(&request.into_inner().body)?;
        let term = rpc.vote.leader_id.term;
        let answer = group.raft().vote(rpc).await;
        if answer.as_ref().is_ok_and(|answer| answer.vote_granted) {
            group.lease().voted(term);
        }
        let body = encode(answer)?;
        Ok(Response::new(wire::VoteResponse { body }))
    }

    async fn pre_vote(
        &self,
        request: Request<wire::PreVoteRequest>,
    ) -> Result<Response<wire::PreVoteResponse>, Status> {
        let group = self.voting_group(request.metadata())?;
        let rpc: VoteRequest<Types> = decode(&request.into_inner().body)?;
        let body = encode(group.raft().pre_vote(rpc).await)?;
        Ok(Response::new(wire::PreVoteResponse { body }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let group = self.voting_group(request.metadata())?;
        may_lead(&group)?;
        let rpc: TransferLeaderRequest<Types> = decode(&request.into_inner().body)?;
        let body = encode(group.raft().handle_transfer_leader(rpc).await)?;
        Ok(Response::new(wire::TransferLeaderResponse { body }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::InstallSnapshotRequest>>,
    ) -> Result<Response<wire::InstallSnapshotResponse>, Status> {
        let group = self.group(request.metadata())?;
        has_room(&group)?;
        let _permit = self
            .snapshots
            .clone()
            .try_acquire_owned()
            .map_err(|_| Status::aborted("too many snapshots are being received"))?;
        let answer = receive_snapshot(&group, request.into_inner(), self.snapshot_progress).await?;
        Ok(Response::new(wire::InstallSnapshotResponse { body: codec::encode(&answer) }))
    }
}
