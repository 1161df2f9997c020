//! A version's life in the catalog, as far as its loader drives it: begun, made active, or given up.

use std::time::Duration;

use dnc_core::catalog::{Change, Decision, Refusal};
use dnc_core::command::ShardCommand;
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::registry::{Content, Coverage, Registry, VersionState};
use dnc_meta::ProposeError;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::error::Error;
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::options::ImportOptions;

/// Time for the meta group to decide.
const PROPOSE: Duration = Duration::from_secs(10);
/// Time for this router to hear of a decision.
const HEAR: Duration = Duration::from_secs(10);
/// Time for the barrier to reach all shards.
const BARRIER: Duration = Duration::from_secs(30);
/// Time for the shards to be told that a version was given up.
const DROP: Duration = Duration::from_secs(10);
/// Shards that are told at a time.
const DROPS_AT_ONCE: usize = 8;
/// How much longer than an import may take a version is left alone.
const GRACE_MS: u64 = 60 * 60 * 1_000;

/// A version being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Of which registry.
    pub registry: RegistryId,
    /// Which version.
    pub version: VersionId,
    /// The versions that it is made from, newest first.
    pub ancestry: Vec<VersionId>,
    /// What the version that it is made from covers.
    pub parent_coverage: Option<Coverage>,
}

// === impl Loading ===

impl Loading {
    /// Begins a version of a registry, made from its active one.
    pub async fn begin<C: Cluster>(cluster: &C, registry: &Registry, options: &ImportOptions) -> Result<Self, Error> {
        give_up_abandoned(cluster, registry, options).await;
        let change = Change::BeginVersion { registry: registry.id, load: Uuid::now_v7().as_u128(), now_ms: now_ms() };
        let (version, parent, revision) = match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Version { id, parent, revision }) => (id, parent, revision),
            Ok(Decision::Refused(why)) => return Err(Error::Refused(why)),
            Ok(_) => return Err(Error::Unexpected),
            Err(_) => return Err(Error::NoDecision),
        };
        let mut loading = Self { registry: registry.id, version, ancestry: Vec::new(), parent_coverage: None };
        // What it is made from may have become active a moment ago, and this router must know it to go on.
        let heard = cluster.wait_for(HEAR, |c| c.revision >= revision).await;
        let described = heard.ok().and_then(|known| {
            let registry = known.catalog.registries.get(&registry.id)?;
            let Some(parent) = parent else {
                return Some((Vec::new(), None));
            };
            let made_from = registry.versions.get(&parent)?;
            Some((made_from.line(), Some(made_from.content()?.coverage.clone())))
        });
        let Some((ancestry, parent_coverage)) = described else {
            loading.give_up(cluster).await;
            return Err(Error::NoDecision);
        };
        loading.ancestry = ancestry;
        loading.parent_coverage = parent_coverage;
        info!(registry = %loading.registry, version = %loading.version, "version begun");
        Ok(loading)
    }

    /// Says that the version is complete. It answers no check yet.
    pub async fn seal<C: Cluster>(&self, cluster: &C, content: Content) -> Result<(), Error> {
        let change = Change::SealVersion { registry: self.registry, version: self.version, content };
        let sealed = match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Done { .. }) => return Ok(()),
            Ok(Decision::Refused(why)) => Err(Error::Refused(why)),
            Ok(_) => Err(Error::Unexpected),
            Err(_) => Err(Error::NoDecision),
        };
        self.give_up(cluster).await;
        sealed
    }

    /// Makes the version the one that answers checks, everywhere. The revision since which it does.
    pub async fn activate<C: Cluster>(&self, cluster: &C) -> Result<u64, Error> {
        let change = Change::Activate {
            registry: self.registry,
            version: self.version,
            from: self.ancestry.first().copied(),
            now_ms: now_ms(),
        };
        let decided = match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Done { revision }) => Ok(revision),
            Ok(Decision::Refused(why)) => Err(Error::Refused(why)),
            Ok(_) => Err(Error::Unexpected),
            Err(ProposeError::Rejected(_)) => Err(Error::NoDecision),
            Err(ProposeError::TimedOut { .. }) => return self.settle(cluster).await,
        };
        match decided {
            Ok(revision) => self.tell(cluster, revision).await,
            Err(why) => {
                self.give_up(cluster).await;
                Err(why)
            }
        }
    }

    /// Gives the version up, as far as that is possible now; nothing depends on it.
    pub async fn give_up<C: Cluster>(&self, cluster: &C) {
        let change = self.discard();
        match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Done { .. }) => {}
            Ok(decision) => warn!(version = %self.version, ?decision, "discard a version"),
            Err(error) => warn!(version = %self.version, %error, "discard a version"),
        }
        drop_everywhere(cluster, self.registry, self.version).await;
    }

    /// Finds out whether a version became active whose activation was not answered.
    ///
    /// To give it up settles it either way: a version that was given up can no longer become
    /// active, and one that is active cannot be given up.
    async fn settle<C: Cluster>(&self, cluster: &C) -> Result<u64, Error> {
        match cluster.propose(&self.discard(), PROPOSE).await {
            Ok(Decision::Done { .. }) => {
                drop_everywhere(cluster, self.registry, self.version).await;
                Err(Error::NoDecision)
            }
            Ok(Decision::Refused(Refusal::IsActive)) => {
                let heard = cluster
                    .wait_for(HEAR, |catalog| {
                        let registry = catalog.registries.get(&self.registry);
                        registry.is_some_and(|r| [r.active, r.previous].contains(&Some(self.version)))
                    })
                    .await;
                match heard {
                    Ok(known) => self.tell(cluster, known.catalog.view_revision).await,
                    Err(_) => Err(Error::ActivationUnknown(self.version)),
                }
            }
            _ => Err(Error::ActivationUnknown(self.version)),
        }
    }

    /// Makes sure that no check is answered from the version before from here on.
    async fn tell<C: Cluster>(&self, cluster: &C, revision: u64) -> Result<u64, Error> {
        let not_told = |why: String| Error::NotTold { version: self.version, revision, why };
        cluster
            .wait_for(HEAR, |catalog| catalog.revision >= revision)
            .await
            .map_err(|why| not_told(why.to_string()))?;
        cluster.barrier(revision, Instant::now() + BARRIER).await.map_err(|why| not_told(why.to_string()))?;
        Ok(revision)
    }

    fn discard(&self) -> Change {
        Change::Discard { registry: self.registry, version: self.version }
    }
}

/// Gives up versions whose loader must be gone: a registry can only have a few in the making.
async fn give_up_abandoned<C: Cluster>(cluster: &C, registry: &Registry, options: &ImportOptions) {
    let age_ms = options.limit_s * 1_000 + GRACE_MS;
    let abandoned = registry
        .versions
        .values()
        .filter(|version| version.state == VersionState::Staging && version.begun_ms.saturating_add(age_ms) < now_ms());
    for version in abandoned {
        info!(registry = %registry.id, version = %version.id, "version abandoned by its loader");
        let abandoned =
            Loading { registry: registry.id, version: version.id, ancestry: Vec::new(), parent_coverage: None };
        abandoned.give_up(cluster).await;
    }
}

async fn drop_everywhere<C: Cluster>(cluster: &C, registry: RegistryId, version: VersionId) {
    let deadline = Instant::now() + DROP;
    let command = ShardCommand::Drop { registry, version };
    let shards = cluster.known().catalog.shard_map.shards();
    futures::stream::iter((0..shards).map(ShardId))
        .for_each_concurrent(DROPS_AT_ONCE, |shard| {
            let command = &command;
            async move {
                if let Err(error) = cluster.write(shard, command, deadline).await {
                    warn!(%shard, %version, %error, "drop a version");
                }
            }
            .boxed()
        })
        .await;
}
