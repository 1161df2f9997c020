//! What a simulated node answers: the product's messages, made from the product's shard and the simulated group.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::command::ShardCommand;
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_node::said;
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_response::Outcome as Changed;
use dnc_proto::internal::node_service_server::NodeService;
use dnc_proto::internal::shard_write_response::Outcome as Written;
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::plan::Plant;
use crate::raft::{Refused, WriteError};
use crate::world::{Running, now_ms};

/// Longest that a caller can ask this node to take over a write.
const MAX_LIMIT: Duration = Duration::from_secs(10);
/// A barrier waits for its catalog for so long.
const CATALOG_WAIT: Duration = Duration::from_millis(500);
/// Most time that passes between noting where a replica stands and looking what it knows.
const THINK: Duration = Duration::from_millis(8);

/// The service of one node.
#[derive(Clone)]
pub struct Service {
    node: Node,
}

// === impl Service ===

impl Service {
    /// The service of this node.
    pub fn new(node: Node) -> Service {
        Service { node }
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn meant_for_this<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let ours = self.node.id().to_string();
        match request.metadata().get(dnc_proto::NODE_KEY) {
            Some(theirs) if theirs.as_bytes() != ours.as_bytes() => {
                Err(Status::failed_precondition(format!("this is node {ours}")))
            }
            _ => Ok(()),
        }
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn replica(&self, shard: u32) -> Result<Running, Status> {
        let shard = ShardId(shard);
        self.node.replica(shard).ok_or_else(|| Status::not_found(format!("shard {shard} has no replica here")))
    }

    fn plants(&self, plant: Plant) -> bool {
        self.node.host().world().plants(plant)
    }

    fn standing(&self, replica: &Running, leases: bool) -> wire::Standing {
        let (group, barrier) = (&replica.group, replica.shard.barrier());
        let mut standing = said::standing(&group.tail(), group.brief(), barrier, leases);
        if self.plants(Plant::AnswerFromOneReplica) {
            standing.membership = vec![wire::VoterSet { nodes: vec![self.node.id()] }];
        }
        standing
    }

    async fn answer(
        &self,
        question: wire::ShardQuestion,
        view: u64,
        leases: bool,
    ) -> Result<wire::ShardAnswer, Status> {
        let id = ShardId(question.shard);
        let Some(replica) = self.node.replica(id) else {
            return Ok(said::unanswered(id, wire::NoAnswer::NotHere));
        };
        let digits = question.digits().map_err(|error| Status::invalid_argument(error.to_string()))?;
        let numbers: Vec<PhoneNumber> = digits
            .map(PhoneNumber::from_u64)
            .collect::<Result<_, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let view = self.node.cache().view(view);
        // First where it stands, then what it knows; on many threads anything may happen between the two.
        let standing = self.standing(&replica, leases);
        let think = self.node.host().dice().time(Duration::ZERO, THINK);
        let look =
            || replica.shard.answer(&numbers, view.as_deref(), now_ms()).map_err(|e| Status::internal(e.to_string()));
        if self.plants(Plant::StandingAfterAnswer) {
            let found = look()?;
            sleep(think * 8).await;
            return Ok(said::answered(id, self.standing(&replica, leases), found));
        }
        sleep(think).await;
        let answer = said::answered(id, standing, look()?);
        // What was read of a replica that has gone meanwhile may have been read while it was being deleted.
        let stays = self.node.replica(id).is_some_and(|now| Arc::ptr_eq(&now.shard, &replica.shard));
        Ok(if stays { answer } else { said::unanswered(id, wire::NoAnswer::NotHere) })
    }

    fn status_of(&self, replica: &Running, catalog: &Catalog) -> wire::Replica {
        let (group, tail) = (&replica.group, replica.group.tail());
        wire::Replica {
            shard: replica.shard.id().0,
            leader: group.leader().unwrap_or(0),
            last: tail.last.map(said::position),
            applied: group.applied().map(said::position),
            placed: self.node.placed(replica.shard.id()),
            has_view: said::has_view(&replica.shard, catalog),
            group: Some(said::group(tail, group.is_leader(), group.committed(), group.matched())),
            ..wire::Replica::default()
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
        let mut answers = Vec::with_capacity(request.questions.len());
        for question in request.questions {
            answers.push(self.answer(question, request.view, request.leases).await?);
        }
        let view = self.node.cache().get().view.revision;
        Ok(Response::new(wire::NodeCheckResponse { answers, view, node: self.node.id() }))
    }

    async fn write(
        &self,
        request: Request<wire::ShardWriteRequest>,
    ) -> Result<Response<wire::ShardWriteResponse>, Status> {
        self.meant_for_this(&request)?;
        let request = request.into_inner();
        let command = codec::decode::<ShardCommand>(&request.command)
            .map_err(|error| Status::invalid_argument(format!("not a shard command: {error}")))?;
        let replica = self.replica(request.shard)?;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        if let ShardCommand::Barrier { revision } = command {
            let wait = CATALOG_WAIT.min(limit / 2);
            let known = self.node.cache().wait_for(wait, |catalog| catalog.revision >= revision).await;
            known.map_err(|error| Status::invalid_argument(error.to_string()))?;
        }
        let outcome = match replica.group.write(request.command, limit).await {
            Ok(reply) => Written::Reply(reply),
            Err(WriteError::NotLeader(leader)) => Written::NotLeader(leader.unwrap_or(0)),
            Err(WriteError::Unknown(why)) => Written::Unknown(why),
        };
        Ok(Response::new(wire::ShardWriteResponse { outcome: Some(outcome), node: self.node.id() }))
    }

    async fn query(
        &self,
        _request: Request<wire::ShardQueryRequest>,
    ) -> Result<Response<wire::ShardQueryResponse>, Status> {
        Err(Status::unimplemented("nobody asks this here"))
    }

    async fn warm(&self, _request: Request<wire::WarmRequest>) -> Result<Response<wire::WarmResponse>, Status> {
        Err(Status::unimplemented("nobody asks this here"))
    }

    async fn change_group(
        &self,
        request: Request<wire::ChangeGroupRequest>,
    ) -> Result<Response<wire::ChangeGroupResponse>, Status> {
        self.meant_for_this(&request)?;
        let request = request.into_inner();
        let group = self.replica(request.shard)?.group;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        let seen = request.membership_at.map(said::named);
        let change = request.change.ok_or_else(|| Status::invalid_argument("the request names no change"))?;
        crate::note!(self.node.host().world().trace(), self.node.host().name(), "shard {}: {change:?}", request.shard);
        let changed = match said::change(change) {
            Ok(change) => group.change_membership(change, seen, limit).await,
            Err(to) if group.tail().membership_at == seen => group.transfer_leader(to, limit).await,
            Err(_) => Err(Refused::Refused("the membership is another one".to_owned())),
        };
        Ok(Response::new(self.changed(changed)))
    }

    async fn version_status(
        &self,
        request: Request<wire::VersionStatusRequest>,
    ) -> Result<Response<wire::VersionStatusResponse>, Status> {
        self.meant_for_this(&request)?;
        let request = request.into_inner();
        let (registry, version) = (RegistryId(request.registry), VersionId(request.version));
        let replicas = self.node.replicas();
        let shards = replicas.iter().map(|replica| said::version_of(&replica.shard, registry, version));
        Ok(Response::new(wire::VersionStatusResponse { shards: shards.collect(), node: self.node.id() }))
    }

    async fn replicas(
        &self,
        request: Request<wire::ReplicasRequest>,
    ) -> Result<Response<wire::ReplicasResponse>, Status> {
        self.meant_for_this(&request)?;
        let known = self.node.cache().get();
        let replicas = self.node.replicas().iter().map(|replica| self.status_of(replica, &known.catalog)).collect();
        Ok(Response::new(wire::ReplicasResponse {
            node: self.node.id(),
            replicas,
            revision: known.catalog.revision,
            now_ms: now_ms(),
            ..wire::ReplicasResponse::default()
        }))
    }

    async fn get_catalog(
        &self,
        request: Request<wire::GetCatalogRequest>,
    ) -> Result<Response<wire::CatalogCopy>, Status> {
        let known = self.node.cache().get();
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
        let catalog: Catalog =
            codec::decode(&copy.catalog).map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.node.cache().offer(catalog).map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(wire::OfferCatalogResponse { revision: self.node.cache().get().catalog.revision }))
    }
}

impl Service {
    fn changed(&self, changed: Result<(), Refused>) -> wire::ChangeGroupResponse {
        let outcome = match changed {
            Ok(()) => Changed::Done(true),
            Err(Refused::NotLeader(leader)) => Changed::NotLeader(leader.unwrap_or(0)),
            Err(Refused::Refused(why)) => Changed::Refused(why),
            Err(Refused::Unknown(why)) => Changed::Unknown(why),
        };
        wire::ChangeGroupResponse { outcome: Some(outcome), node: self.node.id() }
    }
}
