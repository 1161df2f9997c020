//! How long to wait before the next attempt: longer each time, up to a limit, and never in step with others.

use std::time::Duration;

/// A growing pause.
pub(crate) struct Backoff {
    /// The first pause.
    first: Duration,
    /// No pause is longer.
    limit: Duration,
    /// The next pause, before chance shortens it.
    next: Duration,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, next: first }
    }

    /// The pause to make now: between half of it and all of it, so that those who failed together do not return together.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.limit);
        pause
    }

    /// Something worked: begin again with the first pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_begin_again() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(2_000));
        let mut last = ms(0);
        for _ in 0..20 {
            last = backoff.pause();
            assert!(last <= ms(2_000));
        }
        assert!(last >= ms(1_000));
        backoff.reset();
        assert!(backoff.pause() <= ms(50));
    }
}
