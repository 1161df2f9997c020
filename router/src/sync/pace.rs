//! How often a source is asked: no more requests a second than its registry allows, and after a failure a pause that grows.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::options::SyncOptions;
use super::source::{Again, SourceError};

/// Lets so many requests through a second, evenly. Clones share it.
#[derive(Clone)]
pub struct RateLimit {
    per_second: u16,
    next: Arc<Mutex<Option<Instant>>>,
}

/// How often to try, and how long to pause in between.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    attempts: u32,
    pause: Duration,
    max_pause: Duration,
    max_retry_after: Duration,
}

// === impl RateLimit ===

impl RateLimit {
    /// So many requests a second; one at least.
    pub fn new(per_second: u16) -> Self {
        Self { per_second: per_second.max(1), next: Arc::default() }
    }

    /// How many requests it lets through a second.
    pub fn per_second(&self) -> u16 {
        self.per_second
    }

    /// Waits for the right to make a request.
    pub async fn wait(&self) {
        let at = self.take(Instant::now(), None);
        sleep_until(at.expect("there is always a time without a deadline")).await;
    }

    /// Waits for the right to make a request, or says at once that there is none before the deadline.
    pub async fn wait_until(&self, deadline: Instant) -> bool {
        match self.take(Instant::now(), Some(deadline)) {
            Some(at) => {
                sleep_until(at).await;
                true
            }
            None => false,
        }
    }

    /// The next time that is free.
    fn take(&self, now: Instant, deadline: Option<Instant>) -> Option<Instant> {
        let mut next = self.next.lock();
        let at = next.map_or(now, |next| next.max(now));
        if deadline.is_some_and(|deadline| at >= deadline) {
            return None;
        }
        *next = Some(at + Duration::from_secs(1) / u32::from(self.per_second));
        Some(at)
    }
}

// === impl Patience ===

impl Patience {
    /// As the options say.
    pub fn of(options: &SyncOptions) -> Self {
        Self {
            attempts: options.attempts,
            pause: Duration::from_millis(options.pause_ms),
            max_pause: Duration::from_millis(options.max_pause_ms),
            max_retry_after: options.max_retry_after(),
        }
    }

    /// How long to pause after an attempt that failed, the first being 0; none if it is not to be tried again.
    ///
    /// `jitter` is 0 to 1. Routers that failed together do not try again together.
    pub fn pause(&self, attempt: u32, error: &SourceError, jitter: f64) -> Option<Duration> {
        if attempt + 1 >= self.attempts {
            return None;
        }
        let grown = self.pause.saturating_mul(2u32.saturating_pow(attempt)).min(self.max_pause);
        let own = grown.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        match error.again {
            Again::Never => None,
            Again::Later => Some(own),
            Again::After(asked) if asked > self.max_retry_after => None,
            // What it asks for is the least; a little more, so that not all come back in the same moment.
            Again::After(asked) => Some(asked + own.min(asked / 10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience::of(&SyncOptions { attempts: 5, pause_ms: 1_000, max_pause_ms: 3_000, ..SyncOptions::default() })
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_end_with_the_attempts() {
        let error = SourceError::later("x");
        let pauses: Vec<_> = (0..5).map(|attempt| patience().pause(attempt, &error, 1.0)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(pauses, [seconds(1), seconds(2), seconds(3), seconds(3), None]);
        assert_eq!(patience().pause(0, &error, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(patience().pause(0, &SourceError::never("x"), 1.0), None);
    }

    #[test]
    fn a_source_is_left_alone_as_long_as_it_asks_up_to_a_limit() {
        let asks = |s| SourceError { what: "x".into(), again: Again::After(Duration::from_secs(s)) };
        let pause = patience().pause(0, &asks(20), 1.0).expect("within the limit");
        assert!(pause >= Duration::from_secs(20) && pause < Duration::from_secs(23), "{pause:?}");
        assert_eq!(patience().pause(0, &asks(601), 1.0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_over_the_second() {
        let limit = RateLimit::new(4);
        let begin = Instant::now();
        for _ in 0..5 {
            limit.clone().wait().await;
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        assert!(!limit.wait_until(Instant::now() + Duration::from_millis(249)).await);
        assert!(limit.wait_until(Instant::now() + Duration::from_millis(251)).await);
    }
}
