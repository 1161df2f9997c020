//! How many snapshots may leave this process at a time, and how fast these and the log for learners: one allowance for all
//! together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The lowest rate, bytes a second: below it a transfer would be taken for stuck.
const THROTTLE_MIN: u64 = 512 << 10;

/// Transfers that send at a time. So few that at the lowest rate each has its turn before it is taken for stuck.
const TRANSFERS_AT_ONCE: usize = 4;

/// The allowance.
#[derive(Debug)]
pub(crate) struct Throttle {
    places: Arc<Semaphore>,
    /// Bytes a second; 0 for as many as can be sent.
    rate: AtomicU64,
    /// When what was let go so far has used its time up.
    free_at: Mutex<Option<Instant>>,
}

// === impl Throttle ===

impl Throttle {
    pub(crate) fn new() -> Self {
        let places = Arc::new(Semaphore::new(TRANSFERS_AT_ONCE));
        Self { places, rate: AtomicU64::new(0), free_at: Mutex::new(None) }
    }

    /// Waits until another transfer may begin. It has its place until that is dropped.
    pub(crate) async fn begin(&self) -> OwnedSemaphorePermit {
        self.places.clone().acquire_owned().await.expect("never closed")
    }

    /// Sets the rate, bytes a second; 0 takes it away. Holds from the next part on.
    pub(crate) fn set(&self, rate: u64) {
        let rate = if rate == 0 { 0 } else { rate.max(THROTTLE_MIN) };
        self.rate.store(rate, Ordering::Relaxed);
    }

    /// Waits until so many bytes may be sent.
    pub(crate) async fn take(&self, bytes: usize) {
        if let Some(until) = self.reserve(bytes, Instant::now()) {
            sleep_until(until).await;
        }
    }

    /// When so many bytes may be sent, unless that is now. Their time is taken from whoever asks next.
    fn reserve(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return None;
        }
        let used = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / rate;
        let mut free_at = self.free_at.lock();
        // What was not used is not saved up.
        let from = free_at.map_or(now, |at| at.max(now));
        *free_at = Some(from + Duration::from_micros(used));
        (from > now).then_some(from)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::config::{CHUNK_BYTES_SOFT, HostOptions};

    #[test]
    fn as_many_transfers_begin_as_the_lowest_rate_keeps_going() {
        let throttle = Throttle::new();
        let mut places: Vec<_> = (0..TRANSFERS_AT_ONCE).filter_map(|_| throttle.begin().now_or_never()).collect();
        assert_eq!(places.len(), TRANSFERS_AT_ONCE);
        assert!(throttle.begin().now_or_never().is_none());
        places.pop();
        assert!(throttle.begin().now_or_never().is_some());

        throttle.set(1);
        let start = Instant::now();
        let turns = (0..TRANSFERS_AT_ONCE + 1).filter_map(|_| throttle.reserve(CHUNK_BYTES_SOFT, start));
        let longest = turns.last().expect("all but the first wait") - start;
        assert!(longest * 2 <= Duration::from_millis(HostOptions::default().snapshot_progress_ms));
    }

    #[test]
    fn what_is_let_go_never_exceeds_the_rate_and_nothing_is_saved_up() {
        let throttle = Throttle::new();
        let start = Instant::now();
        assert_eq!(throttle.reserve(1 << 30, start), None, "without a rate nobody waits");
        throttle.set(1 << 20);
        assert_eq!(throttle.reserve(1 << 20, start), None);
        assert_eq!(throttle.reserve(1 << 20, start), Some(start + Duration::from_secs(1)));
        assert_eq!(throttle.reserve(1, start), Some(start + Duration::from_secs(2)));
        let later = start + Duration::from_secs(60);
        assert_eq!(throttle.reserve(1 << 20, later), None);
        assert_eq!(throttle.reserve(1, later), Some(later + Duration::from_secs(1)));
    }

    #[test]
    fn a_rate_at_which_transfers_would_seem_stuck_is_raised() {
        let throttle = Throttle::new();
        throttle.set(1);
        let start = Instant::now();
        throttle.reserve(512 << 10, start);
        assert_eq!(throttle.reserve(1, start), Some(start + Duration::from_secs(1)));
    }
}
