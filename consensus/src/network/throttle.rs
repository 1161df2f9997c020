//! How fast snapshots may leave this process: one allowance for all transfers together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// The lowest rate, bytes a second: below it a transfer would be taken for stuck.
const THROTTLE_MIN: u64 = 512 << 10;

/// The allowance.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// Bytes a second; 0 for as many as can be sent.
    rate: AtomicU64,
    /// When what was let go so far has used its time up.
    free_at: Mutex<Option<Instant>>,
}

// === impl Throttle ===

impl Throttle {
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
    use super::*;

    #[test]
    fn what_is_let_go_never_exceeds_the_rate_and_nothing_is_saved_up() {
        let throttle = Throttle::default();
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
        let throttle = Throttle::default();
        throttle.set(1);
        let start = Instant::now();
        throttle.reserve(512 << 10, start);
        assert_eq!(throttle.reserve(1, start), Some(start + Duration::from_secs(1)));
    }
}
