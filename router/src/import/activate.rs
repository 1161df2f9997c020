//! Versions made active by request: one that a guard held back, or one of before.
//!
//! The version is summoned, so that the nodes make it resident; when all live voters have it, one entry of the
//! catalog makes it active, and a barrier tells every shard. Until that entry nothing changes for anybody.

use std::time::Duration;

use dnc_core::catalog::{Change, Decision, Refusal};
use dnc_core::ids::VersionId;
use dnc_core::registry::{Content, Outcome, Registry, SyncRecord, Trigger, VersionState};
use dnc_meta::ProposeError;
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::areas;
use super::error::Error;
use super::ready::{self, Expected};
use super::record::{self, Job};
use super::version::{PROPOSE, let_go, tell};
use super::{Imports, REGISTRY_WAIT};
use crate::clock::now_ms;
use crate::cluster::Cluster;

/// How often an activation is proposed whose answer does not come.
const ACTIVATE_ATTEMPTS: usize = 3;

/// A version was made active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The registry's name.
    pub registry: String,
    /// The version that answers checks now.
    pub version: VersionId,
    /// The one that did so before.
    pub before: Option<VersionId>,
    /// Numbers in it.
    pub numbers: u64,
    /// The catalog revision from which on it does.
    pub revision: u64,
}

// === impl Imports ===

impl<C: Cluster> Imports<C> {
    /// Makes a complete version the one that answers checks. Repeating it changes nothing.
    pub async fn activate(&self, name: &str, version: VersionId, force: bool) -> Result<Activated, Error> {
        let registry = self.with_version(name, version).await?;
        let known = registry.versions.get(&version).ok_or(Error::Refused(Refusal::UnknownVersion))?;
        let content = match &known.state {
            VersionState::Discarded => return Err(Error::Refused(Refusal::IsDiscarded)),
            VersionState::Staging => return Err(Error::Refused(Refusal::NotSealed)),
            VersionState::Sealed(content) => content,
        };
        let was_never_active = known.activated_ms == 0;
        if registry.active != Some(version) && was_never_active {
            // It is what was active then and a load; what became active since is not in it.
            if known.parent() != registry.active {
                return Err(Error::Outdated(version));
            }
            let before = registry.active_version().map(|(_, content)| content);
            let all = areas::all(before, &content.by_area);
            let changes = areas::changes(&registry.settings.guard, before, &all, &content.by_area);
            let stopped = areas::stopped(&changes);
            if !force && !stopped.is_empty() {
                return Err(Error::Held { registry: registry.name, version, stopped });
            }
        }
        self.change_over(&registry, version, content).await
    }

    /// Makes the version active again from which the active one was made. With `from`, only if that one is
    /// active; if it was left for its parent already, nothing changes.
    pub async fn roll_back(&self, name: &str, from: Option<VersionId>) -> Result<Activated, Error> {
        let registry = self.registry(name).await?;
        let active = registry.active.ok_or(Error::NoWayBack("the registry has no active version"))?;
        let parent = |id| registry.versions.get(&id).and_then(|version| version.parent());
        let target = match from {
            Some(from) if from != active && parent(from) == Some(active) => active,
            Some(from) if from != active => {
                return Err(Error::NoWayBack("another version is active than the one to go back from"));
            }
            _ => parent(active).ok_or(Error::NoWayBack("the active version was made from none"))?,
        };
        let content = registry.versions.get(&target).and_then(|version| version.content());
        let content = content.ok_or(Error::NoWayBack("the version before is not kept any more"))?;
        self.change_over(&registry, target, content).await
    }

    async fn change_over(
        &self,
        registry: &Registry,
        version: VersionId,
        content: &Content,
    ) -> Result<Activated, Error> {
        let job = Job { load: Uuid::now_v7().as_u128(), trigger: Trigger::Request, started_ms: now_ms() };
        let activated = |revision| Activated {
            registry: registry.name.clone(),
            version,
            before: registry.active,
            numbers: content.numbers,
            revision,
        };
        if registry.active == Some(version) {
            // Whoever asked before may not have been told that everybody knows.
            let revision = tell(&self.cluster, version, self.cluster.known().catalog.view_revision).await?;
            return Ok(activated(revision));
        }
        if let Err(why) = self.make_ready(registry, version, content).await {
            let_go(&self.cluster, registry.id, version).await;
            return Err(why);
        }
        let revision = self.propose_activation(registry, version).await?;
        let told = tell(&self.cluster, version, revision).await;
        info!(registry = registry.name, %version, "version made active by request");
        let record = SyncRecord { version: Some(version), ..job.ended(Outcome::Done, "made active by request") };
        record::keep(&self.cluster, registry.id, record).await;
        self.pruning.notify_one();
        told.map(activated)
    }

    /// Has the nodes make a version resident, and waits for them.
    async fn make_ready(&self, registry: &Registry, version: VersionId, content: &Content) -> Result<(), Error> {
        let change = Change::Summon { registry: registry.id, version: Some(version) };
        match self.cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Done { .. }) => {}
            Ok(Decision::Refused(why)) => return Err(Error::Refused(why)),
            Ok(_) => return Err(Error::Unexpected),
            Err(_) => return Err(Error::NoDecision),
        }
        let deadline = Instant::now() + Duration::from_secs(self.options.import.verify_s);
        ready::wait(&self.cluster, (registry.id, version), Expected::of(content), deadline).await
    }

    /// To propose it again is safe, and settles what became of a proposal that was not answered.
    async fn propose_activation(&self, registry: &Registry, version: VersionId) -> Result<u64, Error> {
        let change = Change::Activate { registry: registry.id, version, from: registry.active, now_ms: now_ms() };
        for _ in 0..ACTIVATE_ATTEMPTS {
            match self.cluster.propose(&change, PROPOSE).await {
                Ok(Decision::Done { revision }) => return Ok(revision),
                Ok(Decision::Refused(why)) => return Err(Error::Refused(why)),
                Ok(_) => return Err(Error::Unexpected),
                Err(ProposeError::Rejected(_)) => return Err(Error::NoDecision),
                Err(error) => warn!(%version, %error, "activate a version"),
            }
        }
        Err(Error::ActivationUnknown(version))
    }

    /// A registry, once this router knows that this version of it is complete, as far as it hears of it soon.
    async fn with_version(&self, name: &str, version: VersionId) -> Result<Registry, Error> {
        let complete = |registry: &Registry| {
            registry.versions.get(&version).is_some_and(|version| version.state != VersionState::Staging)
        };
        // If it does not hear of it, what it knows says why not.
        let _ = self.cluster.wait_for(REGISTRY_WAIT, |c| c.registry_named(name).is_some_and(complete)).await;
        self.registry(name).await
    }
}
