//! Questions to a shard's leader that are no checks: finds the leader, and asks again until it answers or the time is up.

use std::time::Duration;

use dnc_core::codec;
use dnc_core::ids::{NodeId, ShardId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_proto::internal as wire;
use dnc_proto::internal::shard_query_response::Outcome;
use tokio::time::{Instant, sleep, timeout};

use super::{Route, nodes};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Pauses between attempts grow from the first to the second.
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Why a shard did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No leader answered.
    #[error("no leader of shard {0} answered in time")]
    NoAnswer(ShardId),
    /// The shards are not placed yet.
    #[error("the shards are not placed yet")]
    NotPlaced,
    /// The answer cannot be read.
    #[error("the answer of shard {0} cannot be read")]
    BadAnswer(ShardId),
}

/// How one attempt ended without an answer.
enum Attempt {
    Answered(Vec<u8>),
    NotLeader(NodeId),
    Failed,
}

// === impl Route ===

impl Route {
    /// Asks the leader of a shard. The answer shows every write that was acknowledged before.
    pub async fn query(
        &self,
        shard: ShardId,
        query: &ShardQuery,
        deadline: Instant,
    ) -> Result<ShardAnswer, QueryError> {
        let encoded = codec::encode(query);
        let mut pause = PAUSE;
        let mut turn = self.inner.nodes.turn();
        loop {
            let known = self.known();
            // While a replica moves, the new one may lead before the shard map names it.
            let hosts = known.catalog.hosts(shard);
            if hosts.is_empty() {
                return Err(QueryError::NotPlaced);
            }
            let node = self.inner.nodes.leader(shard).unwrap_or_else(|| {
                turn += 1;
                hosts[turn % hosts.len()]
            });
            match self.ask_leader(node, shard, &encoded, deadline).await {
                Attempt::Answered(answer) => {
                    self.inner.nodes.note_leader(shard, node);
                    return codec::decode(&answer).map_err(|_| QueryError::BadAnswer(shard));
                }
                Attempt::NotLeader(leader) if leader != 0 && leader != node => {
                    self.inner.nodes.note_leader(shard, leader);
                }
                Attempt::NotLeader(_) | Attempt::Failed => self.inner.nodes.forget_leader(shard),
            }
            if Instant::now() + pause >= deadline {
                return Err(QueryError::NoAnswer(shard));
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn ask_leader(&self, node: NodeId, shard: ShardId, query: &[u8], deadline: Instant) -> Attempt {
        let known = self.known();
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return Attempt::Failed;
        };
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        let message = wire::ShardQueryRequest {
            shard: shard.0,
            query: query.to_vec(),
            limit_ms: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
            generation: known.catalog.generation(shard),
        };
        let request = nodes::request(&known.catalog, node, message, limit);
        let outcome = match timeout(limit, client.query(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                if self.is_from(node, response.node) { response.outcome } else { None }
            }
            Ok(Err(status)) => {
                tracing::debug!(node, shard = shard.0, code = ?status.code(), "query");
                None
            }
            Err(_) => None,
        };
        match outcome {
            Some(Outcome::Answer(answer)) => Attempt::Answered(answer),
            Some(Outcome::NotLeader(leader)) => Attempt::NotLeader(leader),
            Some(Outcome::Unavailable(why)) => {
                tracing::debug!(node, shard = shard.0, why, "query: no answer");
                Attempt::Failed
            }
            None => {
                self.inner.nodes.suspect(node);
                Attempt::Failed
            }
        }
    }
}
