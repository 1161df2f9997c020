//! What routers ask of a node: `dnc.internal.v1.NodeService`.
//!
//! Each call names its cluster in its metadata, and is refused if that is another one. The check is
//! in `check`; the rest is here.

mod check;
mod status;

use std::time::Duration;

use dnc_consensus::{ClusterId, WriteError};
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::command::ShardCommand;
use dnc_core::ids::ShardId;
use dnc_meta::CatalogCache;
use dnc_proto::internal::node_service_server::{NodeService, NodeServiceServer};
use dnc_proto::internal::shard_write_response::Outcome;
use dnc_proto::{CLUSTER_KEY, internal as wire};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;

use crate::identity::Identity;
use crate::{Error, Hosting};

/// Longest wait for a commit that a router can ask for.
const MAX_WRITE: Duration = Duration::from_secs(10);

/// Largest message: a question of 10,000 numbers that are all listed many times stays below it.
const MAX_MESSAGE: usize = 16 << 20;

/// The service of one node.
#[derive(Clone)]
pub struct Service {
    identity: Identity,
    hosting: Hosting,
    cache: CatalogCache,
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
    tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(max_in_flight))
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned())
        .await?;
    Ok(())
}

// === impl Service ===

impl Service {
    /// The service of this node.
    pub fn new(identity: Identity, hosting: Hosting, cache: CatalogCache) -> Service {
        Service { identity, hosting, cache }
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn same_cluster<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let ours = ClusterId(self.identity.cluster).to_string();
        let theirs = request.metadata().get(CLUSTER_KEY).and_then(|value| value.to_str().ok()).unwrap_or("none");
        if theirs == ours {
            Ok(())
        } else {
            Err(Status::failed_precondition(format!(
                "this node belongs to cluster {ours}, the call names cluster {theirs}"
            )))
        }
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn check(
        &self,
        request: Request<wire::NodeCheckRequest>,
    ) -> Result<Response<wire::NodeCheckResponse>, Status> {
        self.same_cluster(&request)?;
        Ok(Response::new(self.answer(request.into_inner())?))
    }

    async fn write(
        &self,
        request: Request<wire::ShardWriteRequest>,
    ) -> Result<Response<wire::ShardWriteResponse>, Status> {
        self.same_cluster(&request)?;
        let request = request.into_inner();
        // What is in the log must be readable by all replicas, or they stop.
        codec::decode::<ShardCommand>(&request.command)
            .map_err(|error| Status::invalid_argument(format!("not a shard command: {error}")))?;
        let replica = self
            .hosting
            .replica(ShardId(request.shard))
            .ok_or_else(|| Status::not_found(format!("shard {} has no replica here", request.shard)))?;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_WRITE);
        let outcome = match replica.group.write(request.command, limit).await {
            Ok((_, reply)) => Outcome::Reply(reply),
            Err(WriteError::NotLeader { leader }) => Outcome::NotLeader(leader.unwrap_or(0)),
            Err(error) => Outcome::Unknown(error.to_string()),
        };
        Ok(Response::new(wire::ShardWriteResponse { outcome: Some(outcome) }))
    }

    async fn version_status(
        &self,
        request: Request<wire::VersionStatusRequest>,
    ) -> Result<Response<wire::VersionStatusResponse>, Status> {
        self.same_cluster(&request)?;
        Ok(Response::new(self.versions(request.into_inner())))
    }

    async fn replicas(
        &self,
        request: Request<wire::ReplicasRequest>,
    ) -> Result<Response<wire::ReplicasResponse>, Status> {
        self.same_cluster(&request)?;
        self.status(request.into_inner()).await.map(Response::new)
    }

    /// Open to routers that do not know the cluster yet: it is how they learn it while the meta group is down.
    async fn get_catalog(
        &self,
        request: Request<wire::GetCatalogRequest>,
    ) -> Result<Response<wire::CatalogCopy>, Status> {
        if request.metadata().contains_key(CLUSTER_KEY) {
            self.same_cluster(&request)?;
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
        self.same_cluster(&request)?;
        let copy = request.into_inner();
        let catalog: Catalog = codec::decode(&copy.catalog)
            .map_err(|error| Status::invalid_argument(format!("not a catalog: {error}")))?;
        self.cache.offer(catalog).map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(wire::OfferCatalogResponse { revision: self.cache.get().catalog.revision }))
    }
}
