//! Backups: all that a cluster holds, written to a folder or a bucket while it serves, and read back into a new one.
//!
//! A backup is a folder of files ([`store`]) and a manifest with their lengths and SHA-256 ([`manifest`]), which is
//! written last: without it there is no backup. [`create`] reads one revision of the catalog, then the tables of each
//! shard and the blocks of each active version; [`restore`] verifies all of it first, has the shards take it, and makes
//! it count in one change of the catalog. Entries are lines of JSON ([`lines`]), lists are blocks ([`blocks`]).
//! `docs/adr/0014` says why it is right. One of these runs at a time on a router; each ends when its caller leaves.

mod blocks;
mod catalog;
mod create;
mod error;
mod lines;
mod manifest;
mod progress;
mod refill;
mod restore;
mod store;
mod verify;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dnc_proto::v1;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
pub use self::progress::Progress;
use self::store::Store;
use crate::cluster::Cluster;
use crate::options::Options;
use crate::telemetry;

/// How long one of them may take in all.
const LIMIT: Duration = Duration::from_secs(24 * 3_600);
/// Time for a shard to answer a question: elections pass in it.
const ASK: Duration = Duration::from_secs(30);

/// Makes, lists, verifies and restores backups. Clones share the limit on how many run at a time.
#[derive(Clone)]
pub struct Backups<C> {
    cluster: C,
    options: Arc<Options>,
    slot: Arc<Semaphore>,
    stop: CancellationToken,
}

// === impl Backups ===

impl<C: Cluster> Backups<C> {
    /// Backups of this cluster, until `stop`: then they give up.
    pub fn new(cluster: C, options: Arc<Options>, stop: CancellationToken) -> Self {
        Self { cluster, options, slot: Arc::new(Semaphore::new(1)), stop }
    }

    /// Makes a backup.
    pub async fn create(&self, place: &str, progress: &Progress) -> Result<v1::BackupResult, Error> {
        let work = async {
            let store = Store::open_to_write(place, &self.options.sync).await?;
            create::run(&self.cluster, &store, progress).await
        };
        let manifest = self.bounded("create", progress, work).await?;
        Ok(v1::BackupResult { backup: Some(manifest.shown()), restored_at_revision: 0 })
    }

    /// The backups in a place, the newest first.
    pub async fn list(&self, place: &str) -> Result<v1::BackupList, Error> {
        let store = Store::open(place, &self.options.sync).await?;
        verify::list(&store).await
    }

    /// Compares a backup with its checksums.
    pub async fn verify(&self, place: &str, name: &str, progress: &Progress) -> Result<v1::BackupResult, Error> {
        let work = async {
            let store = Store::open(place, &self.options.sync).await?;
            let manifest = verify::manifest(&store, name).await?;
            verify::run(&store, &manifest, progress).await?;
            Ok(manifest)
        };
        let manifest = self.bounded("verify", progress, work).await?;
        Ok(v1::BackupResult { backup: Some(manifest.shown()), restored_at_revision: 0 })
    }

    /// Restores a backup into a new cluster.
    pub async fn restore(&self, place: &str, name: &str, progress: &Progress) -> Result<v1::BackupResult, Error> {
        let work = async {
            let store = Store::open(place, &self.options.sync).await?;
            restore::run(&self.cluster, &self.options.import, &store, name, progress).await
        };
        let (manifest, revision) = self.bounded("restore", progress, work).await?;
        Ok(v1::BackupResult { backup: Some(manifest.shown()), restored_at_revision: revision })
    }

    /// Does what takes long, within its limits: one at a time, until the caller leaves, the router stops or the time is up.
    async fn bounded<T>(
        &self,
        op: &'static str,
        progress: &Progress,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let _slot = self.slot.try_acquire().map_err(|_| Error::Busy)?;
        let done = tokio::select! {
            // To stop goes first: what is done at once must not begin when the router ends.
            biased;
            () = self.stop.cancelled() => Err(Error::Stopping),
            done = tokio::time::timeout(LIMIT, work) => done.unwrap_or(Err(Error::TooSlow)),
            () = progress.gone() => Err(Error::CallerLeft),
        };
        telemetry::backup(op, done.is_ok());
        match &done {
            Ok(_) => tracing::info!(op, "backup work done"),
            Err(error) => tracing::warn!(op, %error, "backup work failed"),
        }
        done
    }
}
