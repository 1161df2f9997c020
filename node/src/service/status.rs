//! How the replicas here stand: for imports, for operators, for whoever sweeps, and for tests that
//! compare replicas.

use dnc_core::ids::{RegistryId, VersionId};
use dnc_proto::internal as wire;
use tokio::time::timeout;
use tonic::Status;

use super::group::group_of;
use super::{MAX_LIMIT, Service};
use crate::clock;
use crate::hosting::Replica;
use crate::said;
use crate::shard::ShardError;

// === impl Service ===

impl Service {
    pub(super) fn versions(&self, request: wire::VersionStatusRequest) -> wire::VersionStatusResponse {
        let (registry, version) = (RegistryId(request.registry), VersionId(request.version));
        let replicas = self.hosting.all();
        let shards = replicas.iter().map(|replica| said::version_of(&replica.shard, registry, version)).collect();
        wire::VersionStatusResponse { shards, node: self.identity.node }
    }

    pub(super) async fn status(&self, request: wire::ReplicasRequest) -> Result<wire::ReplicasResponse, Status> {
        let replicas = self.hosting.all();
        let checksums = request.checksums;
        let (hosting, known) = (self.hosting.clone(), self.cache.get());
        let status = move |replica: &Replica| {
            Ok(wire::Replica {
                group: Some(group_of(replica)),
                placed: hosting.placed(replica.shard.id()),
                has_view: said::has_view(&replica.shard, &known.catalog),
                ..status_of(replica, checksums)?
            })
        };
        let replicas = self.read_all(replicas, status).await?;
        Ok(wire::ReplicasResponse {
            node: self.identity.node,
            replicas,
            revision: self.cache.get().catalog.revision,
            now_ms: clock::now_ms().unwrap_or(0),
            failed: self.hosting.failed().into_iter().map(|shard| shard.0).collect(),
            ailment: self.disk.ailment().unwrap_or_default(),
        })
    }

    pub(super) async fn warm_up(&self, request: wire::WarmRequest) -> Result<wire::WarmResponse, Status> {
        let mut replicas = self.hosting.all();
        replicas.retain(|replica| request.shards.is_empty() || request.shards.contains(&replica.shard.id().0));
        let shards = self.read_all(replicas, warm).await?;
        Ok(wire::WarmResponse { shards, node: self.identity.node })
    }

    /// Reads something of all of these replicas, where it holds up no check.
    async fn read_all<T: Send + 'static>(
        &self,
        replicas: Vec<Replica>,
        read: impl Fn(&Replica) -> Result<T, ShardError> + Send + 'static,
    ) -> Result<Vec<T>, Status> {
        let Ok(turn) = timeout(MAX_LIMIT, self.scans.clone().acquire_owned()).await else {
            return Err(Status::resource_exhausted("too many questions at a time"));
        };
        let all = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let failed = |replica: &Replica, error| {
                Status::internal(format!("read the replica of shard {}: {error}", replica.shard.id()))
            };
            let read = |replica: &Replica| {
                let read = read(replica).map_err(|error| failed(replica, error));
                // One that has moved away meanwhile may have been read while it was being deleted.
                replica.is_asked().then_some(read)
            };
            replicas.iter().filter_map(read).collect()
        });
        all.await.map_err(|error| Status::internal(format!("read the replicas: {error}")))?
    }
}

fn status_of(replica: &Replica, checksum: bool) -> Result<wire::Replica, ShardError> {
    let status = replica.group.status();
    let checksum = if checksum { replica.shard.checksum()? } else { 0 };
    let size = replica.shard.size();
    Ok(wire::Replica {
        shard: replica.shard.id().0,
        leader: status.leader.unwrap_or(0),
        last: replica.group.tail().last.map(said::position),
        applied: status.applied.map(said::position),
        generation: replica.group.generation(),
        checksum,
        receiving_bytes: status.receiving,
        suppressions: size.suppressions,
        resident_bytes: size.resident_bytes,
        resident_numbers: size.resident_numbers,
        due_ms: replica.shard.due_ms()?.unwrap_or(0),
        filter_numbers: size.filter.numbers,
        filter_capacity: size.filter.capacity,
        filter_false_positives: size.filter.false_positives,
        filter_misses: size.filter_misses,
        filter_hits: size.filter_hits,
        filter_false_hits: size.filter_false_hits,
        filter_bytes: size.filter.bytes,
        ..wire::Replica::default()
    })
}

fn warm(replica: &Replica) -> Result<wire::Warmed, ShardError> {
    let warmed = replica.shard.warm()?;
    let size = replica.shard.size();
    Ok(wire::Warmed {
        shard: replica.shard.id().0,
        suppressions: warmed.suppressions,
        exemptions: warmed.exemptions,
        resident_blocks: size.resident_blocks,
        resident_numbers: size.resident_numbers,
        bytes: warmed.bytes,
    })
}
