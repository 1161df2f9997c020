//! Imports: list files become a new version of a registry, whole or not at all.
//!
//! [`Imports::run`] reads like a table of contents: receive the files ([`receive`]), read them into
//! blocks ([`read`]), settle what they cover ([`scope`]), begin a version ([`version`]), cut its blocks
//! into runs ([`plan`]) and write them to the shards' logs ([`stage`]), wait until the replicas have
//! it ([`ready`]), and make it active in one step ([`version`]). Until that step nothing changes for
//! anybody: on any failure the version is given up. What a line holds is never shown or logged.

mod error;
mod plan;
mod progress;
mod read;
mod ready;
mod receive;
mod scope;
mod stage;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::area::Area;
use dnc_core::block::{Block, BlockId};
use dnc_core::registry::{Content, Coverage, LoadReport, Registry};
use dnc_proto::v1;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{info, warn};

pub use self::error::Error;
use self::plan::Plan;
pub use self::progress::Progress;
use self::read::Lists;
pub use self::receive::Received;
use self::scope::Scope;
use self::stage::Staged;
use self::version::Loading;
use crate::clock::today;
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
        Self { cluster, options, slots, stop }
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

    /// Loads what a caller sends: a header, then files. Ends within the limits that the options set.
    pub async fn run(
        &self,
        slot: Slot,
        parts: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send + Unpin,
        progress: Progress,
    ) -> Result<v1::ImportResult, Error> {
        let started = Instant::now();
        let outcome = self.load(parts, &progress, started).await;
        match &outcome {
            Ok(result) => {
                telemetry::import("done", result.processed);
                info!(
                    registry = result.registry,
                    version = result.version,
                    numbers = result.numbers,
                    added = result.added,
                    dropped = result.dropped,
                    duration_ms = result.duration_ms,
                    "list imported"
                );
            }
            Err(error) => {
                telemetry::import(error.word(), progress.numbers());
                warn!(%error, "import a list");
            }
        }
        drop(slot);
        outcome
    }

    /// Loads files that are here already. It is for the caller to keep what came of it in the registry's history.
    pub async fn run_files(
        &self,
        slot: Slot,
        header: v1::ImportHeader,
        files: Vec<Received>,
        progress: Progress,
    ) -> Result<v1::ImportResult, Error> {
        use std::io::Read;
        let mut parts = vec![v1::import_request::Part::Header(header)];
        for mut file in files {
            parts.push(v1::import_request::Part::File(v1::ImportFile { name: file.name }));
            let mut bytes = Vec::new();
            file.file.read_to_end(&mut bytes)?;
            parts.extend(bytes.chunks(1 << 20).map(|piece| v1::import_request::Part::Chunk(piece.to_vec().into())));
        }
        let parts = parts.into_iter().map(|part| Ok(v1::ImportRequest { part: Some(part) }));
        self.run(slot, futures::stream::iter(parts), progress).await
    }

    async fn load(
        &self,
        parts: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send + Unpin,
        progress: &Progress,
        started: Instant,
    ) -> Result<v1::ImportResult, Error> {
        let limit = Duration::from_secs(self.options.import.limit_s);
        let prepared = self.prepare(parts, progress).boxed();
        let (registry, lists, scope) = self.unless_stopped(progress, started + limit, prepared).await?;
        let loading = Loading::begin(&self.cluster, &registry, &self.options.import).await?;
        let staged = self.stage(&loading, &lists, &scope, progress).boxed();
        let staged = match self.unless_stopped(progress, started + limit, staged).await {
            Ok(staged) => staged,
            Err(why) => {
                loading.give_up(&self.cluster).await;
                return Err(why);
            }
        };
        // From here on a caller that leaves changes nothing: the last step is short, and is finished.
        progress.phase(v1::ImportPhase::Activating, 1);
        let loaded = scope.coverage(&lists.blocks);
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let content = Content {
            coverage: Coverage::over(loading.parent_coverage.as_ref(), loaded),
            numbers: staged.numbers,
            by_area: by_area(&lists.blocks),
            checksum: staged.checksum,
            report: LoadReport {
                processed: lists.processed,
                added: staged.changed.added,
                dropped: staged.changed.dropped,
                unchanged: staged.changed.unchanged,
                failed: lists.failed,
                duration_ms,
                forced: false,
            },
        };
        loading.seal(&self.cluster, content).await?;
        let revision = loading.activate(&self.cluster).await?;
        progress.done(1);
        Ok(v1::ImportResult {
            registry: registry.name,
            version: loading.version.0,
            processed: lists.processed,
            added: staged.changed.added,
            dropped: staged.changed.dropped,
            unchanged: staged.changed.unchanged,
            numbers: staged.numbers,
            failed: lists.failed,
            bad_lines: lists.bad_lines.clone(),
            files: scope.files(&lists),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            revision,
        })
    }

    /// Everything that needs no version yet.
    async fn prepare(
        &self,
        parts: impl Stream<Item = Result<v1::ImportRequest, Status>> + Send + Unpin,
        progress: &Progress,
    ) -> Result<(Registry, Lists, Scope), Error> {
        let mut receiver = receive::Receiver::new(parts, &self.options);
        let header = receiver.header().await?;
        let registry = self.registry(&header.registry).await?;
        let wishes = scope::Wishes::of(&header, today())?;
        let files = receiver.files(header.total_bytes, progress).await?;
        let limits =
            read::Limits { max_bad_lines: header.max_bad_lines.into(), max_blocks: self.options.import.max_blocks };
        let lists = read::read(files, limits, progress).await?;
        let scope = Scope::settle(registry.kind, &wishes, &lists)?;
        scope.fits(registry.active_version().map(|(_, content)| &content.coverage))?;
        Ok((registry, lists, scope))
    }

    /// Brings a version to all shards, up to the point where it can be made active.
    async fn stage(
        &self,
        loading: &Loading,
        lists: &Lists,
        scope: &Scope,
        progress: &Progress,
    ) -> Result<Staged, Error> {
        // Another import may have changed what is active while the files were read.
        scope.fits(loading.parent_coverage.as_ref())?;
        let shards = self.cluster.known().catalog.shard_map.shards();
        let plan = Plan::new(&scope.ranges(), &lists.blocks, shards)?;
        let stage = stage::Stage { cluster: &self.cluster, loading, options: &self.options.import, progress };
        let changed = stage.write(&plan).await?;
        let seals = stage.seal(shards).await?;
        let limit = Duration::from_secs(self.options.import.verify_s);
        ready::wait(&self.cluster, loading, &seals, Instant::now() + limit).await?;
        Ok(Staged::new(changed, &seals))
    }

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
            done = work => done,
            () = progress.gone() => Err(Error::CallerLeft),
            () = self.stop.cancelled() => Err(Error::Stopping),
            () = tokio::time::sleep_until(deadline) => Err(Error::TooSlow),
        }
    }
}

/// How many numbers there are in each area.
fn by_area(blocks: &[(BlockId, Block)]) -> BTreeMap<Area, u64> {
    let mut counts = BTreeMap::new();
    for (id, block) in blocks {
        if let Some(area) = id.area() {
            *counts.entry(area).or_default() += block.len() as u64;
        }
    }
    counts
}
