//! The bloom filter in front of the records: it turns nearly every miss into no read.
//!
//! It never says no for a number that has suppressions or exemptions. Numbers are put in before
//! their record is written; released ones stay in and cost a read. It grows in the background before
//! its error rate passes [`ERROR_RATE`], and while it does, both sizes take every new number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use dnc_core::number::PhoneNumber;
use dnc_planted::Bug;
use fastbloom::AtomicBloomFilter;
use parking_lot::Mutex;

/// Share of misses that cost a read after all, at capacity.
pub const ERROR_RATE: f64 = 0.0001;

/// Capacity of the smallest filter, in numbers: 40 KB.
const MIN_CAPACITY: usize = 16_384;

/// A bloom filter that can grow while it is used.
pub struct Bloom {
    current: ArcSwap<Sized>,
    /// The next size, while it is being filled.
    growing: ArcSwapOption<Sized>,
    /// Held while one filter takes another's place; never on the path of a check or an insert.
    exchange: Mutex<()>,
}

struct Sized {
    filter: AtomicBloomFilter,
    capacity: usize,
    len: AtomicUsize,
}

/// The filter of one moment.
pub struct Current(Guard<Arc<Sized>>);

/// A larger filter that the caller fills with all numbers that have records.
pub struct Growth(Arc<Sized>);

/// How full a filter is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fill {
    /// Numbers put in (a number put in twice may count twice).
    pub numbers: u64,
    /// Numbers that fit.
    pub capacity: u64,
    /// Share of other numbers that it lets through, estimated.
    pub false_positives: f64,
    /// Its size.
    pub bytes: u64,
}

// === impl Bloom ===

impl Bloom {
    /// An empty filter that holds twice as many numbers as are expected.
    pub fn new(expected: usize) -> Bloom {
        Bloom {
            current: ArcSwap::from_pointee(Sized::new(expected)),
            growing: ArcSwapOption::empty(),
            exchange: Mutex::new(()),
        }
    }

    /// Whether the number may have entries; if not, it surely has none.
    #[cfg(test)]
    pub fn may_contain(&self, number: PhoneNumber) -> bool {
        self.current().may_contain(number)
    }

    /// The filter as it is now, for many numbers. What is put in later may be missing from it.
    pub fn current(&self) -> Current {
        Current(self.current.load())
    }

    /// Puts a number in, before its record is written.
    pub fn insert(&self, number: PhoneNumber) {
        // The next size is looked at first: if it has just become the current one, the insert below finds it there.
        let growing = self.growing.load();
        if let Some(next) = growing.as_ref().filter(|_| !dnc_planted::is(Bug::FilterMissesAdds)) {
            next.insert(number);
        }
        self.current.load().insert(number);
    }

    /// Begins to grow when the filter is three quarters full and is not growing already.
    pub fn grow(&self) -> Option<Growth> {
        let _held = self.exchange.lock();
        let current = self.current.load();
        let len = current.len.load(Ordering::Relaxed);
        if len * 4 < current.capacity * 3 || self.growing.load().is_some() {
            return None;
        }
        let next = Arc::new(Sized::new(current.capacity));
        self.growing.store(Some(next.clone()));
        Some(Growth(next))
    }

    /// Ends growing: the larger filter, filled, takes over.
    pub fn grown(&self, growth: Growth) {
        let _held = self.exchange.lock();
        self.current.store(growth.0);
        self.growing.store(None);
    }

    /// Gives growing up, after an error; a later insert tries again.
    pub fn give_up(&self) {
        let _held = self.exchange.lock();
        self.growing.store(None);
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let current = self.current.load();
        let numbers = current.len.load(Ordering::Relaxed);
        Fill {
            numbers: numbers as u64,
            capacity: current.capacity as u64,
            false_positives: current.filter.expected_false_pos(numbers),
            bytes: current.filter.num_bits() as u64 / 8,
        }
    }
}

// === impl Current ===

impl Current {
    /// Whether the number may have entries; if not, it had none at that moment.
    #[inline]
    pub fn may_contain(&self, number: PhoneNumber) -> bool {
        self.0.filter.contains_hash(hash(number))
    }
}

// === impl Growth ===

impl Growth {
    /// Puts a number in.
    pub fn insert(&self, number: PhoneNumber) {
        self.0.insert(number);
    }
}

// === impl Sized ===

impl Sized {
    fn new(expected: usize) -> Sized {
        let capacity = expected.saturating_mul(2).max(MIN_CAPACITY);
        Sized {
            filter: AtomicBloomFilter::with_false_pos(ERROR_RATE).seed(&0).expected_items(capacity),
            capacity,
            len: AtomicUsize::new(0),
        }
    }

    fn insert(&self, number: PhoneNumber) {
        // `insert_hash` says whether the number seemed to be there before.
        if !self.filter.insert_hash(hash(number)) {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): fixed, well mixed, and a third of the cost of the filter's own SipHash.
fn hash(number: PhoneNumber) -> u64 {
    let mut z = number.to_u64().wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: u64) -> PhoneNumber {
        PhoneNumber::from_u64(12_010_000_000 + i).expect("a number")
    }

    #[test]
    fn no_number_that_was_put_in_is_ever_missed_also_while_growing() {
        let bloom = Bloom::new(0);
        let mut growth = None;
        let mut grew = 0;
        for i in 0..100_000 {
            bloom.insert(number(i));
            if growth.is_none() {
                growth = bloom.grow().map(|g| (g, i));
            }
            // The filler is behind: it finishes 1,000 inserts later.
            if growth.as_ref().is_some_and(|(_, since)| i > since + 1_000) {
                let (g, since) = growth.take().expect("checked");
                (0..=since).for_each(|i| g.insert(number(i)));
                bloom.grown(g);
                grew += 1;
            }
            assert!(bloom.may_contain(number(i)));
        }
        assert!(grew >= 2, "grew {grew} times");
        assert!((0..100_000).all(|i| bloom.may_contain(number(i))));
    }

    #[test]
    fn at_capacity_the_error_rate_is_as_promised() {
        let bloom = Bloom::new(50_000);
        (0..100_000).for_each(|i| bloom.insert(number(i)));
        let wrong = (1_000_000..2_000_000).filter(|i| bloom.may_contain(number(*i))).count();
        // One in 10,000 of a million is 100; chance stays well below twice that.
        assert!(wrong < 200, "{wrong} of a million");
        let fill = bloom.fill();
        assert_eq!(fill.capacity, 100_000);
        assert!(fill.numbers > 99_900 && fill.numbers <= 100_000, "{fill:?}");
        assert!((0.00005..0.0002).contains(&fill.false_positives), "{fill:?}");
    }
}
