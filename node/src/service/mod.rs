//! What routers ask of a node: `dnc.internal.v1.NodeService`.
//!
//! Each call names in its metadata its cluster and the node that it is meant for, and is refused if either is another one:
//! addresses are used again, and one process must not answer as two replicas. The check is
//! in `check`, writes are in `write`, questions to leaders in `query`, the state of replicas in `status`.

mod check;
mod group;
mod query;
mod status;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dnc_consensus::ClusterId;
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::ids::ShardId;
use dnc_meta::{CatalogCache, Gathered};
use dnc_proto::internal::node_service_server::{NodeService, NodeServiceServer};
use dnc_proto::{CLUSTER_KEY, NODE_KEY, internal as wire};
use futures::TryStreamExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;

use crate::disk::Disk;
use crate::hosting::Replica;
use crate::identity::Identity;
use crate::threads::heavily;
use crate::{Error, Hosting};

/// Longest that a router can ask this node to take over a write or a question.
const MAX_LIMIT: Duration = Duration::from_secs(10);

/// Numbers of a check from which on it is answered where it holds up no other call: of as many, each with a record, it takes some
/// milliseconds, and of others a tenth of that. Handing the thread's other work over takes about as long as some hundred numbers.
const LARGE_CHECK: usize = 2_000;

/// Largest message: answers are bounded far enough below it.
const MAX_MESSAGE: usize = 16 << 20;

/// The service of one node.
#[derive(Clone)]
pub struct Service {
    identity: Identity,
    hosting: Hosting,
    cache: CatalogCache,
    disk: Disk,
    /// Bounds what reads much.
    scans: Arc<Semaphore>,
    /// Checks that met with what could not be read.
    damaged: Arc<AtomicU64>,
}

/// Serves until told to stop; then finishes what is in flight.
pub async fn serve(
    listener: std::net::TcpListener,
    service: Service,
    max_in_flight: usize,
    stop: CancellationToken,
) -> Result<(), Error> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service =
        NodeServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
    // The builder's own setting holds for listeners that it binds. Without it an answer of several packets waits for the
    // router's delayed acknowledgement: some 40 ms.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).map_ok(Gathered::new);
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(max_in_flight))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await?;
    Ok(())
}

// === impl Service ===

impl Service {
    /// The service of this node.
    pub fn new(identity: Identity, hosting: Hosting, cache: CatalogCache, disk: Disk) -> Service {
        let scans = Arc::new(Semaphore::new(query::SCANS_AT_ONCE));
        Service { identity, hosting, cache, disk, scans, damaged: Arc::default() }
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn meant_for_this<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let ours = ClusterId(self.identity.cluster).to_string();
        let theirs = request.metadata().get(CLUSTER_KEY).and_then(|value| value.to_str().ok()).unwrap_or("none");
        if theirs != ours {
            return Err(Status::failed_precondition(format!(
                "this node belongs to cluster {ours}, the call names cluster {theirs}"
            )));
        }
        let ours = self.identity.node.to_string();
        match request.metadata().get(NODE_KEY) {
            Some(theirs) if theirs.as_bytes() != ours.as_bytes() => {
                let theirs = String::from_utf8_lossy(theirs.as_bytes());
                Err(Status::failed_precondition(format!("this is node {ours}, the call is meant for node {theirs}")))
            }
            // A caller that names none asks whoever is here, and is told in the answer who that is.
            _ => Ok(()),
        }
    }

    /// The replica of a shard, if it runs here and belongs to the generation of the shard's group that the caller knows:
    /// one that a recovery left behind takes no write and answers no question, whoever still believes in it.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn replica_of(&self, shard: ShardId, generation: u64) -> Result<Replica, Status> {
        let replica = self.hosting.replica(shard).ok_or_else(|| write::not_here(shard))?;
        match replica.group.generation() {
            ours if ours == generation => Ok(replica),
            ours => Err(Status::not_found(format!(
                "the replica of shard {shard} here is of generation {ours}, the call is for generation {generation}"
            ))),
        }
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn check(
        &self,
        request: Request<wire::NodeCheckRequest>,
    ) -> Result<Response<wire::NodeCheckResponse>, Status> {
        self.meant_for_this(&request)?;
        let request = request.into_inner();
        let large = request.questions.iter().map(wire::ShardQuestion::count).sum::<usize>() >= LARGE_CHECK;
        let answer = if large { heavily(|| self.answer(request)) } else { self.answer(request) };
        answer.map(Response::new)
    }

    async fn write(
        &self,
        request: Request<wire::ShardWriteRequest>,
    ) -> Result<Response<wire::ShardWriteResponse>, Status> {
        self.meant_for_this(&request)?;
        self.propose(request.into_inner()).await.map(Response::new)
    }

    async fn query(
        &self,
        request: Request<wire::ShardQueryRequest>,
    ) -> Result<Response<wire::ShardQueryResponse>, Status> {
        self.meant_for_this(&request)?;
        self.ask(request.into_inner()).await.map(Response::new)
    }

    async fn warm(&self, request: Request<wire::WarmRequest>) -> Result<Response<wire::WarmResponse>, Status> {
        self.meant_for_this(&request)?;
        self.warm_up(request.into_inner()).await.map(Response::new)
    }

    async fn change_group(
        &self,
        request: Request<wire::ChangeGroupRequest>,
    ) -> Result<Response<wire::ChangeGroupResponse>, Status> {
        self.meant_for_this(&request)?;
        self.change(request.into_inner()).await.map(Response::new)
    }

    async fn version_status(
        &self,
        request: Request<wire::VersionStatusRequest>,
    ) -> Result<Response<wire::VersionStatusResponse>, Status> {
        self.meant_for_this(&request)?;
        Ok(Response::new(self.versions(request.into_inner())))
    }

    async fn replicas(
        &self,
        request: Request<wire::ReplicasRequest>,
    ) -> Result<Response<wire::ReplicasResponse>, Status> {
        self.meant_for_this(&request)?;
        self.status(request.into_inner()).await.map(Response::new)
    }

    /// Open to routers that do not know the cluster yet: it is how they learn it while the meta group is down.
    async fn get_catalog(
        &self,
        request: Request<wire::GetCatalogRequest>,
    ) -> Result<Response<wire::CatalogCopy>, Status> {
        if request.metadata().contains_key(CLUSTER_KEY) {
            self.meant_for_this(&request)?;
        }
        let known = self.cache.get();
        let newer = known.catalog.revision > request.into_inner().newer_than;
        Ok(Response::new(wire::CatalogCopy {
            revision: known.catalog.revision,
            catalog: if newer { codec::encode(&known.catalog) } else { Vec::new() },
        }))
    }

    async fn offer_catalog(
        &self,
        request: Request<wire::CatalogCopy>,
    ) -> Result<Response<wire::OfferCatalogResponse>, Status> {
        self.meant_for_this(&request)?;
        let copy = request.into_inner();
        let catalog: Catalog = codec::decode(&copy.catalog)
            .map_err(|error| Status::invalid_argument(format!("not a catalog: {error}")))?;
        self.cache.offer(catalog).map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(wire::OfferCatalogResponse { revision: self.cache.get().catalog.revision }))
    }
}
