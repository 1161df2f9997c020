//! Raft's outgoing messages. Every failure is *unreachable*, as in the product.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{GroupId, Lease, NodeId};
use dnc_core::codec;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::group::Peers;
use super::{Pairs, Snapshot, Types, Vote};
use crate::net::Port;

/// A peer that has received a state may take so long to install it.
const INSTALL: Duration = Duration::from_secs(3);

/// Makes the clients of one group.
pub struct Clients {
    pub(super) port: Port,
    pub(super) group: GroupId,
    pub(super) peers: Peers,
    pub(super) lease: Arc<Lease>,
}

/// One group's way to one peer.
pub struct Client {
    port: Port,
    group: GroupId,
    to: NodeId,
    peers: Peers,
    lease: Arc<Lease>,
}

impl RaftNetworkFactory<Types> for Clients {
    type Network = Client;

    async fn new_client(&mut self, to: NodeId, _node: &EmptyNode) -> Client {
        let (port, peers, lease) = (self.port.clone(), self.peers.clone(), self.lease.clone());
        Client { port, group: self.group, to, peers, lease }
    }
}

// === impl Client ===

impl Client {
    async fn call<M: Serialize, R: DeserializeOwned>(
        &self,
        kind: &str,
        message: &M,
        limit: Duration,
    ) -> Result<R, Unreachable<Types>> {
        let host = (self.peers)(self.to).ok_or_else(|| Unreachable::from_string("the peer has no address"))?;
        let path = format!("raft/{}/{}/{kind}", self.group, self.to);
        let answer = self.port.call(&host, &path, codec::encode(message), limit).await;
        codec::decode(&answer.map_err(Unreachable::from_string)?).map_err(Unreachable::from_string)
    }
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = Pairs;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let sent = Instant::now();
        let answer = self.call("append", &rpc, option.hard_ttl()).await?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.lease.answered(self.to, rpc.vote.leader_id.term, sent);
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.call("vote", &rpc, option.hard_ttl()).await?)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.call("prevote", &rpc, option.hard_ttl()).await?)
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        Ok(self.call("transfer", &req, option.hard_ttl()).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let message = (vote, snapshot.meta, snapshot.snapshot.as_ref().clone());
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.call("snapshot", &message, INSTALL) => Ok(sent?),
        }
    }
}
