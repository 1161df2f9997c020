//! Writes: a command on its way into a shard's log.

use std::time::Duration;

use dnc_consensus::WriteError;
use dnc_core::codec;
use dnc_core::command::ShardCommand;
use dnc_core::ids::ShardId;
use dnc_proto::internal as wire;
use dnc_proto::internal::shard_write_response::Outcome;
use tonic::Status;

use super::{MAX_LIMIT, Service};

/// A barrier waits for its catalog for so long: most often it is on its way.
const CATALOG_WAIT: Duration = Duration::from_millis(500);

// === impl Service ===

impl Service {
    /// A status means: surely not written. What may have been written is an outcome of its own.
    pub(super) async fn propose(&self, request: wire::ShardWriteRequest) -> Result<wire::ShardWriteResponse, Status> {
        // What is in the log must be readable by all replicas, or they stop.
        let command = codec::decode::<ShardCommand>(&request.command)
            .map_err(|error| Status::invalid_argument(format!("not a shard command: {error}")))?;
        let shard = ShardId(request.shard);
        let replica = self.replica_of(shard, request.generation)?;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_LIMIT);
        if let ShardCommand::Barrier { revision } = command {
            self.knows_catalog(revision, limit).await?;
        }
        let outcome = match replica.group.write(request.command, limit).await {
            Ok((_, reply)) => Outcome::Reply(reply),
            Err(WriteError::NotLeader { leader }) => Outcome::NotLeader(leader.unwrap_or(0)),
            Err(error @ WriteError::TooLarge { .. }) => return Err(Status::invalid_argument(error.to_string())),
            Err(WriteError::Stopped) => return Err(not_here(shard)),
            Err(WriteError::Held(why)) => return Err(Status::resource_exhausted(why)),
            Err(error @ WriteError::Unknown(_)) => Outcome::Unknown(error.to_string()),
        };
        Ok(wire::ShardWriteResponse { outcome: Some(outcome), node: self.identity.node })
    }

    /// Refuses a barrier for a catalog that this node does not know: once it is in the log, no check is answered by an
    /// older one, and if there is none so new, no check is answered at all.
    async fn knows_catalog(&self, revision: u64, limit: Duration) -> Result<(), Status> {
        let wait = CATALOG_WAIT.min(limit / 2);
        match self.cache.wait_for(wait, |catalog| catalog.revision >= revision).await {
            Ok(_) => Ok(()),
            Err(_) => {
                let known = self.cache.get().catalog.revision;
                Err(Status::invalid_argument(format!(
                    "a barrier of revision {revision}, but this node knows the catalog up to {known}: offer it the newer one first"
                )))
            }
        }
    }
}

pub(super) fn not_here(shard: ShardId) -> Status {
    Status::not_found(format!("shard {shard} has no replica here that runs"))
}
