//! The check: what the replicas here know, and where they stand in their logs.

use std::sync::Arc;

use dnc_core::codec;
use dnc_core::ids::ShardId;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::LiveFinding;
use dnc_core::view::View;
use dnc_proto::internal as wire;
use tonic::Status;

use super::Service;
use crate::hosting::Replica;
use crate::shard::{Found, ShardError};

/// Most numbers in one call, over all questions.
const MAX_NUMBERS: usize = 100_000;

// === impl Service ===

impl Service {
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub(super) fn answer(&self, request: wire::NodeCheckRequest) -> Result<wire::NodeCheckResponse, Status> {
        let total: usize = request.questions.iter().map(|q| q.numbers.len()).sum();
        if total > MAX_NUMBERS {
            return Err(Status::invalid_argument(format!(
                "{total} numbers in one call, at most {MAX_NUMBERS} are answered"
            )));
        }
        metrics::counter!("dnc_node_checks_total").increment(1);
        metrics::counter!("dnc_node_numbers_total").increment(total as u64);
        tracing::debug!(
            request_id = request.request_id,
            node = self.identity.node,
            shards = request.questions.len(),
            numbers = total,
            view = request.view,
            "check"
        );
        let view = self.cache.view(request.view);
        let mut answers = Vec::with_capacity(request.questions.len());
        for question in request.questions {
            let numbers = parse(&question.numbers)?;
            let id = ShardId(question.shard);
            answers.push(match self.hosting.replica(id) {
                Some(replica) => answer_shard(&replica, self.identity.node, &numbers, view.as_ref()),
                None => no_answer(id, wire::NoAnswer::NotHere),
            });
        }
        Ok(wire::NodeCheckResponse { answers, view: self.cache.get().view.revision })
    }
}

#[allow(clippy::result_large_err)] // tonic's own error type.
fn parse(numbers: &[u64]) -> Result<Vec<PhoneNumber>, Status> {
    numbers
        .iter()
        .map(|number| PhoneNumber::from_u64(*number))
        .collect::<Result<_, _>>()
        .map_err(|error| Status::invalid_argument(format!("a question's number: {error}")))
}

fn answer_shard(replica: &Replica, node: u64, numbers: &[PhoneNumber], view: Option<&Arc<View>>) -> wire::ShardAnswer {
    let id = replica.shard.id();
    // First where it stands, then what it knows: the read rule rests on this order.
    let standing = standing(replica);
    match replica.shard.answer(numbers, view.map(Arc::as_ref)) {
        Ok(found) => answered(id, standing, found),
        Err(ShardError::Starting) => no_answer(id, wire::NoAnswer::Starting),
        Err(error) => {
            metrics::counter!("dnc_node_damaged_answers_total").increment(1);
            tracing::error!(shard = id.0, node, %error, "answer a check");
            no_answer(id, wire::NoAnswer::Damaged)
        }
    }
}

fn standing(replica: &Replica) -> wire::Standing {
    let tail = replica.group.tail();
    let membership = tail.membership.as_ref().map_or_else(Vec::new, |members| {
        members.configs.iter().map(|voters| wire::VoterSet { nodes: voters.iter().copied().collect() }).collect()
    });
    wire::Standing {
        last: tail.last.map(super::status::position),
        membership_at: tail.membership_at.map(super::status::position),
        membership,
        barrier: replica.shard.barrier(),
        leader: replica.group.leader().unwrap_or(0),
    }
}

fn answered(id: ShardId, standing: wire::Standing, found: Found) -> wire::ShardAnswer {
    let at = |at: usize| u32::try_from(at).expect("bounded by MAX_NUMBERS");
    wire::ShardAnswer {
        shard: id.0,
        no_answer: wire::NoAnswer::Unspecified.into(),
        standing: Some(standing),
        has_view: found.bulk.is_some(),
        bulk_hits: found
            .bulk
            .into_iter()
            .flatten()
            .map(|hit| wire::BulkHit { at: at(hit.at), registry: hit.registry.0 })
            .collect(),
        live_hits: found
            .live
            .into_iter()
            .map(|entry| wire::LiveHit {
                at: at(entry.at),
                finding: codec::encode(&LiveFinding::of(entry.registry, &entry.suppression)),
            })
            .collect(),
        exempt_hits: Vec::new(),
    }
}

fn no_answer(id: ShardId, why: wire::NoAnswer) -> wire::ShardAnswer {
    wire::ShardAnswer { shard: id.0, no_answer: why.into(), ..Default::default() }
}
