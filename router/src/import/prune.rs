//! Deletes blocks that no kept version needs, and forgets the versions that they were of. docs/adr/0009 says why
//! this is safe whoever does it, however often, and wherever it stops.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::block::BlockId;
use dnc_core::catalog::{Change, Decision, Refusal};
use dnc_core::command::{MAX_SWEEP, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::registry::{Registry, VersionState};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::route::WriteError;

/// Time between two rounds, if nothing was activated here: at least, and by how much more at most.
const ROUND: Duration = Duration::from_secs(300);
const JITTER_MS: u64 = 300_000;
/// Time for one page.
const PAGE: Duration = Duration::from_secs(10);
/// Time that a shard is left alone after a page: deleting must not take a disk from those who ask.
const PAUSE: Duration = Duration::from_millis(50);
/// Time for the meta group to decide.
const PROPOSE: Duration = Duration::from_secs(10);

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Blocks, over all shards.
    pub blocks: u64,
    /// Versions that the catalog could forget.
    pub versions: usize,
}

/// Why it was not finished. What is left is found by the next round.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A shard did not do its part.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A shard refused its part.
    #[error("shard {0} refused: {1}")]
    Refused(ShardId, ShardRefusal),
    /// The meta group refused.
    #[error("{0}")]
    NotForgotten(Refusal),
    /// The meta group did not answer.
    #[error("the meta group did not answer")]
    NoDecision,
    /// A reply that cannot be.
    #[error("unexpected answer")]
    Unexpected,
}

/// What is to be pruned of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Work {
    /// Versions whose content stays: all that are not given up.
    keep: Vec<VersionId>,
    /// Versions that were given up, and those that were forgotten while some shard held blocks of them.
    gone: BTreeSet<VersionId>,
}

/// Prunes whenever something was made active here, and now and then what other routers left.
pub async fn keep_pruning<C: Cluster>(cluster: C, wake: Arc<Notify>, stop: CancellationToken) {
    let rounds = async {
        loop {
            let _ = tokio::time::timeout(pause(), wake.notified()).await;
            let registries: Vec<RegistryId> = cluster.known().catalog.registries.keys().copied().collect();
            for registry in registries {
                match prune(&cluster, registry).await {
                    Ok(Pruned { blocks: 0, versions: 0 }) => {}
                    Ok(pruned) => info!(%registry, blocks = pruned.blocks, versions = pruned.versions, "pruned"),
                    Err(error) => warn!(%registry, %error, "prune"),
                }
            }
        }
    };
    tokio::select! {
        () = rounds => {}
        () = stop.cancelled() => {}
    }
}

/// Prunes one registry, page by page, if there is anything to prune.
pub async fn prune<C: Cluster>(cluster: &C, id: RegistryId) -> Result<Pruned, Error> {
    let known = cluster.known();
    let Some(Work { keep, gone }) = known.catalog.registries.get(&id).and_then(Work::of) else {
        return Ok(Pruned::default());
    };
    let mut pruned = Pruned::default();
    let mut holding = BTreeSet::new();
    // Shards leave what is newer than the newest kept version alone: it may have been begun since. So without any
    // kept version there is nothing that they could delete, and nothing that could need it.
    let shards = if keep.is_empty() { 0 } else { known.catalog.shard_map.shards() };
    for shard in (0..shards).map(ShardId) {
        let mut from = Some(BlockId(0));
        while let Some(first) = from {
            let command = ShardCommand::Prune { registry: id, keep: keep.clone(), from: first, limit: MAX_SWEEP };
            match cluster.write(shard, &command, Instant::now() + PAGE).await? {
                ShardReply::Pruned { next: Some(next), .. } if next <= first => return Err(Error::Unexpected),
                ShardReply::Pruned { deleted, next, holding: still } => {
                    pruned.blocks += deleted;
                    holding.extend(still.into_iter().filter(|version| gone.contains(version)));
                    from = next;
                }
                ShardReply::Refused(why) => return Err(Error::Refused(shard, why)),
                _ => return Err(Error::Unexpected),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    pruned.versions = gone.len();
    let change = Change::Forget { registry: id, versions: gone, holding };
    match cluster.propose(&change, PROPOSE).await {
        Ok(Decision::Done { .. }) => Ok(pruned),
        Ok(Decision::Refused(why)) => Err(Error::NotForgotten(why)),
        Ok(_) => Err(Error::Unexpected),
        Err(_) => Err(Error::NoDecision),
    }
}

/// Routers do not all prune at the same time.
fn pause() -> Duration {
    let chance = u64::try_from(Uuid::new_v4().as_u128() % u128::from(JITTER_MS)).expect("less than JITTER_MS");
    ROUND + Duration::from_millis(chance)
}

// === impl Work ===

impl Work {
    /// What there is to do, if anything.
    fn of(registry: &Registry) -> Option<Self> {
        let is_gone = |state: &VersionState| *state == VersionState::Discarded;
        if !registry.versions.values().any(|version| is_gone(&version.state)) {
            return None;
        }
        let (gone, alive): (Vec<_>, Vec<_>) = registry.versions.values().partition(|version| is_gone(&version.state));
        // More than must be kept: a complete version that is neither active nor among the newest can still be made
        // active by somebody until it is given up.
        let mut keep = registry.kept();
        keep.extend(alive.iter().map(|version| version.id));
        let ancestors = alive.iter().flat_map(|version| version.ancestry.iter().copied());
        let forgotten = ancestors.filter(|id| !registry.versions.contains_key(id));
        let gone: BTreeSet<VersionId> = gone.iter().map(|version| version.id).chain(forgotten).collect();
        Some(Work { keep: keep.into_iter().collect(), gone })
    }
}
