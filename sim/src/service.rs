//! What a simulated node answers: the product's messages, made from the product's shard and the simulated group.

use std::time::Duration;

use dnc_consensus::{LogPosition, MembershipChange};
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::command::ShardCommand;
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_node::{answered, has_view};
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_request::Change;
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

    fn standing(&self, replica: &Running) -> wire::Standing {
        let tail = replica.group.tail();
        let mut membership = tail.membership.as_ref().map_or_else(Vec::new, |members| {
            members.configs.iter().map(|voters| wire::VoterSet { nodes: voters.iter().copied().collect() }).collect()
        });
        if self.plants(Plant::AnswerFromOneReplica) {
            membership = vec![wire::VoterSet { nodes: vec![self.node.id()] }];
        }
        wire::Standing {
            last: tail.last.map(position),
            membership_at: tail.membership_at.map(position),
            membership,
            barrier: replica.shard.barrier(),
            leader: replica.group.leader().unwrap_or(0),
            applied: replica.group.applied().map(position),
            // Nothing is recovered here.
            generation: 0,
        }
    }

    async fn answer(&self, question: wire::ShardQuestion, view: u64) -> Result<wire::ShardAnswer, Status> {
        let id = ShardId(question.shard);
        let Some(replica) = self.node.replica(id) else {
            let no_answer = wire::NoAnswer::NotHere.into();
            return Ok(wire::ShardAnswer { shard: id.0, no_answer, ..Default::default() });
        };
        let numbers: Vec<PhoneNumber> = question
            .numbers
            .iter()
            .map(|number| PhoneNumber::from_u64(*number))
            .collect::<Result<_, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let view = self.node.cache().view(view);
        // First where it stands, then what it knows; on many threads anything may happen between the two.
        let standing = self.standing(&replica);
        let think = self.node.host().dice().time(Duration::ZERO, THINK);
        let look =
            || replica.shard.answer(&numbers, view.as_deref(), now_ms()).map_err(|e| Status::internal(e.to_string()));
        if self.plants(Plant::StandingAfterAnswer) {
            let found = look()?;
            sleep(think * 8).await;
            return Ok(answered(id, self.standing(&replica), found));
        }
        sleep(think).await;
        Ok(answered(id, standing, look()?))
    }

    fn status_of(&self, replica: &Running, catalog: &Catalog) -> wire::Replica {
        let tail = replica.group.tail();
        let membership = tail.membership.unwrap_or_default();
        let voters = membership.configs.iter();
        wire::Replica {
            shard: replica.shard.id().0,
            leader: replica.group.leader().unwrap_or(0),
            last: tail.last.map(position),
            applied: replica.group.applied().map(position),
            placed: self.node.placed(replica.shard.id()),
            has_view: has_view(&replica.shard, catalog),
            group: Some(wire::Group {
                leads: replica.group.is_leader(),
                voters: voters.map(|set| wire::VoterSet { nodes: set.iter().copied().collect() }).collect(),
                learners: membership.learners.iter().copied().collect(),
                committed: tail.membership_at.is_some() && tail.membership_at <= replica.group.committed(),
                membership_at: tail.membership_at.map(position),
                matched: replica
                    .group
                    .matched()
                    .into_iter()
                    .map(|(node, at)| wire::Matched { node, at: at.map(position) })
                    .collect(),
            }),
            ..wire::Replica::default()
        }
    }
}

fn position(at: LogPosition) -> wire::LogPosition {
    wire::LogPosition { term: at.term, index: at.index }
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
            answers.push(self.answer(question, request.view).await?);
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
        let seen = request.membership_at.map(|at| LogPosition { term: at.term, index: at.index });
        let change = request.change.ok_or_else(|| Status::invalid_argument("the request names no change"))?;
        crate::note!(self.node.host().world().trace(), self.node.host().name(), "shard {}: {change:?}", request.shard);
        let change = match change {
            Change::Leader(to) => {
                let changed = match group.tail().membership_at == seen {
                    true => group.transfer_leader(to, limit).await,
                    false => Err(Refused::Refused("the membership is another one".to_owned())),
                };
                return Ok(Response::new(self.changed(changed)));
            }
            Change::AddLearner(node) => MembershipChange::AddLearner(node),
            Change::RemoveLearner(node) => MembershipChange::RemoveLearner(node),
            Change::Voters(voters) => MembershipChange::SetVoters(voters.nodes.into_iter().collect()),
            Change::FinishJoint(_) => MembershipChange::FinishJoint,
        };
        let changed = group.change_membership(change, seen, limit).await;
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
        let shards = replicas.iter().map(|replica| {
            let seal = replica.shard.seal_of(registry, version);
            wire::ShardVersion {
                shard: replica.shard.id().0,
                ready: seal.is_some(),
                checksum: seal.map_or(0, |seal| seal.checksum),
                numbers: seal.map_or(0, |seal| seal.numbers),
            }
        });
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
