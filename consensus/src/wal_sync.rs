//! Group commit: one thread makes the write-ahead log durable for all groups of the process.
//!
//! Whoever needs its writes on disk leaves a callback here. While one fsync runs, callbacks
//! gather, and the next fsync serves them all. After a failed fsync nothing is promised any more:
//! the kernel may have dropped the pages that it could not write, and a later fsync would not say so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::db::Db;
use crate::error::StoreError;

/// Callbacks that may wait. The thread takes all of them at each fsync, so a full queue means that
/// the disk has stopped; then whoever writes stops too.
const WAITING_MAX: usize = 8_192;

/// Called once, when everything that was written before is on disk, or never can be.
type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// The thread, and the way to it.
pub(crate) struct WalSync {
    queue: Option<mpsc::SyncSender<Done>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// When the fsync began that is under way.
    since: Mutex<Option<Instant>>,
    syncs: AtomicU64,
    served: AtomicU64,
    micros: AtomicU64,
    failure: Mutex<Option<String>>,
}

/// What the thread has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncCounters {
    /// Calls of fsync.
    pub syncs: u64,
    /// Writes that these made durable.
    pub served: u64,
    /// Microseconds that they took, added up.
    pub micros: u64,
}

// === impl WalSync ===

impl WalSync {
    pub(crate) fn start(db: Arc<Db>) -> io::Result<Self> {
        let (queue, requests) = mpsc::sync_channel(WAITING_MAX);
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("raft-wal-sync".to_owned())
            .spawn(move || run(&db, &requests, &of_thread))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Calls `done` from the thread once all writes made before this call are on disk.
    pub(crate) fn submit(&self, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        let queue = self.queue.as_ref().expect("only dropping takes the queue");
        if let Err(mpsc::SendError(done)) = queue.send(Box::new(done)) {
            done(Err(io::Error::other(StoreError::Closed)));
        }
    }

    /// Waits until all writes made before this call are on disk.
    pub(crate) async fn wait(&self) -> io::Result<()> {
        let (tx, rx) = tokio::sync::oneshot::channel();
        // The receiver may have gone away, then nobody wants to know.
        self.submit(move |result| {
            tx.send(result).ok();
        });
        rx.await.unwrap_or_else(|_| Err(io::Error::other(StoreError::Closed)))
    }

    /// The same, for callers that are not asynchronous.
    pub(crate) fn wait_blocking(&self) -> io::Result<()> {
        let (tx, rx) = mpsc::sync_channel(1);
        self.submit(move |result| {
            tx.send(result).ok();
        });
        rx.recv().unwrap_or_else(|_| Err(io::Error::other(StoreError::Closed)))
    }

    /// An error if an fsync has ever failed.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.failure().map_or(Ok(()), |reason| Err(StoreError::SyncFailed(reason)))
    }

    /// Why an fsync failed, if one ever has.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.failure.lock().clone()
    }

    /// As if a sync had failed.
    #[cfg(test)]
    pub(crate) fn fail(&self, why: &str) {
        *self.shared.failure.lock() = Some(why.to_owned());
    }

    /// How long the fsync has been under way that has not returned yet.
    pub(crate) fn under_way(&self) -> Option<Duration> {
        self.shared.since.lock().map(|since| since.elapsed())
    }

    pub(crate) fn counters(&self) -> SyncCounters {
        SyncCounters {
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            served: self.shared.served.load(Ordering::Relaxed),
            micros: self.shared.micros.load(Ordering::Relaxed),
        }
    }
}

impl Drop for WalSync {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the write-ahead log had panicked");
        }
    }
}

fn run(db: &Db, requests: &mpsc::Receiver<Done>, shared: &Shared) {
    let mut waiting: Vec<Done> = Vec::new();
    while let Ok(first) = requests.recv() {
        waiting.push(first);
        waiting.extend(requests.try_iter());
        let result = sync(db, shared);
        shared.served.fetch_add(waiting.len() as u64, Ordering::Relaxed);
        for done in waiting.drain(..) {
            done(result.clone().map_err(|reason| io::Error::other(StoreError::SyncFailed(reason))));
        }
    }
}

fn sync(db: &Db, shared: &Shared) -> Result<(), String> {
    if let Some(reason) = &*shared.failure.lock() {
        return Err(reason.clone());
    }
    let start = Instant::now();
    *shared.since.lock() = Some(start);
    let result = db.raw().flush_wal(true).map_err(|error| error.to_string());
    *shared.since.lock() = None;
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    shared.syncs.fetch_add(1, Ordering::Relaxed);
    shared.micros.fetch_add(micros, Ordering::Relaxed);
    if let Err(reason) = &result {
        tracing::error!(%reason, "fsync of the write-ahead log failed, this store acknowledges nothing any more");
        *shared.failure.lock() = Some(reason.clone());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreOptions;

    #[test]
    fn every_callback_is_called_once_and_dropping_waits_for_them() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Arc::new(Db::open(folder.path(), &StoreOptions::default()).expect("open"));
        let wal = WalSync::start(db).expect("thread");
        let called = Arc::new(AtomicU64::new(0));
        for _ in 0..100 {
            let called = called.clone();
            wal.submit(move |result| {
                result.expect("sync");
                called.fetch_add(1, Ordering::SeqCst);
            });
        }
        wal.wait_blocking().expect("sync");
        assert_eq!(wal.counters().served, 101);
        drop(wal);
        assert_eq!(called.load(Ordering::SeqCst), 100);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_promised() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Arc::new(Db::open(folder.path(), &StoreOptions::default()).expect("open"));
        let wal = WalSync::start(db).expect("thread");
        wal.fail("disk gone");
        assert!(wal.wait_blocking().is_err());
        assert!(matches!(wal.check(), Err(StoreError::SyncFailed(reason)) if reason == "disk gone"));
    }
}
