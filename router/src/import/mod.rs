//! Imports: list files become a new version of a registry, whole or not at all.
//!
//! [`Imports::run`] reads like a table of contents: parse what is asked for ([`asked`]), receive the files
//! ([`receive`]), and load them ([`load`]): read them into blocks or changes ([`read`]), settle what they cover ([`scope`]),
//! begin a version ([`version`]), cut it into pieces ([`plan`], [`amend`]) and write them to the shards' logs ([`stage`]), wait until
//! the replicas have it ([`ready`]), see whether its registry's guard lets it pass ([`areas`]), and make it active in
//! one step ([`version`]). Until that step nothing changes for anybody: on any failure the version is given up, or
//! held if it is the guard's. What a line holds is never logged, and shown to nobody but the caller of a dry run.
//!
//! [`activate`] makes held and older versions active, [`prune`] deletes what no version needs, [`record`] keeps the
//! history.

mod activate;
mod amend;
mod areas;
pub mod asked;
mod error;
mod load;
mod plan;
mod progress;
mod prune;
mod read;
pub mod ready;
mod receive;
mod record;
mod report;
mod scope;
mod show;
mod stage;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::Refusal;
use dnc_core::ids::RegistryId;
use dnc_core::registry::{Registry, Trigger};
use dnc_proto::v1;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{info, warn};
use uuid::Uuid;

pub use self::activate::Activated;
use self::asked::Asked;
pub use self::error::Error;
use self::load::Load;
pub use self::progress::Progress;
pub use self::receive::Received;
use self::record::Job;
use crate::clock::{now_ms, today};
use crate::cluster::{Cluster, can_answer};
use crate::options::Options;
use crate::telemetry;

/// How long to wait for a registry that another router may have made a moment ago.
const REGISTRY_WAIT: Duration = Duration::from_secs(1);

/// Loads lists. Clones share the limit on how many are loaded at a time.
#[derive(Clone)]
pub struct Imports<C> {
    cluster: C,
    options: Arc<Options>,
    slots: Arc<Semaphore>,
    /// Told when a version became active: older ones may not be needed any more.
    pruning: Arc<Notify>,
    stop: CancellationToken,
}

/// The right to run one import.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

// === impl Imports ===

impl<C: Cluster> Imports<C> {
    /// Imports into this cluster, until `stop`: then they give up.
    pub fn new(cluster: C, options: Arc<Options>, stop: CancellationToken) -> Self {
        let slots = Arc::new(Semaphore::new(options.import.max_at_once));
        Self { cluster, options, slots, pruning: Arc::default(), stop }
    }

    /// Takes a place, if one is free.
    pub fn slot(&self) -> Result<Slot, Error> {
        let permit = Arc::clone(&self.slots).try_acquire_owned();
        permit
            .map(|permit| Slot { _permit: permit })
            .map_err(|_| Error::TooMany { max: self.options.import.max_at_once })
    }

    /// Waits, once they have been stopped, until all imports have given up, or the deadline.
    pub async fn finish(&self, deadline: Instant) {
        let all = u32::try_from(self.options.import.max_at_once).expect("checked with the options");
        // Those that do not end in time are given up by whoever loads into their registry later.
        let _ = tokio::time::timeout_at(deadline, self.slots.acquire_many(all)).await;
    }

    /// Deletes what no version needs any more, whenever one became active here and now and then, until `stop`.
    pub async fn keep_pruning(self, stop: CancellationToken) {
        prune::keep_pruning(self.cluster, self.pruning, stop).await;
    }

    /// Loads what a caller sends: a header, then files. Ends within the limits that the options set, and keeps what
    /// came of it in the registry's history.
    pub async fn run(
        &self,
        slot: Slot,
        parts: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send + Unpin,
        progress: Progress,
    ) -> Result<v1::ImportResult, Error> {
        let started = Instant::now();
        let job = Job { load: Uuid::now_v7().as_u128(), trigger: Trigger::Import, started_ms: now_ms() };
        let mut target = None;
        let received = self.receive(parts, &progress, &mut target).boxed();
        let received = self.unless_stopped(&progress, started + self.limit(), received).await;
        let outcome = match received {
            Ok((asked, registry, files)) => {
                let load = Load { asked, registry, files, progress: &progress, load: job.load, started };
                self.load(load).await
            }
            Err(why) => Err(why),
        };
        tell(&outcome, &progress);
        if let Some(registry) = target {
            record::keep(&self.cluster, registry, record::of_load(job, &outcome)).await;
        }
        drop(slot);
        outcome
    }

    /// Keeps a file that is to be loaded by [`Imports::run_files`]: its bytes go into what this gives.
    #[allow(dead_code)] // For lists that this router fetches.
    pub fn spool(&self, name: String) -> Result<receive::Spool, Error> {
        receive::Spool::create(name, &self.options.spool_dir)
    }

    /// Loads files that are here already. It is for the caller to keep what came of it in the registry's history.
    #[allow(dead_code)] // For lists that this router fetches.
    pub async fn run_files(
        &self,
        slot: Slot,
        header: v1::ImportHeader,
        files: Vec<Received>,
        progress: Progress,
    ) -> Result<v1::ImportResult, Error> {
        let started = Instant::now();
        let outcome = async {
            let asked = Asked::of(header, today())?;
            let registry = self.loadable(&asked.registry).await?;
            if files.is_empty() {
                return Err(Error::Protocol("an import has at least one file"));
            }
            let load = Uuid::now_v7().as_u128();
            self.load(Load { asked, registry, files, progress: &progress, load, started }).await
        };
        let outcome = outcome.await;
        tell(&outcome, &progress);
        drop(slot);
        outcome
    }

    /// Takes in what a caller sends. `target` is told which registry it is for as soon as that is known, unless
    /// nothing will be loaded into it.
    async fn receive(
        &self,
        parts: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send + Unpin,
        progress: &Progress,
        target: &mut Option<RegistryId>,
    ) -> Result<(Asked, Registry, Vec<Received>), Error> {
        let mut receiver = receive::Receiver::new(parts, &self.options);
        let asked = Asked::of(receiver.header().await?, today())?;
        let registry = self.loadable(&asked.registry).await?;
        if !asked.dry_run {
            *target = Some(registry.id);
        }
        let files = receiver.files(asked.total_bytes, progress).await?;
        Ok((asked, registry, files))
    }

    /// A registry into which lists can be loaded.
    async fn loadable(&self, name: &str) -> Result<Registry, Error> {
        let registry = self.registry(name).await?;
        if !registry.settings.enabled {
            return Err(Error::DoesNotFit("this registry is disabled, nothing is loaded into it".into()));
        }
        Ok(registry)
    }

    /// A registry that has versions.
    async fn registry(&self, name: &str) -> Result<Registry, Error> {
        let found = self.cluster.wait_for(REGISTRY_WAIT, |c| can_answer(c) && c.registry_named(name).is_some()).await;
        let known = found.unwrap_or_else(|_| self.cluster.known());
        if !can_answer(&known.catalog) {
            return Err(Error::NotReady);
        }
        let registry = known.catalog.registry_named(name);
        let registry = registry.cloned().ok_or(Error::UnknownRegistry)?;
        if registry.kind.is_live() {
            return Err(Error::LiveRegistry(registry.kind));
        }
        if registry.retired {
            return Err(Error::Refused(Refusal::Retired));
        }
        Ok(registry)
    }

    /// Ends early when the caller has left, the router stops or the time is up.
    async fn unless_stopped<T>(
        &self,
        progress: &Progress,
        deadline: Instant,
        work: BoxFuture<'_, Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            // To stop goes first: work that is done at once must not begin when the router ends.
            biased;
            () = self.stop.cancelled() => Err(Error::Stopping),
            done = work => done,
            () = progress.gone() => Err(Error::CallerLeft),
            () = tokio::time::sleep_until(deadline) => Err(Error::TooSlow),
        }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.options.import.limit_s)
    }
}

/// Counts and logs what came of a load.
fn tell(outcome: &Result<v1::ImportResult, Error>, progress: &Progress) {
    match outcome {
        Ok(result) if result.dry_run => telemetry::import("dry_run", 0),
        Ok(result) => {
            telemetry::import("done", result.processed);
            info!(
                registry = result.registry,
                version = result.version,
                numbers = result.numbers,
                added = result.added,
                dropped = result.dropped,
                forced = result.forced,
                duration_ms = result.duration_ms,
                "list imported"
            );
        }
        Err(error) => {
            telemetry::import(error.word(), progress.numbers());
            warn!(%error, "import a list");
        }
    }
}
