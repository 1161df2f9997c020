//! Who this node is: made with its data folder, named by the meta group, and kept for good.
//!
//! A node that lost its folder makes another incarnation and so gets another id: it can never speak
//! for the log that it lost.

use std::time::Duration;

use dnc_consensus::Store;
use dnc_core::catalog::{Change, Decision, NodeAddresses, Refusal};
use dnc_core::codec;
use dnc_core::ids::NodeId;
use dnc_meta::{CatalogCache, MetaClient, ProposeError};
use dnc_planted::Bug;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Error, Options};

const INCARNATION: &[u8] = b"node/incarnation";
const IDENTITY: &[u8] = b"node/identity";

/// How long one attempt to join may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Which node of which cluster this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster.
    pub cluster: u128,
    /// The node.
    pub node: NodeId,
}

/// Why one attempt to join failed.
#[derive(Debug, thiserror::Error)]
enum JoinError {
    #[error(transparent)]
    Propose(#[from] ProposeError),
    #[error("the meta group refuses this node: {0}")]
    Refused(Refusal),
    #[error("the meta group answered something else than was asked")]
    Unexpected,
}

/// What an earlier start has written down.
pub fn remembered(store: &Store) -> Result<Option<Identity>, Error> {
    match store.local_get(IDENTITY)? {
        Some(bytes) => Ok(Some(codec::decode(&bytes)?)),
        None => Ok(None),
    }
}

/// Joins the cluster that the meta group speaks for, and writes down who we are in it.
///
/// Waits for as long as the meta group does not answer: a node may be started before it.
pub async fn join(
    store: &Store,
    options: &Options,
    meta: &MetaClient,
    cache: &CatalogCache,
    stop: &CancellationToken,
) -> Result<Identity, Error> {
    let incarnation = incarnation(store, options)?;
    loop {
        let founded = cache.wait_for(ATTEMPT, |catalog| catalog.founding.is_some()).await;
        if let Ok(known) = founded {
            let founding = known.catalog.founding.as_ref().expect("waited for it");
            meta.set_cluster(founding.cluster);
            match register(options, incarnation, meta).await {
                Ok(node) => {
                    let identity = Identity { cluster: founding.cluster, node };
                    store.local_put_sync(IDENTITY, &codec::encode(&identity))?;
                    return Ok(identity);
                }
                Err(error) => tracing::warn!(%error, "join the cluster; trying again"),
            }
        } else {
            tracing::info!("waiting for the meta group to found the cluster");
        }
        tokio::select! {
            () = stop.cancelled() => return Err(Error::Stopped),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Tells the meta group where this node listens now; ends when it knows, or when the cluster turns out to be another one.
pub async fn announce(
    store: Store,
    options: Options,
    identity: Identity,
    meta: MetaClient,
    stop: CancellationToken,
) -> Result<(), Error> {
    let incarnation = incarnation(&store, &options)?;
    loop {
        match register(&options, incarnation, &meta).await {
            Ok(node) if node == identity.node => return Ok(()),
            Ok(node) => {
                return Err(Error::OtherIdentity { ours: identity.node, theirs: node });
            }
            Err(JoinError::Propose(ProposeError::Rejected(why))) => {
                return Err(Error::OtherCluster(why));
            }
            Err(error) => tracing::debug!(%error, "announce addresses; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn register(options: &Options, incarnation: u128, meta: &MetaClient) -> Result<NodeId, JoinError> {
    let change = Change::RegisterNode {
        incarnation,
        addresses: NodeAddresses { service: options.advertise.clone(), raft: options.advertise_raft.clone() },
        zone: options.zone.clone(),
    };
    match meta.propose(&change, ATTEMPT).await? {
        Decision::Node { id, .. } => Ok(id),
        Decision::Refused(refusal) => Err(JoinError::Refused(refusal)),
        _ => Err(JoinError::Unexpected),
    }
}

/// Made once with the data folder.
pub fn incarnation(store: &Store, options: &Options) -> Result<u128, Error> {
    if let Some(bytes) = store.local_get(INCARNATION)? {
        return Ok(codec::decode(&bytes)?);
    }
    let made = match dnc_planted::is(Bug::ReuseNodeId) {
        true => u128::from(xxhash_rust::xxh3::xxh3_64(options.advertise.as_bytes())),
        false => uuid::Uuid::new_v4().as_u128(),
    };
    store.local_put_sync(INCARNATION, &codec::encode(&made))?;
    Ok(made)
}
