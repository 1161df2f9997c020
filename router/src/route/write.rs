//! Writing to a shard's log: find the leader, and repeat until it is done or the time is up.
//!
//! Every command is safe to repeat, so an attempt whose outcome is unknown is simply made again.

use std::time::Duration;

use dnc_core::codec;
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{NodeId, ShardId};
use dnc_proto::internal as wire;
use dnc_proto::internal::shard_write_response::Outcome;
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::{Route, nodes};

/// How long one attempt may take: longer than a commit, shorter than an election.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// Pauses between attempts grow from the first to the second.
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_millis(200);
/// Shards that get a barrier at a time.
const BARRIERS_AT_ONCE: usize = 16;

/// Why a write was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Surely not done: no leader took it.
    #[error("no leader of shard {0} was found in time")]
    NoLeader(ShardId),
    /// Surely not done: its leader takes no writes now, and nobody else took over in time.
    #[error("shard {shard} takes no writes now: {why}")]
    Held {
        /// The shard.
        shard: ShardId,
        /// What the leader's node says.
        why: String,
    },
    /// It may have been done, or may still be. Repeating it is safe.
    #[error("shard {0} did not answer in time; it may have been done, and repeating it is safe")]
    Unknown(ShardId),
    /// The shards are not placed yet.
    #[error("the shards are not placed yet")]
    NotPlaced,
    /// The reply cannot be read.
    #[error("the reply of shard {0} cannot be read")]
    BadReply(ShardId),
}

/// Shards that did not get the barrier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} shards could not be told in time, the first of them {}", .0.len(), .0.first().map_or(0, |shard| shard.0))]
pub struct BarrierError(pub Vec<ShardId>);

/// How one attempt ended.
enum Attempt {
    Done(Vec<u8>),
    NotLeader(NodeId),
    Unknown,
    Refused,
    /// Refused for now, and why.
    Held(String),
}

// === impl Route ===

impl Route {
    /// Writes a command to a shard's log. Its reply, once it is committed and applied on the leader.
    pub async fn write(
        &self,
        shard: ShardId,
        command: &ShardCommand,
        deadline: Instant,
    ) -> Result<ShardReply, WriteError> {
        let encoded = codec::encode(command);
        let mut maybe_done = false;
        let mut held = None;
        let mut pause = PAUSE;
        let mut turn = self.inner.nodes.turn();
        loop {
            let known = self.known();
            // While a replica moves, the new one may lead before the shard map names it.
            let hosts = known.catalog.hosts(shard);
            if hosts.is_empty() {
                return Err(WriteError::NotPlaced);
            }
            let hinted = self.inner.nodes.leader(shard);
            let node = hinted.unwrap_or_else(|| {
                turn += 1;
                hosts[turn % hosts.len()]
            });
            match self.attempt(node, shard, &encoded, deadline).await {
                Attempt::Done(reply) => {
                    self.inner.nodes.note_leader(shard, node);
                    return codec::decode(&reply).map_err(|_| WriteError::BadReply(shard));
                }
                Attempt::NotLeader(leader) if leader != 0 && leader != node => {
                    self.inner.nodes.note_leader(shard, leader);
                }
                Attempt::NotLeader(_) => self.inner.nodes.forget_leader(shard),
                Attempt::Refused => {
                    self.inner.nodes.forget_leader(shard);
                    if matches!(command, ShardCommand::Barrier { .. }) {
                        // A node takes a barrier only for a catalog that it knows.
                        self.offer_soon(node, &known);
                    }
                }
                Attempt::Held(why) => {
                    // It hands its leadership over: the others are asked meanwhile.
                    held = Some(why);
                    self.inner.nodes.forget_leader(shard);
                }
                Attempt::Unknown => {
                    maybe_done = true;
                    self.inner.nodes.forget_leader(shard);
                }
            }
            if Instant::now() + pause >= deadline {
                return Err(match held {
                    _ if maybe_done => WriteError::Unknown(shard),
                    Some(why) => WriteError::Held { shard, why },
                    None => WriteError::NoLeader(shard),
                });
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Makes sure that no check is judged by an older catalog from here on: a barrier in every shard's log.
    pub async fn barrier(&self, revision: u64, deadline: Instant) -> Result<(), BarrierError> {
        let shards = self.known().catalog.shard_map.shards();
        let command = ShardCommand::Barrier { revision };
        let command = &command;
        let failed: Vec<ShardId> = futures::stream::iter(0..shards)
            .map(|shard| async move {
                let shard = ShardId(shard);
                match self.write(shard, command, deadline).await {
                    Ok(_) => None,
                    Err(error) => {
                        tracing::warn!(shard = shard.0, revision, %error, "write the barrier");
                        Some(shard)
                    }
                }
            })
            .buffer_unordered(BARRIERS_AT_ONCE)
            .filter_map(|failed| async move { failed })
            .collect()
            .await;
        if failed.is_empty() { Ok(()) } else { Err(BarrierError(failed)) }
    }

    async fn attempt(&self, node: NodeId, shard: ShardId, command: &[u8], deadline: Instant) -> Attempt {
        let known = self.known();
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return Attempt::Refused;
        };
        let limit = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        let message = wire::ShardWriteRequest {
            shard: shard.0,
            command: command.to_vec(),
            limit_ms: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
            generation: known.catalog.generation(shard),
        };
        let request = nodes::request(&known.catalog, node, message, limit);
        let outcome = match timeout(limit, client.write(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                if !self.is_from(node, response.node) {
                    // Whoever it was may have done it.
                    return Attempt::Unknown;
                }
                response.outcome
            }
            Ok(Err(status)) => {
                tracing::debug!(node, shard = shard.0, code = ?status.code(), "write");
                // A connection that broke may have carried the command.
                return match status.code() {
                    tonic::Code::NotFound | tonic::Code::InvalidArgument => Attempt::Refused,
                    // Too much at once, or a disk that is not well.
                    tonic::Code::ResourceExhausted => Attempt::Held(status.message().to_owned()),
                    // Another node, or another cluster's, listens there.
                    tonic::Code::FailedPrecondition => {
                        self.inner.nodes.disconnect(node);
                        Attempt::Refused
                    }
                    _ => {
                        self.inner.nodes.suspect(node);
                        Attempt::Unknown
                    }
                };
            }
            Err(_) => {
                self.inner.nodes.suspect(node);
                return Attempt::Unknown;
            }
        };
        match outcome {
            Some(Outcome::Reply(reply)) => Attempt::Done(reply),
            Some(Outcome::NotLeader(leader)) => Attempt::NotLeader(leader),
            Some(Outcome::Unknown(why)) => {
                tracing::debug!(node, shard = shard.0, why, "write: outcome unknown");
                Attempt::Unknown
            }
            None => Attempt::Unknown,
        }
    }
}
