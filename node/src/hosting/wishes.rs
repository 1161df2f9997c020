//! What must be resident: versions that a check may ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::ShardId;
use dnc_core::registry::VersionState;
use tokio::time::Instant;

use super::{Hosting, chain};
use crate::shard::Wanted;

/// After a failure it is tried again this much later.
const RETRY: Duration = Duration::from_secs(1);

/// And all is said again this often: it costs nothing where nothing has changed.
const REFRESH: Duration = Duration::from_secs(5);

/// What the replicas were told.
#[derive(Default)]
pub struct Wishes {
    /// By which catalog, and how many replicas had been started by then.
    made: Option<(u64, u64)>,
    /// When to tell them again, whatever has changed.
    again: Option<Instant>,
    /// What went wrong with which replica, so that it is logged once.
    complaints: BTreeMap<ShardId, String>,
}

// === impl Wishes ===

impl Wishes {
    /// Tells all replicas what must be resident, if they may not know.
    pub async fn make(&mut self, hosting: &Hosting, catalog: &Catalog) {
        let state = (catalog.revision, hosting.inner.started.load(Ordering::Acquire));
        let in_time = self.again.is_some_and(|again| Instant::now() < again);
        if self.made == Some(state) && in_time {
            return;
        }
        let wanted = wanted(catalog);
        let replicas = hosting.all();
        // Reading versions back takes disk and processor time: not on the threads that answer checks.
        let told = tokio::task::spawn_blocking(move || {
            let tell = |replica: super::Replica| {
                let outcome = replica.shard.want(wanted.clone());
                Some((replica.shard.id(), chain(&outcome.err()?)))
            };
            replicas.into_iter().filter_map(tell).collect::<BTreeMap<_, _>>()
        });
        let complaints = match told.await {
            Ok(complaints) => complaints,
            Err(error) => {
                tracing::error!(%error, "make versions resident");
                self.again = Some(Instant::now() + RETRY);
                return;
            }
        };
        for (shard, why) in &complaints {
            if self.complaints.get(shard) != Some(why) {
                tracing::error!(shard = shard.0, why, "make versions resident");
            }
        }
        self.made = Some(state);
        self.again = Some(Instant::now() + if complaints.is_empty() { REFRESH } else { RETRY });
        self.complaints = complaints;
    }
}

/// Which sealed versions checks may ask for: the active ones, those that were active before them, those that are to
/// become active, and the newest of those that were sealed since and have not been active yet: it may become active in
/// a moment, and shares most of its blocks.
pub fn wanted(catalog: &Catalog) -> Wanted {
    let mut asked = BTreeSet::new();
    let mut idle = BTreeSet::new();
    for registry in catalog.registries.values() {
        let upcoming = registry
            .versions
            .values()
            .rev()
            .find(|version| version.content().is_some() && version.activated_ms == 0)
            .map(|version| version.id)
            .filter(|version| Some(*version) > registry.active);
        let needed = [registry.active, registry.previous, registry.summoned, upcoming];
        for version in registry.versions.values() {
            let key = (registry.id, version.id);
            match version.state {
                VersionState::Sealed(_) if needed.contains(&Some(version.id)) => asked.insert(key),
                VersionState::Sealed(_) | VersionState::Discarded => idle.insert(key),
                // Not complete in the catalog yet, but it may be in a moment.
                VersionState::Staging => asked.insert(key),
            };
        }
    }
    Wanted::These { asked, idle }
}
