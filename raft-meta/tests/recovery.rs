//! Shards are recovered without nodes only while none of these answers the meta group.

mod kit;

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use dnc_core::catalog::{Change, Decision, NodeAddresses, Refusal, Survivor};
use dnc_core::ids::{Position, RequestId, ShardId};
use dnc_proto::internal as wire;
use dnc_proto::internal::node_service_server::{NodeService, NodeServiceServer};
use kit::{LIMIT, Voters, eventually, node_id, register};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A node that says who it is, and nothing else.
struct Answers(u64);

#[tonic::async_trait]
impl NodeService for Answers {
    async fn replicas(&self, _: Request<wire::ReplicasRequest>) -> Result<Response<wire::ReplicasResponse>, Status> {
        Ok(Response::new(wire::ReplicasResponse { node: self.0, ..Default::default() }))
    }

    // Nobody calls these here.

    async fn check(&self, _: Request<wire::NodeCheckRequest>) -> Result<Response<wire::NodeCheckResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn write(&self, _: Request<wire::ShardWriteRequest>) -> Result<Response<wire::ShardWriteResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn query(&self, _: Request<wire::ShardQueryRequest>) -> Result<Response<wire::ShardQueryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn version_status(
        &self,
        _: Request<wire::VersionStatusRequest>,
    ) -> Result<Response<wire::VersionStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn warm(&self, _: Request<wire::WarmRequest>) -> Result<Response<wire::WarmResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn change_group(
        &self,
        _: Request<wire::ChangeGroupRequest>,
    ) -> Result<Response<wire::ChangeGroupResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_catalog(&self, _: Request<wire::GetCatalogRequest>) -> Result<Response<wire::CatalogCopy>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn offer_catalog(
        &self,
        _: Request<wire::CatalogCopy>,
    ) -> Result<Response<wire::OfferCatalogResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

fn recover(id: u128, lost: [u64; 2], survivor: u64) -> Change {
    let last = Position { term: 1, index: 1 };
    Change::Recover {
        id: RequestId(id),
        why: "two machines burnt".into(),
        lost: lost.into(),
        shards: vec![Survivor { shard: ShardId(0), node: survivor, last, generation: 0 }],
        now_ms: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shard_is_recovered_without_a_node_that_answers_the_meta_group() -> Result<()> {
    let voters = Voters::three().await?;
    let following = voters.follow(&[1, 2, 3]);
    let client = voters.client();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let addresses = NodeAddresses { service: listener.local_addr()?.to_string(), raft: "node-1:7502".into() };
    let here = Change::RegisterNode { incarnation: 1, addresses, zone: "z1".into() };
    let answers = node_id(&client.propose(&here, LIMIT).await?)?;
    let gone = node_id(&client.propose(&register(2), LIMIT).await?)?;
    let left = node_id(&client.propose(&register(3), LIMIT).await?)?;
    let cache = following.cache.clone();
    eventually("the shards are placed", || !cache.get().catalog.shard_map.replicas.is_empty()).await?;

    let incoming = TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().add_service(NodeServiceServer::new(Answers(answers)));
    let serving = tokio::spawn(server.serve_with_incoming(incoming));
    let refused = client.propose(&recover(1, [answers, gone], left), LIMIT).await?;
    let Decision::Refused(Refusal::BadRecovery(why)) = refused else { anyhow::bail!("{refused:?}") };
    ensure!(why.contains(&format!("node {answers} answers")), "{why}");
    ensure!(cache.get().catalog.recoveries.past.is_empty());

    serving.abort();
    serving.await.ok();
    for _ in 0..2 {
        let done = client.propose(&recover(2, [answers, gone], left), LIMIT).await?;
        ensure!(matches!(done, Decision::Done { .. }), "{done:?}");
    }
    eventually("it is decided, once", || cache.get().catalog.recoveries.past.len() == 1).await?;
    ensure!(cache.get().catalog.generation(ShardId(0)) == 1);
    following.end().await
}
