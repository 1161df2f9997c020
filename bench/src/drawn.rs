//! What is asked: numbers drawn before anything is measured, half of them listed, and what is true of each.

use dnc_core::generate::{NationalList, Random};

/// How many are drawn: asked in turn, and too many for a processor's caches to hold what answers them.
const DRAWN: usize = 1 << 20;

/// A number, and whether it is listed.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// E.164 digits.
    pub digits: u64,
    /// Whether it is listed.
    pub listed: bool,
}

/// Numbers in the order in which they are asked.
pub struct Drawn {
    all: Vec<Asked>,
    next: usize,
}

// === impl Drawn ===

impl Drawn {
    /// Draws from a list and from what is beside it.
    pub fn new(list: &NationalList, seed: u64) -> Self {
        let mut random = Random::for_worker(seed, 1);
        let draw = |_| {
            let listed = random.chance(0.5);
            let number = if listed { list.hit(&mut random) } else { list.miss(&mut random) };
            Asked { digits: number.to_u64(), listed }
        };
        Self { all: (0..DRAWN).map(draw).collect(), next: 0 }
    }

    /// The next number.
    pub fn one(&mut self) -> Asked {
        self.many(1)[0]
    }

    /// The next few numbers.
    pub fn many(&mut self, count: usize) -> &[Asked] {
        if self.next + count > self.all.len() {
            self.next = 0;
        }
        self.next += count;
        &self.all[self.next - count..self.next]
    }
}
