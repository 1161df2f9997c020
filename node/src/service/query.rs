//! Questions to a shard's leader: what checks do not ask.

use std::time::Duration;

use dnc_consensus::ReadError;
use dnc_core::codec;
use dnc_core::ids::ShardId;
use dnc_core::query::ShardQuery;
use dnc_proto::internal as wire;
use dnc_proto::internal::shard_query_response::Outcome;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{MAX_LIMIT, Service};
use crate::shard::ShardError;

/// Questions, and other work that reads much, that are answered at a time.
pub(super) const SCANS_AT_ONCE: usize = 8;

// === impl Service ===

impl Service {
    pub(super) async fn ask(&self, request: wire::ShardQueryRequest) -> Result<wire::ShardQueryResponse, Status> {
        let query: ShardQuery = codec::decode(&request.query)
            .map_err(|error| Status::invalid_argument(format!("not a shard query: {error}")))?;
        let shard = ShardId(request.shard);
        let replica = self.replica_of(shard, request.generation)?;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        let deadline = Instant::now() + limit;
        let node = self.identity.node;
        let unavailable = |why: String| Ok(wire::ShardQueryResponse { outcome: Some(Outcome::Unavailable(why)), node });
        let Ok(turn) = timeout_at(deadline, self.scans.clone().acquire_owned()).await else {
            return unavailable("too many questions at a time".into());
        };
        // From here on the state shows every write that was acknowledged before the question.
        match replica.group.linearize(deadline.saturating_duration_since(Instant::now())).await {
            Ok(()) => {}
            Err(ReadError::NotLeader { leader }) => {
                let outcome = Outcome::NotLeader(leader.unwrap_or(0));
                return Ok(wire::ShardQueryResponse { outcome: Some(outcome), node });
            }
            Err(error) => return unavailable(error.to_string()),
        }
        let until = deadline.into_std();
        let asked = replica.clone();
        let answered = tokio::task::spawn_blocking(move || {
            // Until it is answered, even if whoever asked has gone.
            let _turn = turn;
            asked.shard.query(&query, until)
        });
        let answered = answered.await;
        if !replica.is_asked() {
            return unavailable("the replica has just stopped or moved away".into());
        }
        match answered {
            Ok(Ok(answer)) => {
                Ok(wire::ShardQueryResponse { outcome: Some(Outcome::Answer(codec::encode(&answer))), node })
            }
            Ok(Err(error @ (ShardError::BadPlace | ShardError::Foreign | ShardError::TooMuch(_)))) => {
                Err(Status::invalid_argument(error.to_string()))
            }
            Ok(Err(error @ (ShardError::Starting | ShardError::TooLong(_) | ShardError::NotSealed(..)))) => {
                unavailable(error.to_string())
            }
            Ok(Err(error)) => {
                tracing::error!(shard = shard.0, node = self.identity.node, %error, "answer a question");
                unavailable("the replica could not read what it holds".into())
            }
            Err(error) => Err(Status::internal(format!("answer a question: {error}"))),
        }
    }
}
