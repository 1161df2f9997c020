//! What is counted while a work goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

/// Counts of one work on one system in one round, or of one of its connections.
pub struct Count {
    end: Instant,
    begin: Instant,
    /// Answered in the time that counts.
    numbers: u64,
    /// Answered at any time.
    all: u64,
    times: Histogram<u64>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Numbers answered a second.
    pub per_second: f64,
    /// Numbers answered, with those of the time that does not count.
    pub all: u64,
    /// Times of a request, microseconds.
    pub p50_us: f64,
    /// 99 of 100 are shorter.
    pub p99_us: f64,
}

// === impl Count ===

impl Count {
    /// Counts what ends within this time, from a tenth of it on: before that connections warm up.
    pub fn over(window: Duration) -> Self {
        let now = Instant::now();
        let begin = now + window / 10;
        let times = Histogram::new_with_bounds(100, 60_000_000_000, 3).expect("the bounds are far apart");
        Self { end: begin + window, begin, numbers: 0, all: 0, times }
    }

    /// The same for another connection.
    pub fn share(&self) -> Self {
        let mut share = Self::over(Duration::ZERO);
        (share.begin, share.end) = (self.begin, self.end);
        share
    }

    /// Whether to go on asking.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// A request about so many numbers, begun then, was answered now.
    pub fn answered(&mut self, numbers: usize, begun: Instant) {
        let now = Instant::now();
        self.all += numbers as u64;
        if self.begin <= now && now < self.end {
            self.numbers += numbers as u64;
            self.times.saturating_record(u64::try_from((now - begun).as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// The sum of the connections.
    pub fn sum(shares: Vec<Count>) -> Result<Rate> {
        let mut shares = shares.into_iter();
        let mut sum = shares.next().context("there is a connection")?;
        for share in shares {
            sum.numbers += share.numbers;
            sum.all += share.all;
            sum.times.add(&share.times).context("add times")?;
        }
        ensure!(sum.numbers > 0, "nothing was answered");
        let us = |quantile| sum.times.value_at_quantile(quantile) as f64 / 1_000.0;
        let seconds = (sum.end - sum.begin).as_secs_f64();
        Ok(Rate { per_second: sum.numbers as f64 / seconds, all: sum.all, p50_us: us(0.5), p99_us: us(0.99) })
    }
}

/// The middle one of some values; the mean of the middle two where they are even.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_count_is_of_what_ends_within_the_window() {
        let mut count = Count::over(Duration::from_secs(60));
        count.answered(5, Instant::now());
        assert!(Count::sum(vec![count]).is_err(), "it came before the window");
        let mut count = Count::over(Duration::from_secs(60));
        count.begin = Instant::now();
        count.answered(5, Instant::now());
        let share = count.share();
        let rate = Count::sum(vec![count, share]).expect("some");
        assert!(rate.per_second > 0.0);
        assert_eq!(rate.all, 5);
    }
}
