//! The follower's end of a snapshot transfer: everything is written into a new epoch, and only a
//! complete and checked snapshot is handed to Raft. Whatever fails before leaves nothing behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::raft::SnapshotResponse;
use tonic::{Status, Streaming};

use crate::codec;
use crate::group::Group;
use crate::network::wire::InstallSnapshotRequest;
use crate::network::wire::install_snapshot_request::Part as WirePart;
use crate::raft_types::{Snapshot, SnapshotMeta, Types, Vote, position};
use crate::replica::Replica;
use crate::snapshot::{SnapshotData, Spool, SpoolError, Totals};

/// Shows how much has come, until the transfer has ended, however it ends.
struct Receiving<'a>(&'a Replica);

impl<'a> Receiving<'a> {
    fn begin(replica: &'a Replica) -> Self {
        replica.receiving.store(0, Ordering::Relaxed);
        Self(replica)
    }

    fn add(&self, bytes: usize) {
        self.0.receiving.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.receiving.store(0, Ordering::Relaxed);
    }
}

/// Receives and installs a snapshot.
pub(crate) async fn receive_snapshot(
    group: &Group,
    mut parts: Streaming<InstallSnapshotRequest>,
    limit: Duration,
) -> Result<SnapshotResponse<Types>, Status> {
    let Some(WirePart::Header(header)) = next(&mut parts, limit).await? else {
        return Err(Status::invalid_argument("a snapshot begins with its header"));
    };
    let (vote, meta): (Vote, SnapshotMeta) =
        codec::decode(&header.body).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if group.has_applied(meta.last_log_id.as_ref().map(position)) {
        // Sent again because the first answer was lost. Raft needs no contents to say that it has it.
        return install(group, vote, Snapshot { meta, snapshot: SnapshotData::Built }).await;
    }
    let receiving = Receiving::begin(group.replica());
    let mut spool = Spool::new(group.replica().store.epochs().begin(group.id()));
    let state = loop {
        match next(&mut parts, limit).await? {
            Some(WirePart::Chunk(chunk)) => {
                receiving.add(chunk.pairs.len());
                spool = write(spool, chunk.number, chunk.pairs).await?;
            }
            Some(WirePart::End(end)) => {
                let totals = Totals { chunks: end.chunks, pairs: end.pairs, checksum: end.checksum };
                break spool.finish(totals).map_err(refuse)?;
            }
            Some(WirePart::Header(_)) => return Err(Status::invalid_argument("a snapshot has one header")),
            None => return Err(refuse(SpoolError::Cut)),
        }
    };
    install(group, vote, Snapshot { meta, snapshot: SnapshotData::Spooled(state) }).await
}

async fn install(group: &Group, vote: Vote, snapshot: Snapshot) -> Result<SnapshotResponse<Types>, Status> {
    group
        .raft()
        .install_full_snapshot(vote, snapshot)
        .await
        .map_err(|fatal| Status::aborted(format!("the replica has stopped: {fatal}")))
}

async fn next(parts: &mut Streaming<InstallSnapshotRequest>, limit: Duration) -> Result<Option<WirePart>, Status> {
    let message = tokio::time::timeout(limit, parts.message())
        .await
        .map_err(|_| Status::aborted(format!("no part of the snapshot came for {limit:?}")))??;
    match message {
        None => Ok(None),
        Some(InstallSnapshotRequest { part: Some(part) }) => Ok(Some(part)),
        Some(InstallSnapshotRequest { part: None }) => Err(Status::invalid_argument("a part without contents")),
    }
}

/// Writes a chunk down on a thread that may wait for the disk.
async fn write(mut spool: Spool, number: u64, pairs: Vec<u8>) -> Result<Spool, Status> {
    let written = tokio::task::spawn_blocking(move || {
        spool.add(number, &pairs)?;
        Ok(spool)
    });
    match written.await {
        Ok(result) => result.map_err(refuse),
        Err(_) => Err(Status::aborted("the snapshot could not be written down")),
    }
}

/// Ends a transfer. Never more than that: the replica goes on as it was.
fn refuse(error: SpoolError) -> Status {
    match error {
        SpoolError::Store(source) => {
            tracing::error!(error = &source as &dyn std::error::Error, "cannot store a received snapshot");
            Status::aborted("the snapshot could not be written down")
        }
        other => Status::invalid_argument(other.to_string()),
    }
}
