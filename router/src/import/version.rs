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

use super::error::Error;
use crate::clock::now_ms;
use crate::cluster::{Cluster, can_answer};
use crate::options::ImportOptions;
use crate::route::WriteError;

/// Time for the meta group to decide.
pub const PROPOSE: Duration = Duration::from_secs(10);
/// Time for this router to hear of a decision.
pub const HEAR: Duration = Duration::from_secs(10);
/// Time for the barrier to reach all shards.
const BARRIER: Duration = Duration::from_secs(30);
/// Time for the shards to be told that a version was given up.
const DROP: Duration = Duration::from_secs(10);
/// Shards that are told at a time.
const DROPS_AT_ONCE: usize = 8;
/// How often a version is asked for: the answer that says that it was begun can get lost.
const BEGIN_ATTEMPTS: usize = 3;
/// How much longer than a load may take a version is left alone: routers' clocks differ.
const GRACE_MS: u64 = 5 * 60 * 1_000;

/// A version being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Of which registry.
    pub registry: RegistryId,
    /// Which version.
    pub version: VersionId,
    /// The versions that it is made from, newest first.
    pub ancestry: Vec<VersionId>,
    /// What the version that it is made from holds.
    pub parent: Option<Content>,
    /// Names the load.
    pub load: u128,
}

// === impl Loading ===

impl Loading {
    /// Begins a version of a registry, made from its active one.
    pub async fn begin<C: Cluster>(
        cluster: &C,
        registry: &Registry,
        load: u128,
        options: &ImportOptions,
    ) -> Result<Self, Error> {
        // Without shards a list would be complete, and made active, with nothing of it anywhere.
        if !can_answer(&cluster.known().catalog) {
            return Err(WriteError::NotPlaced.into());
        }
        give_up_abandoned(cluster, registry, options).await;
        let (version, parent, revision) = ask_for_version(cluster, registry.id, load).await?;
        let mut loading = Self { registry: registry.id, version, ancestry: Vec::new(), parent: None, load };
        // What it is made from may have become active a moment ago, and this router must know it to go on.
        let heard = cluster.wait_for(HEAR, |c| c.revision >= revision).await;
        let described = heard.ok().and_then(|known| {
            let registry = known.catalog.registries.get(&registry.id)?;
            let Some(parent) = parent else {
                return Some((Vec::new(), None));
            };
            let made_from = registry.versions.get(&parent)?;
            Some((made_from.line(), Some(made_from.content()?.clone())))
        });
        let Some((ancestry, parent)) = described else {
            loading.give_up(cluster).await;
            return Err(Error::NoDecision);
        };
        loading.ancestry = ancestry;
        loading.parent = parent;
        info!(registry = %loading.registry, version = %loading.version, "version begun");
        Ok(loading)
    }

    /// What the version that it is made from covers.
    pub fn parent_coverage(&self) -> Option<&Coverage> {
        self.parent.as_ref().map(|content| &content.coverage)
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
            Ok(revision) => tell(cluster, self.version, revision).await,
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
                    Ok(known) => tell(cluster, self.version, known.catalog.view_revision).await,
                    Err(_) => Err(Error::ActivationUnknown(self.version)),
                }
            }
            _ => Err(Error::ActivationUnknown(self.version)),
        }
    }

    fn discard(&self) -> Change {
        Change::Discard { registry: self.registry, version: self.version }
    }
}

/// Makes sure that no check is answered from the version before from here on.
pub async fn tell<C: Cluster>(cluster: &C, version: VersionId, revision: u64) -> Result<u64, Error> {
    let not_told = |why: String| Error::NotTold { version, revision, why };
    cluster.wait_for(HEAR, |catalog| catalog.revision >= revision).await.map_err(|why| not_told(why.to_string()))?;
    cluster.barrier(revision, Instant::now() + BARRIER).await.map_err(|why| not_told(why.to_string()))?;
    Ok(revision)
}

/// Nobody waits for this version to become active any more: nodes need not keep it in memory.
pub async fn let_go<C: Cluster>(cluster: &C, registry: RegistryId, version: VersionId) {
    let change = Change::Summon { registry, version: None };
    let known = cluster.known();
    let other = known.catalog.registries.get(&registry).and_then(|r| r.summoned).filter(|id| *id != version);
    if other.is_some() {
        return;
    }
    if let Err(error) = cluster.propose(&change, PROPOSE).await {
        warn!(%version, %error, "let go of a version");
    }
}

/// Asks for a version to load into. If the answer does not come, asking again under the same name finds the version
/// that was begun, so that none is left behind.
async fn ask_for_version<C: Cluster>(
    cluster: &C,
    registry: RegistryId,
    load: u128,
) -> Result<(VersionId, Option<VersionId>, u64), Error> {
    let change = Change::BeginVersion { registry, load, now_ms: now_ms() };
    for _ in 0..BEGIN_ATTEMPTS {
        match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Version { id, parent, revision }) => return Ok((id, parent, revision)),
            Ok(Decision::Refused(why)) => return Err(Error::Refused(why)),
            Ok(_) => return Err(Error::Unexpected),
            Err(error) => warn!(%registry, %error, "begin a version"),
        }
    }
    Err(Error::NoDecision)
}

/// Gives up versions whose loader must be gone: a registry can only have a few in the making. A loader gives up
/// by itself what it could not complete within `stage_s`.
async fn give_up_abandoned<C: Cluster>(cluster: &C, registry: &Registry, options: &ImportOptions) {
    let age_ms = options.stage_s * 1_000 + GRACE_MS;
    let abandoned = registry
        .versions
        .values()
        .filter(|version| version.state == VersionState::Staging && version.begun_ms.saturating_add(age_ms) < now_ms());
    for version in abandoned {
        info!(registry = %registry.id, version = %version.id, "version abandoned by its loader");
        let abandoned = Loading {
            registry: registry.id,
            version: version.id,
            ancestry: Vec::new(),
            parent: None,
            load: version.load,
        };
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
