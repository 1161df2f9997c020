//! Raft's outgoing messages.
//!
//! Every failure is reported as *unreachable*, which makes Raft wait before it tries again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tonic::Status;

use crate::codec;
use crate::lease::Lease;
use crate::network::append::open_append_stream;
use crate::network::identity::Envelope;
use crate::network::pool::{GroupGeneration, Pool, Purpose};
use crate::network::send_snapshot::send_snapshot;
use crate::network::wire;
use crate::raft_types::{Snapshot, Types, Vote};
use crate::replica::Replica;
use crate::snapshot::SnapshotData;
use crate::types::NodeId;

/// Makes the clients of one group.
pub(crate) struct ClientFactory {
    pub(crate) pool: Arc<Pool>,
    pub(crate) of: GroupGeneration,
    /// This end of it.
    pub(crate) replica: Arc<Replica>,
    /// Told what is answered.
    pub(crate) lease: Arc<Lease>,
}

/// One group's way to one peer.
pub(crate) struct Client {
    pool: Arc<Pool>,
    to: NodeId,
    of: GroupGeneration,
    replica: Arc<Replica>,
    lease: Arc<Lease>,
    /// Heartbeats are single calls of their own.
    heartbeats: bool,
}

/// The peer could not be asked, or did not answer as it should.
pub(crate) fn unreachable(reason: impl std::fmt::Display) -> Unreachable<Types> {
    Unreachable::from_string(reason)
}

// === impl ClientFactory ===

impl ClientFactory {
    fn client(&self, to: NodeId, heartbeats: bool) -> Client {
        let (pool, of) = (self.pool.clone(), self.of);
        Client { pool, to, of, replica: self.replica.clone(), lease: self.lease.clone(), heartbeats }
    }
}

impl RaftNetworkFactory<Types> for ClientFactory {
    type Network = Client;

    async fn new_client(&mut self, target: NodeId, _node: &EmptyNode) -> Client {
        self.client(target, false)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, _node: &EmptyNode) -> Client {
        self.client(target, true)
    }
}

// === impl Client ===

impl Client {
    fn envelope(&self) -> Envelope {
        self.pool.envelope(self.to, self.of)
    }

    /// Makes one call on the control connection, within a time limit.
    async fn call<T, F>(
        &self,
        message: &impl Serialize,
        limit: Duration,
        call: impl FnOnce(Line) -> F,
    ) -> Result<T, RPCError<Types>>
    where
        T: DeserializeOwned,
        F: Future<Output = Result<Vec<u8>, Status>>,
    {
        let body = codec::encode(message);
        let loan = self.pool.get(self.to, Purpose::Control).map_err(unreachable)?;
        let answer = call(Line { client: loan.client.clone(), envelope: self.envelope(), body });
        let body = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(body)) => body,
            Ok(Err(status)) => {
                self.pool.failed(&loan, &status);
                return Err(unreachable(describe(self.to, &status)).into());
            }
            Err(_) => {
                let reason = format!("node {} did not answer within {limit:?}", self.to);
                return Err(unreachable(reason).into());
            }
        };
        codec::decode(&body).map_err(|error| unreachable(error).into())
    }
}

/// What a call needs: a connection, an envelope and what goes into it.
struct Line {
    client: wire::raft_client::RaftClient<tonic::transport::Channel>,
    envelope: Envelope,
    body: Vec<u8>,
}

/// A status in one line.
pub(crate) fn describe(to: NodeId, status: &Status) -> String {
    format!("node {to}: {}: {}", status.code(), status.message())
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        // Before it leaves: what is answered was heard after this.
        let sent = Instant::now();
        let answer = self
            .call(&rpc, option.hard_ttl(), |mut to| async move {
                let request = to.envelope.seal(wire::HeartbeatRequest { body: to.body });
                Ok(to.client.heartbeat(request).await?.into_inner().body)
            })
            .await?;
        // Whoever knows of a later leader promises nothing.
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.lease.answered(self.to, rpc.vote.leader_id.term, sent);
        }
        Ok(answer)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        if self.heartbeats {
            return stream_append_sequential(self, input, option);
        }
        let (replica, to) = (self.replica.clone(), self.to);
        // What others wait for is never held back: who votes is part of every majority.
        let learns = move || replica.tail.read().membership.is_some_and(|members| members.learners.contains(&to));
        let answers = open_append_stream(self.pool.clone(), self.to, self.of, input, learns);
        async move { Ok(answers.await?.boxed()) }.boxed()
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(&rpc, option.hard_ttl(), |mut to| async move {
            let request = to.envelope.seal(wire::VoteRequest { body: to.body });
            Ok(to.client.vote(request).await?.into_inner().body)
        })
        .await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.call(&rpc, option.hard_ttl(), |mut to| async move {
            let request = to.envelope.seal(wire::PreVoteRequest { body: to.body });
            Ok(to.client.pre_vote(request).await?.into_inner().body)
        })
        .await
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.call(&req, option.hard_ttl(), |mut to| async move {
            let request = to.envelope.seal(wire::TransferLeaderRequest { body: to.body });
            Ok(to.client.transfer_leader(request).await?.into_inner().body)
        })
        .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        // A transfer has no deadline: it may take as long as it makes progress.
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = send_snapshot(&self.pool, self.to, self.of, vote, snapshot) => sent,
        }
    }
}
