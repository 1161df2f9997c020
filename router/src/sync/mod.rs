//! Syncs: lists fetched from where they come from, by schedule or on request, by one router at a time.
//!
//! [`Syncs::tick`] looks what is due ([`due`]), claims it ([`lease`]) and works ([`work`]): what is offered ([`source`]),
//! what of it is new ([`choose`]), download ([`spool`], [`pace`]), load. What came of it is in the registry's history.
//! Nothing here ever touches the list that is active: a load replaces it whole, or it stays. [`lookup`] asks for one
//! number where a list comes from; [`ages`] tells how old lists are. No key and no number is in a log or a message.

mod ages;
mod choose;
mod due;
mod error;
mod lease;
mod lookup;
mod now;
mod options;
mod pace;
mod seen;
mod source;
mod spool;
#[cfg(test)]
mod tests;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::Change;
use dnc_core::ids::RegistryId;
use dnc_core::registry::{Outcome, Registry, RegistryKind, SyncRecord, Trigger};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

pub use self::ages::keep_telling as tell_ages;
use self::due::Act;
pub use self::error::Error;
use self::lease::Lease;
use self::now::Now;
pub use self::now::Progress;
pub use self::options::SyncOptions;
pub use self::pace::RateLimit;
use self::seen::Seen;
pub use self::source::{NOT_ALLOWED, Place as SourcePlace, SourceError, bucket};
use self::work::{Work, Worked};
use crate::cluster::Cluster;
use crate::import::Imports;
use crate::options::Options;
use crate::secrets::Secrets;
use crate::{clock, telemetry};

/// Between two looks at what is due; up to half as much is added by chance, so that routers do not look together.
const TICK: Duration = Duration::from_secs(5);
/// Time for the meta group to decide.
const PROPOSE: Duration = Duration::from_secs(5);
/// How often what came of a sync is told to the meta group.
const TELLS: usize = 5;
/// How long to wait for a registry that another router may have made a moment ago.
const REGISTRY_WAIT: Duration = Duration::from_secs(1);
/// The longest that a request waits for a sync to end.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Syncs registries. Clones share what runs.
#[derive(Clone)]
pub struct Syncs<C> {
    cluster: C,
    imports: Imports<C>,
    options: Arc<Options>,
    secrets: Secrets,
    /// Where this router listens, for people.
    router: Arc<str>,
    clock: fn() -> u64,
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Shared {
    running: Mutex<HashMap<RegistryId, (u128, Now)>>,
    limits: Mutex<HashMap<RegistryId, RateLimit>>,
    seen: Seen,
}

/// A sync that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The registry.
    pub registry: RegistryId,
    /// Its name.
    pub name: String,
    /// Names the sync.
    pub sync: u128,
}

/// A sync that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Names the sync.
    pub sync: u128,
    /// The router that runs it.
    pub router: String,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
    /// How far it is, if it runs on this router.
    pub progress: Option<Progress>,
}

/// Takes a sync off the list of those that run, however its task ends.
struct Place {
    shared: Arc<Shared>,
    registry: RegistryId,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.running.lock().remove(&self.registry);
    }
}

// === impl Syncs ===

impl<C: Cluster> Syncs<C> {
    /// Syncs the registries of this cluster, until `stop`.
    pub fn new(
        cluster: C,
        imports: Imports<C>,
        options: Arc<Options>,
        secrets: Secrets,
        stop: CancellationToken,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(options.sync.max_at_once));
        let (router, clock, shared) = (Arc::from("unnamed"), clock::now_ms as fn() -> u64, Arc::default());
        Self { cluster, imports, options, secrets, router, clock, shared, slots, stop }
    }

    /// The same, with what opens keys of providers.
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The same, on a router that listens there.
    pub fn on_router(self, router: &str) -> Self {
        Self { router: router.into(), ..self }
    }

    /// Does what is due, now and then, until it is stopped.
    pub async fn follow_schedules(self) {
        loop {
            self.tick((self.clock)()).await;
            let pause = TICK.mul_f64(1.0 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Does what is due at this time.
    pub async fn tick(&self, now_ms: u64) {
        let known = self.cluster.known();
        for act in due::acts(&known.catalog, now_ms) {
            let change = match act {
                Act::Schedule(registry, next_ms) => Change::ScheduleSync { registry, next_ms },
                Act::Close(registry, record) => Change::EndSync { registry, record, next_ms: None },
                Act::Sync(id) => {
                    if let Some(registry) = known.catalog.registries.get(&id).filter(|_| self.options.sync.by_schedule)
                    {
                        match self.begin(registry, Trigger::Schedule).await {
                            Ok(_) | Err(Error::Syncing(_)) => {}
                            Err(error) => debug!(registry = registry.name, %error, "begin a sync that is due"),
                        }
                    }
                    continue;
                }
            };
            // What is not done now is seen again by the next look, of this router or another.
            if let Err(error) = self.cluster.propose(&change, PROPOSE).await {
                debug!(%error, "propose what is due");
            }
        }
    }

    /// Starts a sync of a registry, named by its number or its name.
    pub async fn start(&self, registry: &str) -> Result<Started, Error> {
        let registry = self.registry(registry).await?;
        self.begin(&registry, Trigger::Request).await
    }

    /// Starts a sync of every registry of a kind that has a source; of one jurisdiction, if that is named.
    pub async fn start_all(
        &self,
        kind: RegistryKind,
        jurisdiction: Option<&str>,
    ) -> Result<Vec<(String, Result<Started, Error>)>, Error> {
        let known = self.cluster.known();
        let registries = known.catalog.registries.values();
        let theirs = registries.filter(|r| {
            let there = jurisdiction.is_none_or(|wanted| same_place(&r.settings.jurisdiction, wanted));
            r.kind == kind && there && r.is_consulted() && r.settings.fetch.is_some()
        });
        let mut started = Vec::new();
        for registry in theirs {
            started.push((registry.name.clone(), self.begin(registry, Trigger::Request).await));
        }
        if started.is_empty() {
            let place = jurisdiction.map_or_else(String::new, |place| format!(" of {place}"));
            return Err(Error::NoneOfThem(format!("{kind} registry{place}")));
        }
        Ok(started)
    }

    /// The sync of a registry that runs now, here or elsewhere.
    pub fn running(&self, registry: &Registry) -> Option<Running> {
        let claim = registry.sync.claim_at((self.clock)())?;
        let here = self.shared.running.lock().get(&registry.id).cloned();
        let progress = here.filter(|(sync, _)| *sync == claim.sync).map(|(_, now)| now.get());
        Some(Running { sync: claim.sync, router: claim.router.clone(), since_ms: claim.since_ms, progress })
    }

    /// Waits until a sync has ended, at most so long; then what came of it.
    pub async fn wait(&self, started: &Started, limit: Duration) -> Option<SyncRecord> {
        let record = |catalog: &dnc_core::catalog::Catalog| {
            let history = &catalog.registries.get(&started.registry)?.sync.history;
            history.iter().find(|record| record.sync == started.sync).cloned()
        };
        let ended = self.cluster.wait_for(limit.min(MAX_WAIT), |catalog| record(catalog).is_some()).await;
        record(&ended.ok()?.catalog)
    }

    /// Waits, once they have been stopped, until all syncs have ended, or the deadline.
    pub async fn finish(&self, deadline: Instant) {
        let all = u32::try_from(self.options.sync.max_at_once).expect("checked with the options");
        // One that does not end in time is taken over when its claim runs out.
        let _ = tokio::time::timeout_at(deadline, self.slots.acquire_many(all)).await;
    }

    /// A registry, by its number or its name.
    pub async fn registry(&self, named: &str) -> Result<Registry, Error> {
        let find = |catalog: &dnc_core::catalog::Catalog| {
            let by_number = named.parse().ok().and_then(|id| catalog.registries.get(&RegistryId(id)));
            by_number.or_else(|| catalog.registry_named(named)).cloned()
        };
        let known = self.cluster.wait_for(REGISTRY_WAIT, |catalog| find(catalog).is_some()).await;
        known.ok().and_then(|known| find(&known.catalog)).ok_or(Error::UnknownRegistry)
    }

    /// Claims a registry and begins to sync it.
    async fn begin(&self, registry: &Registry, trigger: Trigger) -> Result<Started, Error> {
        let name = || registry.name.clone();
        if registry.kind.is_live() {
            return Err(Error::Live(name()));
        }
        if !registry.is_consulted() {
            return Err(Error::Inactive(name()));
        }
        if registry.settings.fetch.is_none() {
            return Err(Error::NoSource(name()));
        }
        if self.stop.is_cancelled() {
            return Err(Error::Stopping);
        }
        let max = self.options.sync.max_at_once;
        let permit = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Error::TooMany { max })?;
        let sync = Uuid::now_v7().as_u128();
        let cluster = self.cluster.clone();
        let lease = Lease::claim(cluster, registry.id, sync, self.router.to_string(), self.clock).await?;
        let now = Now::default();
        self.shared.running.lock().insert(registry.id, (sync, now.clone()));
        let place = Place { shared: Arc::clone(&self.shared), registry: registry.id, _permit: permit };
        info!(registry = registry.name, trigger = trigger.as_str(), "sync begins");
        let (syncs, registry) = (self.clone(), registry.clone());
        let started = Started { registry: registry.id, name: registry.name.clone(), sync };
        tokio::spawn(async move {
            let since_ms = lease.since_ms();
            let worked = syncs.work(&registry, lease, &now).await;
            syncs.end(&registry, sync, trigger, since_ms, worked).await;
            drop(place);
        });
        Ok(started)
    }

    /// Works for as long as the claim is held, the time lasts, and this router does not stop.
    async fn work(&self, registry: &Registry, mut lease: Lease<C>, now: &Now) -> Worked {
        let Some(fetch) = &registry.settings.fetch else {
            return Worked::failed("it has no source");
        };
        let key = match fetch.key.as_ref().map(|key| self.secrets.open(registry.id, key)).transpose() {
            Ok(key) => key,
            Err(why) => return Worked::failed(why.to_string()),
        };
        let stop = self.stop.child_token();
        let limit = self.limit(registry);
        let work = Work {
            cluster: &self.cluster,
            imports: &self.imports,
            options: &self.options.sync,
            spool_dir: &self.options.spool_dir,
            max_bytes: self.options.import.max_bytes,
            max_files: self.options.import.max_files,
            limit: &limit,
            seen: &self.shared.seen,
            now,
            stop: &stop,
            began_ms: lease.since_ms(),
        };
        let working = work.run(registry, &fetch.url, key.as_deref());
        tokio::pin!(working);
        let why = tokio::select! {
            worked = &mut working => {
                return if self.stop.is_cancelled() { worked.unless_done("this router stops") } else { worked };
            }
            why = lease.keep() => why,
            () = sleep(Duration::from_secs(self.options.sync.limit_s)) => "it took too long".into(),
        };
        stop.cancel();
        working.await.unless_done(&why)
    }

    /// Records what came of a sync, and when the next one is due.
    async fn end(&self, registry: &Registry, sync: u128, trigger: Trigger, since_ms: u64, worked: Worked) {
        let now_ms = (self.clock)();
        telemetry::sync(worked.outcome.as_str());
        match worked.outcome {
            Outcome::Failed | Outcome::Held => {
                warn!(registry = registry.name, outcome = worked.outcome.as_str(), why = worked.message, "sync ended");
            }
            Outcome::Done | Outcome::Skipped => {
                info!(registry = registry.name, outcome = worked.outcome.as_str(), "sync ended");
            }
        }
        let known = self.cluster.known();
        let current = known.catalog.registries.get(&registry.id).unwrap_or(registry);
        let retry_ms = self.options.sync.retry_s * 1_000;
        let stopping = self.stop.is_cancelled();
        // What a router that stops did not finish stays due: another one takes it at once.
        let next_ms = match trigger {
            Trigger::Schedule if !stopping || worked.outcome != Outcome::Failed => {
                due::next_after(current, worked.outcome, retry_ms, now_ms)
            }
            _ => None,
        };
        let record = worked.record(sync, trigger, since_ms, now_ms);
        let change = Change::EndSync { registry: registry.id, record, next_ms };
        for _ in 0..if stopping { 1 } else { TELLS } {
            match self.cluster.propose(&change, PROPOSE).await {
                Ok(_) => return,
                Err(error) => debug!(%error, "record what came of a sync"),
            }
        }
        // Its claim runs out, and whoever sees that records that this router was gone.
        warn!(registry = registry.name, "what came of a sync could not be recorded");
    }

    /// How often a registry's source may be asked, over all that this router asks it.
    fn limit(&self, registry: &Registry) -> RateLimit {
        let wanted = registry.settings.rate_limit.max(1);
        let mut limits = self.shared.limits.lock();
        let limit = limits.entry(registry.id).or_insert_with(|| RateLimit::new(wanted));
        if limit.per_second() != wanted {
            *limit = RateLimit::new(wanted);
        }
        limit.clone()
    }
}

/// Whether both name the same state or country: TX, tx and US-TX do.
fn same_place(known: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.trim().to_ascii_uppercase().trim_start_matches("US-").to_owned();
    plain(known) == plain(wanted)
}

// === impl Worked ===

impl Worked {
    /// The same if it went well; else it was stopped because of this.
    fn unless_done(self, why: &str) -> Self {
        match self.outcome {
            Outcome::Failed => Self { message: format!("{why}; the list before stays"), ..self },
            _ => self,
        }
    }

    fn record(self, sync: u128, trigger: Trigger, started_ms: u64, completed_ms: u64) -> SyncRecord {
        let Worked { outcome, version, added, removed, unchanged, message } = self;
        SyncRecord { sync, trigger, started_ms, completed_ms, outcome, version, added, removed, unchanged, message }
    }
}
