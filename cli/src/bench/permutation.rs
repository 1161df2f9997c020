//! A permutation of the lines of a block, under a key: ranks to lines that look random, without a table.

use super::population::LINES;
use super::random::mix;

/// Half of the 14 bits that hold a line.
const HALF: u32 = 7;
const MASK: u32 = (1 << HALF) - 1;

/// A Feistel network of four rounds on 14 bits; results that are no line go through it again (cycle walking, Black and
/// Rogaway 2002), so it permutes 0 to 9,999.
pub struct Permutation {
    keys: [u64; 4],
}

impl Permutation {
    /// The permutation under this key. Round `i` has the key `mix(key + i)`.
    pub fn new(key: u64) -> Self {
        Self { keys: [0, 1, 2, 3].map(|round| mix(key.wrapping_add(round))) }
    }

    /// The line with this rank, both 0 to 9,999.
    pub fn line(&self, rank: u32) -> u32 {
        debug_assert!(rank < LINES);
        let mut value = self.walk(rank);
        // Ends: a permutation of 14 bits that starts within the lines comes back to them.
        while value >= LINES {
            value = self.walk(value);
        }
        value
    }

    fn walk(&self, value: u32) -> u32 {
        let (mut left, mut right) = (value >> HALF, value & MASK);
        for key in self.keys {
            // The high bits of a product are its best mixed ones.
            let round = (u64::from(right) ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - HALF);
            (left, right) = (right, left ^ round as u32);
        }
        left << HALF | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_one_rank() {
        for key in 0..20 {
            let permutation = Permutation::new(key);
            let mut seen = vec![false; LINES as usize];
            for rank in 0..LINES {
                let line = permutation.line(rank) as usize;
                assert!(!seen[line], "line {line} twice under key {key}");
                seen[line] = true;
            }
        }
    }
}
