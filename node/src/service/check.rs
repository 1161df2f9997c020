//! The check: what the replicas here know, and where they stand in their logs.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use dnc_consensus::Moment;
use dnc_core::ids::ShardId;
use dnc_core::number::PhoneNumber;
use dnc_core::view::View;
use dnc_proto::internal as wire;
use tonic::Status;

use super::Service;
use crate::clock;
use crate::hosting::Replica;
use crate::said::{self, unanswered};
use crate::shard::ShardError;

/// Most numbers in one call, over all questions.
pub(super) const MAX_NUMBERS: usize = 10_000;

/// Most bytes of hits in one response: what a message carries, with room to spare. A number has some tens of bytes, and
/// only one with thousands of suppressions comes near. A question whose hits do not fit any more goes without an answer.
const MAX_HIT_BYTES: usize = 12 << 20;

/// What holds for all questions of a call.
struct Call<'a> {
    view: Option<&'a View>,
    /// Whether to whoever asks a lease suffices.
    leases: bool,
    /// When it came in: what leases are held against.
    came: Moment,
    /// The same for exemptions, milliseconds since 1970. By a clock that makes no sense all have ended: the safe side.
    came_ms: u64,
}

// === impl Service ===

impl Service {
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub(super) fn answer(&self, request: wire::NodeCheckRequest) -> Result<wire::NodeCheckResponse, Status> {
        let total: usize = request.questions.iter().map(wire::ShardQuestion::count).sum();
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
        // Once for all: whoever led alone now knows all that was acknowledged before, however late it is read.
        let (came, came_ms) = (Moment::now(), clock::now_ms().unwrap_or(u64::MAX));
        let call = Call { view: view.as_deref(), leases: request.leases, came, came_ms };
        let mut answers = Vec::with_capacity(request.questions.len());
        let mut bytes = 0;
        for question in request.questions {
            let numbers = parse(&question)?;
            let id = ShardId(question.shard);
            let answer = match self.hosting.replica(id) {
                Some(replica) => {
                    let room = MAX_HIT_BYTES - bytes;
                    let answer = self.answer_shard(&replica, &numbers, &call, room)?;
                    replica.is_asked().then_some(answer)
                }
                None => None,
            };
            let answer = answer.unwrap_or_else(|| unanswered(id, wire::NoAnswer::NotHere));
            bytes += hit_bytes(&answer);
            answers.push(answer);
        }
        Ok(wire::NodeCheckResponse { answers, view: self.cache.get().view.revision, node: self.identity.node })
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn answer_shard(
        &self,
        replica: &Replica,
        numbers: &[PhoneNumber],
        call: &Call<'_>,
        room: usize,
    ) -> Result<wire::ShardAnswer, Status> {
        let id = replica.shard.id();
        // First where it stands, then what it knows: the read rule rests on this order.
        let (tail, brief) = (replica.group.tail(), replica.group.brief(call.came));
        let standing = said::standing(&tail, brief, replica.shard.barrier(), call.leases);
        Ok(match replica.shard.answer(numbers, call.view, call.came_ms) {
            Ok(found) => {
                let answer = said::answered(id, standing, found);
                if hit_bytes(&answer) <= room { answer } else { unanswered(id, wire::NoAnswer::TooMuch) }
            }
            Err(ShardError::Foreign) => {
                return Err(Status::invalid_argument(format!("a number does not belong to shard {id}")));
            }
            Err(ShardError::Starting) => unanswered(id, wire::NoAnswer::Starting),
            // Logged when it came into the log.
            Err(ShardError::Unreadable(_)) => unanswered(id, wire::NoAnswer::Damaged),
            Err(error) => {
                metrics::counter!("dnc_node_damaged_answers_total").increment(1);
                // Ever more seldom: this is met with at every check.
                let times = self.damaged.fetch_add(1, Ordering::Relaxed) + 1;
                if times.is_power_of_two() {
                    tracing::error!(shard = id.0, node = self.identity.node, %error, times, "answer a check");
                }
                unanswered(id, wire::NoAnswer::Damaged)
            }
        })
    }
}

#[allow(clippy::result_large_err)] // tonic's own error type.
fn parse(question: &wire::ShardQuestion) -> Result<Vec<PhoneNumber>, Status> {
    let refused = |why: &dyn Display| Status::invalid_argument(format!("a question's number: {why}"));
    let mut numbers = Vec::with_capacity(question.count());
    for digits in question.digits().map_err(|error| refused(&error))? {
        numbers.push(PhoneNumber::from_u64(digits).map_err(|error| refused(&error))?);
    }
    Ok(numbers)
}

fn hit_bytes(answer: &wire::ShardAnswer) -> usize {
    answer.live_hits.iter().map(|hit| hit.finding.len()).sum::<usize>()
        + answer.exempt_hits.iter().map(|hit| hit.exemption.len()).sum::<usize>()
}
