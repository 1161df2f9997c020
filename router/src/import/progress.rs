//! How far an import is, told to its caller as far as they keep up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dnc_proto::v1;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

/// The least time between two events of one phase.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells how far an import is. Clones share it.
#[derive(Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

struct Inner {
    sender: mpsc::Sender<Result<v1::ImportEvent, Status>>,
    numbers: AtomicU64,
    now: Mutex<Now>,
}

struct Now {
    phase: v1::ImportPhase,
    done: u64,
    total: u64,
    told: Instant,
}

// === impl Progress ===

impl Progress {
    /// Tells it here.
    pub fn new(sender: mpsc::Sender<Result<v1::ImportEvent, Status>>) -> Self {
        let now = Now { phase: v1::ImportPhase::Unspecified, done: 0, total: 0, told: Instant::now() };
        Self { inner: Arc::new(Inner { sender, numbers: AtomicU64::new(0), now: Mutex::new(now) }) }
    }

    /// A phase begins, of this size; 0 if it is not known.
    pub fn phase(&self, phase: v1::ImportPhase, total: u64) {
        let mut now = self.inner.now.lock();
        *now = Now { phase, done: 0, total, told: Instant::now() };
        self.tell(&now);
    }

    /// So much of the phase is done.
    pub fn done(&self, done: u64) {
        let mut now = self.inner.now.lock();
        now.done = done;
        self.tell_at_times(&mut now);
    }

    /// So much more of the phase is done.
    pub fn advance(&self, by: u64) {
        let mut now = self.inner.now.lock();
        now.done += by;
        self.tell_at_times(&mut now);
    }

    /// So many numbers have been read.
    pub fn read(&self, numbers: u64) {
        self.inner.numbers.store(numbers, Ordering::Relaxed);
    }

    /// How many numbers have been read.
    pub fn numbers(&self) -> u64 {
        self.inner.numbers.load(Ordering::Relaxed)
    }

    /// Waits until the caller has left.
    pub async fn gone(&self) {
        self.inner.sender.closed().await;
    }

    fn tell_at_times(&self, now: &mut Now) {
        let complete = now.total > 0 && now.done == now.total;
        if complete || now.told.elapsed() >= PAUSE {
            now.told = Instant::now();
            self.tell(now);
        }
    }

    /// A caller that does not keep up misses events, and nothing else.
    fn tell(&self, now: &Now) {
        let progress =
            v1::ImportProgress { phase: now.phase.into(), done: now.done, total: now.total, numbers: self.numbers() };
        let _ = self
            .inner
            .sender
            .try_send(Ok(v1::ImportEvent { event: Some(v1::import_event::Event::Progress(progress)) }));
    }
}
