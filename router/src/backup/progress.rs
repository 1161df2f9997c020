//! How far a backup is, told to its caller as far as they keep up.

use std::time::Duration;

use dnc_proto::v1;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

/// The least time between two events of one file.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells how far a backup is.
pub struct Progress {
    sender: mpsc::Sender<Result<v1::BackupEvent, Status>>,
    now: Mutex<(v1::BackupProgress, Instant)>,
}

// === impl Progress ===

impl Progress {
    /// Tells it here.
    pub fn new(sender: mpsc::Sender<Result<v1::BackupEvent, Status>>) -> Self {
        Self { sender, now: Mutex::new((v1::BackupProgress::default(), Instant::now())) }
    }

    /// Something begins that goes over so many bytes; 0 if it is not known.
    pub fn total(&self, total_bytes: u64) {
        self.now.lock().0 = v1::BackupProgress { total_bytes, ..v1::BackupProgress::default() };
    }

    /// This is done with this file from here on.
    pub fn step(&self, step: &str, file: &str) {
        let mut now = self.now.lock();
        now.0 = v1::BackupProgress { step: step.into(), file: file.into(), entries: 0, ..now.0 };
        self.tell(&mut now);
    }

    /// So many more entries, and bytes.
    pub fn advance(&self, entries: u64, bytes: u64) {
        let mut now = self.now.lock();
        now.0.entries += entries;
        now.0.bytes += bytes;
        if now.1.elapsed() >= PAUSE {
            self.tell(&mut now);
        }
    }

    /// Waits until the caller has left.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }

    /// A caller that does not keep up misses events, and nothing else.
    fn tell(&self, now: &mut (v1::BackupProgress, Instant)) {
        now.1 = Instant::now();
        let event = v1::backup_event::Event::Progress(now.0.clone());
        let _ = self.sender.try_send(Ok(v1::BackupEvent { event: Some(event) }));
    }
}
