//! The leader's end of a snapshot transfer.

use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use openraft::errors::StreamingError;
use openraft::raft::SnapshotResponse;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::codec;
use crate::error::StoreError;
use crate::network::client::{describe, unreachable};
use crate::network::pool::{GroupGeneration, Pool, Purpose};
use crate::network::throttle::Throttle;
use crate::network::wire::install_snapshot_request::Part as WirePart;
use crate::network::wire::{InstallSnapshotRequest, SnapshotChunk, SnapshotEnd, SnapshotHeader};
use crate::raft_types::{Snapshot, SnapshotMeta, Types, Vote};
use crate::snapshot::{Outgoing, Part, SnapshotData};
use crate::types::NodeId;

/// What the sending direction tells the waiting one.
struct Sending {
    /// Parts that were taken by the connection.
    sent: watch::Sender<u64>,
    /// Why reading the state failed. The stream has no way to say so.
    failure: Arc<Mutex<Option<StoreError>>>,
    throttle: Arc<Throttle>,
    /// Given back with the last part: while the peer installs, another transfer may begin.
    _place: OwnedSemaphorePermit,
}

/// Sends a snapshot and waits until the peer has installed or refused it.
pub(crate) async fn send_snapshot(
    pool: &Pool,
    to: NodeId,
    of: GroupGeneration,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
    let SnapshotData::Outgoing(outgoing) = snapshot.snapshot else {
        return Err(unreachable("a snapshot without contents cannot be sent").into());
    };
    let place = pool.throttle.begin().await;
    let loan = pool.get(to, Purpose::Snapshot).map_err(unreachable)?;
    let (sent, mut progress) = watch::channel(0);
    let failure = Arc::new(Mutex::new(None));
    let sending = Sending { sent, failure: failure.clone(), throttle: pool.throttle.clone(), _place: place };
    let parts = parts(header(&vote, &snapshot.meta), outgoing, sending);
    let request = pool.envelope(to, of).seal(parts);
    let limit = Duration::from_millis(pool.options.snapshot_progress_ms);
    let install_limit = Duration::from_millis(pool.options.snapshot_install_ms);

    let mut client = loan.client.clone();
    let answer = client.install_snapshot(request);
    tokio::pin!(answer);
    let answer = loop {
        // While parts go out, each renews the limit; after the last one, installing has it whole.
        let waited = tokio::select! {
            answer = &mut answer => break answer,
            waited = tokio::time::timeout(limit, progress.changed()) => waited,
        };
        match waited {
            Ok(Ok(())) => {}
            // Everything was sent.
            Ok(Err(_)) => match tokio::time::timeout(install_limit, &mut answer).await {
                Ok(answer) => break answer,
                Err(_) => {
                    let reason = format!("node {to} did not install the snapshot within {install_limit:?}");
                    return Err(unreachable(reason).into());
                }
            },
            Err(_) => return Err(unreachable(format!("the snapshot to node {to} got stuck for {limit:?}")).into()),
        }
    };
    if let Some(error) = failure.lock().take() {
        // Not reported as a storage error, which would stop the whole replica: if the store is
        // really broken, the log will say so.
        return Err(unreachable(format!("cannot read the state to send: {error}")).into());
    }
    match answer {
        Ok(answer) => codec::decode(&answer.into_inner().body).map_err(|error| unreachable(error).into()),
        Err(status) => {
            pool.failed(&loan, &status);
            Err(unreachable(describe(to, &status)).into())
        }
    }
}

fn header(vote: &Vote, meta: &SnapshotMeta) -> InstallSnapshotRequest {
    let body = codec::encode(&(vote, meta));
    InstallSnapshotRequest { part: Some(WirePart::Header(SnapshotHeader { body })) }
}

/// The header, then the parts of the view. A failed read ends the stream without its end mark, so
/// the receiver throws away what it has.
fn parts(
    header: InstallSnapshotRequest,
    outgoing: Outgoing,
    sending: Sending,
) -> impl futures::Stream<Item = InstallSnapshotRequest> + Send + 'static {
    stream::unfold((Some(header), outgoing, sending), |(header, mut outgoing, sending)| async move {
        sending.sent.send_modify(|sent| *sent += 1);
        if let Some(header) = header {
            return Some((header, (None, outgoing, sending)));
        }
        let part = match outgoing.next().await? {
            Ok(Part::Chunk { number, pairs }) => {
                sending.throttle.take(pairs.len()).await;
                WirePart::Chunk(SnapshotChunk { number, pairs })
            }
            Ok(Part::End(totals)) => {
                WirePart::End(SnapshotEnd { chunks: totals.chunks, pairs: totals.pairs, checksum: totals.checksum })
            }
            Err(error) => {
                *sending.failure.lock() = Some(error);
                return None;
            }
        };
        Some((InstallSnapshotRequest { part: Some(part) }, (None, outgoing, sending)))
    })
}
