//! A permutation of the first so many whole numbers, under a key: ranks to places that look random, without a table.

use super::random::mix;

/// A Feistel network of four rounds on as many bits as hold the places, an even number of them; results that are no place go
/// through it again (cycle walking, Black and Rogaway 2002), so it permutes 0 to `places - 1`.
#[derive(Clone, Debug)]
pub struct Permutation {
    places: u64,
    /// Half of the bits.
    half: u32,
    mask: u64,
    keys: [u64; 4],
}

// === impl Permutation ===

impl Permutation {
    /// The permutation of `places` places, 1 to 2^62, under this key. Round `i` has the key `mix(key + i)`.
    pub fn new(key: u64, places: u64) -> Self {
        debug_assert!((1..=1 << 62).contains(&places));
        let bits = u64::BITS - (places - 1).leading_zeros();
        let half = bits.div_ceil(2).max(1);
        let keys = [0, 1, 2, 3].map(|round| mix(key.wrapping_add(round)));
        Self { places, half, mask: (1 << half) - 1, keys }
    }

    /// The place with this rank, both 0 to `places - 1`.
    #[inline]
    pub fn place(&self, rank: u64) -> u64 {
        debug_assert!(rank < self.places);
        let mut value = self.walk(rank);
        // Ends: a permutation of all values that starts within the places comes back to them.
        while value >= self.places {
            value = self.walk(value);
        }
        value
    }

    #[inline]
    fn walk(&self, value: u64) -> u64 {
        let (mut left, mut right) = (value >> self.half, value & self.mask);
        for key in self.keys {
            // The high bits of a product are its best mixed ones.
            let round = (right ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - self.half);
            (left, right) = (right, left ^ round);
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_one_rank() {
        for places in [1, 2, 3, 1_000, 10_000, 70_001] {
            for key in 0..10 {
                let permutation = Permutation::new(key, places);
                let mut seen = vec![false; places as usize];
                for rank in 0..places {
                    let place = permutation.place(rank) as usize;
                    assert!(!seen[place], "place {place} of {places} twice under key {key}");
                    seen[place] = true;
                }
            }
        }
    }
}
