//! The check: what the replicas here know, and where they stand in their logs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dnc_core::codec;
use dnc_core::ids::ShardId;
use dnc_core::number::PhoneNumber;
use dnc_core::view::View;
use dnc_proto::internal as wire;
use tonic::Status;

use super::Service;
use crate::clock;
use crate::hosting::Replica;
use crate::shard::{Found, ShardError};

/// Most numbers in one call, over all questions.
pub(super) const MAX_NUMBERS: usize = 10_000;

/// Most bytes of hits in one answer: what a message carries, with room to spare. A number has some tens of bytes, and
/// only one with thousands of suppressions comes near.
const MAX_HIT_BYTES: usize = 12 << 20;

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
        // By a clock that makes no sense all exemptions have ended: the safe side.
        let now_ms = clock::now_ms().unwrap_or(u64::MAX);
        let mut answers = Vec::with_capacity(request.questions.len());
        let mut bytes = 0;
        for question in request.questions {
            let numbers = parse(&question.numbers)?;
            let id = ShardId(question.shard);
            let answer = match self.hosting.replica(id) {
                Some(replica) => {
                    let answer = self.answer_shard(&replica, &numbers, view.as_ref(), now_ms, &mut bytes)?;
                    self.hosting.runs_here(&replica).then_some(answer)
                }
                None => None,
            };
            answers.push(answer.unwrap_or_else(|| no_answer(id, wire::NoAnswer::NotHere)));
        }
        Ok(wire::NodeCheckResponse { answers, view: self.cache.get().view.revision, node: self.identity.node })
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn answer_shard(
        &self,
        replica: &Replica,
        numbers: &[PhoneNumber],
        view: Option<&Arc<View>>,
        now_ms: u64,
        bytes: &mut usize,
    ) -> Result<wire::ShardAnswer, Status> {
        let id = replica.shard.id();
        // First where it stands, then what it knows: the read rule rests on this order.
        let standing = standing(replica);
        Ok(match replica.shard.answer(numbers, view.map(Arc::as_ref), now_ms) {
            Ok(found) => {
                let answer = answered(id, standing, found);
                *bytes += answer.live_hits.iter().map(|hit| hit.finding.len()).sum::<usize>();
                *bytes += answer.exempt_hits.iter().map(|hit| hit.exemption.len()).sum::<usize>();
                if *bytes > MAX_HIT_BYTES {
                    return Err(Status::out_of_range(format!(
                        "the hits would be more than {MAX_HIT_BYTES} bytes: ask for fewer numbers"
                    )));
                }
                answer
            }
            Err(ShardError::Foreign) => {
                return Err(Status::invalid_argument(format!("a number does not belong to shard {id}")));
            }
            Err(ShardError::Starting) => no_answer(id, wire::NoAnswer::Starting),
            // Logged when it came into the log.
            Err(ShardError::Unreadable(_)) => no_answer(id, wire::NoAnswer::Damaged),
            Err(error) => {
                metrics::counter!("dnc_node_damaged_answers_total").increment(1);
                // Ever more seldom: this is met with at every check.
                let times = self.damaged.fetch_add(1, Ordering::Relaxed) + 1;
                if times.is_power_of_two() {
                    tracing::error!(shard = id.0, node = self.identity.node, %error, times, "answer a check");
                }
                no_answer(id, wire::NoAnswer::Damaged)
            }
        })
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
        // Read before the answer is made: it may show more than this says, never less.
        applied: replica.group.status().applied.map(super::status::position),
        generation: replica.group.generation(),
    }
}

/// An answer on the wire: what a replica found, and where it stood before it looked.
pub fn answered(id: ShardId, standing: wire::Standing, found: Found) -> wire::ShardAnswer {
    let at = |at: usize| u32::try_from(at).expect("bounded by MAX_NUMBERS");
    wire::ShardAnswer {
        shard: id.0,
        no_answer: wire::NoAnswer::Unspecified.into(),
        standing: Some(standing),
        has_view: found.bulk.is_some(),
        listed: found
            .bulk
            .into_iter()
            .flatten()
            .map(|listed| wire::Listed { registry: listed.registry.0, numbers: listed.numbers.into_bytes() })
            .collect(),
        live_hits: found
            .live
            .into_iter()
            .map(|hit| wire::LiveHit { at: at(hit.at), finding: codec::encode(&hit.finding) })
            .collect(),
        exempt_hits: found
            .exemptions
            .into_iter()
            .map(|hit| wire::ExemptHit { at: at(hit.at), exemption: codec::encode(&hit.exemption) })
            .collect(),
    }
}

fn no_answer(id: ShardId, why: wire::NoAnswer) -> wire::ShardAnswer {
    wire::ShardAnswer { shard: id.0, no_answer: why.into(), ..Default::default() }
}
