//! The name of a block, and the shard that keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::LINES;
use crate::area::Area;
use crate::number::PhoneNumber;

/// A block's name: its numbers without their last four digits, so 1201555 holds +1 201 555 0000 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockId(pub u64);

// === impl BlockId ===

impl BlockId {
    /// The shard that keeps this block, 0 to `shards - 1`; 0 where there are no shards.
    ///
    /// `xxh3_64` over the eight little-endian bytes of the id, modulo the number of shards. This is frozen: data on
    /// disk lies where this function said, so a change would lose it.
    #[inline]
    pub fn shard(self, shards: u32) -> u32 {
        let hash = xxh3_64(&self.0.to_le_bytes());
        // The remainder is below `shards`, so it fits.
        hash.checked_rem(u64::from(shards)).unwrap_or(0) as u32
    }

    /// The number at this place in the block; `None` where E.164 has no such number.
    pub fn number(self, line: u16) -> Option<PhoneNumber> {
        if line >= LINES {
            return None;
        }
        let value = self.0.checked_mul(u64::from(LINES))?.checked_add(u64::from(line))?;
        PhoneNumber::from_u64(value).ok()
    }

    /// The area that all numbers of this block lie in; `None` for an id that no number has.
    pub fn area(self) -> Option<Area> {
        self.number(0).map(PhoneNumber::area)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where blocks live can never change. If this test fails, the code is wrong, not the test.
    #[test]
    fn the_shard_of_a_block_is_frozen() {
        for (block, of_16, of_64, of_1000) in GOLDEN {
            let id = BlockId(block);
            assert_eq!((id.shard(16), id.shard(64), id.shard(1_000)), (of_16, of_64, of_1000), "{id}");
        }
    }

    const GOLDEN: [(u64, u32, u32, u32); 5] = [
        (0, 9, 25, 897),
        (1_201_555, 15, 63, 431),
        (1_416_555, 14, 30, 358),
        (651_234, 0, 48, 656),
        (u64::MAX, 3, 19, 627),
    ];

    #[test]
    fn without_shards_there_is_only_shard_zero() {
        assert_eq!(BlockId(1_201_555).shard(0), 0);
        assert_eq!(BlockId(1_201_555).shard(1), 0);
    }

    #[test]
    fn blocks_spread_evenly_over_shards() {
        let mut counts = [0_u32; 16];
        for block in 1_200_000..1_300_000 {
            counts[BlockId(block).shard(16) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (5_900..6_600).contains(&count)), "{counts:?}");
    }

    #[test]
    fn an_id_without_numbers_has_no_area() {
        assert_eq!(BlockId(1_201_555).area(), "201".parse().ok());
        assert_eq!(BlockId(651_234).area(), "+65".parse().ok());
        for id in [0, 1, 99, 120_155, 12_015_550, u64::MAX] {
            assert_eq!(BlockId(id).area(), None, "{id}");
        }
        assert_eq!(BlockId(1_201_555).number(10_000), None);
    }

    proptest! {
        #[test]
        fn any_id_has_a_shard_below_their_number(id in any::<u64>(), shards in 1_u32..) {
            prop_assert!(BlockId(id).shard(shards) < shards);
            let _ = BlockId(id).area();
        }
    }
}
