//! Which replicas run here: as many as the catalog places on this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{Group, GroupId, Host};
use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_core::registry::VersionState;
use dnc_meta::CatalogCache;
use futures::StreamExt;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::shard::{Shard, Wanted};

/// Pause after a replica could not be started.
const PAUSE: Duration = Duration::from_secs(1);

/// Replicas that are started at a time: each reads its state, and then waits for a second.
const STARTS_AT_ONCE: usize = 64;

/// The replicas that run here.
#[derive(Clone, Default)]
pub struct Hosting {
    replicas: Arc<RwLock<BTreeMap<ShardId, Replica>>>,
}

/// A replica and its Raft group.
#[derive(Clone)]
pub struct Replica {
    /// The replica.
    pub shard: Arc<Shard>,
    /// Its group.
    pub group: Group,
}

// === impl Hosting ===

impl Hosting {
    /// A replica that runs here.
    pub fn replica(&self, shard: ShardId) -> Option<Replica> {
        self.replicas.read().get(&shard).cloned()
    }

    /// All replicas that run here.
    pub fn all(&self) -> Vec<Replica> {
        self.replicas.read().values().cloned().collect()
    }

    /// Starts what the catalog places here, and keeps resident what checks may ask for, for as long as the node runs.
    pub async fn follow(
        self,
        host: Host,
        node: NodeId,
        cache: CatalogCache,
        ready: watch::Sender<bool>,
        stop: CancellationToken,
    ) {
        let mut changed = cache.subscribe();
        loop {
            let known = cache.get();
            let complete = self.start_missing(&host, node, &known.catalog).await;
            let wanted = self.update_wanted(&known.catalog).await;
            let placed = !known.catalog.shard_map.replicas.is_empty();
            if complete && placed {
                let _ = ready.send_replace(true);
            }
            let retry = !complete || !wanted;
            tokio::select! {
                () = stop.cancelled() => return,
                more = changed.changed() => if more.is_err() { return },
                () = tokio::time::sleep(PAUSE), if retry => {}
            }
        }
    }

    /// Starts the replicas that belong here and do not run; whether all run now.
    async fn start_missing(&self, host: &Host, node: NodeId, catalog: &Catalog) -> bool {
        let map = &catalog.shard_map;
        let missing: Vec<ShardId> = map.shards_of(node).filter(|id| self.replica(*id).is_none()).collect();
        futures::stream::iter(missing)
            .map(|id| async move {
                let shard = Shard::new(id, map.shards());
                let voters: BTreeSet<NodeId> = map.replicas(id).iter().copied().collect();
                let started = self.start(host, shard, voters, wanted(catalog)).await;
                if let Err(error) = &started {
                    tracing::error!(shard = id.0, error = %chain(error), "start the replica");
                }
                started.is_ok()
            })
            .buffer_unordered(STARTS_AT_ONCE)
            // Not `all`: it would drop the starts that are under way at the first that failed.
            .fold(true, |complete, started| async move { complete && started })
            .await
    }

    /// Starts a replica. It answers as soon as it knows its state and log; a new group gets its first members only
    /// after the time in which a replica that has just started may not campaign.
    async fn start(
        &self,
        host: &Host,
        shard: Arc<Shard>,
        voters: BTreeSet<NodeId>,
        wanted: Wanted,
    ) -> Result<(), StartError> {
        let id = shard.id();
        shard.want(wanted)?;
        let group = host.start_group(group_of(id), shard.clone()).await?;
        self.replicas.write().insert(id, Replica { shard, group: group.clone() });
        // Every first voter says the same, so it does not matter who is first; a group that lives already says yes.
        group.initialize(voters).await?;
        Ok(())
    }

    /// Whether everything that is wanted is resident.
    async fn update_wanted(&self, catalog: &Catalog) -> bool {
        let wanted = wanted(catalog);
        let replicas = self.all();
        // Reading versions back takes disk and processor time: not on the threads that answer checks.
        let done = tokio::task::spawn_blocking(move || {
            let mut complete = true;
            for replica in replicas {
                if let Err(error) = replica.shard.want(wanted.clone()) {
                    let shard = replica.shard.id().0;
                    tracing::error!(shard, error = %chain(&error), "make versions resident");
                    complete = false;
                }
            }
            complete
        });
        done.await.unwrap_or(false)
    }
}

/// Why a replica could not be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Host(#[from] dnc_consensus::HostError),
    #[error(transparent)]
    Group(#[from] dnc_consensus::GroupError),
    #[error(transparent)]
    Shard(#[from] crate::shard::ShardError),
}

/// The Raft group of a shard; group 0 is the meta group's.
pub fn group_of(shard: ShardId) -> GroupId {
    GroupId(u64::from(shard.0) + 1)
}

/// Which sealed versions checks may ask for: the active ones, and those that were active before them.
fn wanted(catalog: &Catalog) -> Wanted {
    let mut asked = BTreeSet::new();
    let mut idle = BTreeSet::new();
    for registry in catalog.registries.values() {
        for version in registry.versions.values() {
            let key = (registry.id, version.id);
            let now = [registry.active, registry.previous, registry.summoned].contains(&Some(version.id));
            match version.state {
                VersionState::Sealed(_) if now => asked.insert(key),
                VersionState::Sealed(_) | VersionState::Discarded => idle.insert(key),
                // Not activated yet, but it may be in a moment.
                VersionState::Staging => asked.insert(key),
            };
        }
    }
    Wanted::These { asked, idle }
}

/// An error with its causes, for a log line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
