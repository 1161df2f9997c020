//! How the replicas here stand: for imports, for operators, and for tests that compare replicas.

use dnc_core::ids::{RegistryId, VersionId};
use dnc_proto::internal as wire;
use tonic::Status;

use super::Service;
use crate::hosting::Replica;

// === impl Service ===

impl Service {
    pub(super) fn versions(&self, request: wire::VersionStatusRequest) -> wire::VersionStatusResponse {
        let (registry, version) = (RegistryId(request.registry), VersionId(request.version));
        let shards = self
            .hosting
            .all()
            .into_iter()
            .map(|replica| {
                let seal = replica.shard.seal_of(registry, version);
                wire::ShardVersion {
                    shard: replica.shard.id().0,
                    ready: seal.is_some(),
                    checksum: seal.map_or(0, |seal| seal.checksum),
                    numbers: seal.map_or(0, |seal| seal.numbers),
                }
            })
            .collect();
        wire::VersionStatusResponse { shards }
    }

    pub(super) async fn status(&self, request: wire::ReplicasRequest) -> Result<wire::ReplicasResponse, Status> {
        let replicas = self.hosting.all();
        let checksums = request.checksums;
        // Checksums read everything that a replica holds: not on the threads that answer checks.
        let replicas = tokio::task::spawn_blocking(move || {
            replicas.iter().map(|replica| status_of(replica, checksums)).collect::<Result<Vec<_>, Status>>()
        })
        .await
        .map_err(|error| Status::internal(format!("read the replicas: {error}")))??;
        Ok(wire::ReplicasResponse { node: self.identity.node, replicas, revision: self.cache.get().catalog.revision })
    }
}

#[allow(clippy::result_large_err)] // tonic's own error type.
fn status_of(replica: &Replica, checksum: bool) -> Result<wire::Replica, Status> {
    let status = replica.group.status();
    let checksum = if checksum {
        replica.shard.checksum().map_err(|error| Status::internal(format!("shard {}: {error}", replica.shard.id())))?
    } else {
        0
    };
    let size = replica.shard.size();
    Ok(wire::Replica {
        shard: replica.shard.id().0,
        leader: status.leader.unwrap_or(0),
        last: replica.group.tail().last.map(position),
        applied: status.applied.map(position),
        checksum,
        suppressions: size.suppressions,
        resident_bytes: size.resident_bytes,
        resident_numbers: size.resident_numbers,
    })
}

/// A log position on the wire.
pub(super) fn position(at: dnc_consensus::LogPosition) -> wire::LogPosition {
    wire::LogPosition { term: at.term, index: at.index }
}
