//! Changing a block: some lines come in, some go. What a change list does to each block that it touches.

use super::Block;
use super::set::{DENSE_BYTES, DENSE_FROM, count_bits};

/// A bit for each line, laid out as in a dense block.
type Bits = [u8; DENSE_BYTES];

// === impl Block ===

impl Block {
    /// This set with the lines of `add`, and without those of `drop`: a line that is in both goes.
    pub fn edited(&self, add: &Block, drop: &Block) -> Block {
        let mut bits = [0; DENSE_BYTES];
        for come in [self, add] {
            for (byte, lines) in bits.iter_mut().zip(come.bits()) {
                *byte |= lines;
            }
        }
        for (byte, lines) in bits.iter_mut().zip(drop.bits()) {
            *byte &= !lines;
        }
        Block::from_bits(&bits)
    }

    /// The set of the lines whose bit is set, of which there may be few. Bits beyond the last line are no lines: dense
    /// blocks have none.
    pub(super) fn from_bits(bits: &Bits) -> Block {
        let count = count_bits(bits);
        if count >= DENSE_FROM {
            return Block::from_canonical(bits);
        }
        let mut lines = Vec::with_capacity(2 * count);
        // Eight bytes at a time: few of them have a line, so most are passed over at once.
        for (start, bytes) in (0_u16..).step_by(64).zip(bits.chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            let mut rest = u64::from_le_bytes(word);
            while rest != 0 {
                // A word has 64 bits, so the place of the lowest one that is set fits.
                let line = start + rest.trailing_zeros() as u16;
                lines.extend_from_slice(&line.to_le_bytes());
                rest &= rest - 1;
            }
        }
        Block::from_canonical(&lines)
    }

    fn bits(&self) -> Bits {
        let mut bits = [0; DENSE_BYTES];
        if self.is_dense() {
            bits.copy_from_slice(self.as_bytes());
            return bits;
        }
        for line in self.sparse_lines().iter().copied().map(u16::from_le_bytes) {
            bits[usize::from(line >> 3)] |= 1 << (line & 7);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::block::{BlockBuilder, LINES};

    fn block(lines: &BTreeSet<u16>) -> Block {
        let mut builder = BlockBuilder::new();
        for line in lines {
            builder.insert(*line).expect("a line");
        }
        builder.build()
    }

    /// Few lines, many, or about as many as make a block dense.
    fn lines() -> impl Strategy<Value = BTreeSet<u16>> {
        prop_oneof![
            proptest::collection::btree_set(0..LINES, 0..8),
            (0_u16..600, DENSE_FROM - 4..DENSE_FROM + 4, 1_usize..15)
                .prop_map(|(first, count, apart)| (first..).step_by(apart).take(count).collect()),
            (0..LINES, 0..LINES).prop_map(|(a, b)| (a.min(b)..a.max(b)).collect()),
        ]
    }

    proptest! {
        #[test]
        fn an_edited_block_holds_what_it_held_and_what_came_but_not_what_went(
            held in lines(), come in lines(), gone in lines(), some in any::<prop::sample::Index>(),
        ) {
            // What goes tends to be there.
            let gone: BTreeSet<u16> = gone.into_iter().chain(held.iter().copied().take(some.index(700))).collect();
            let edited = block(&held).edited(&block(&come), &block(&gone));
            let expected: BTreeSet<u16> = held.union(&come).filter(|line| !gone.contains(line)).copied().collect();
            // The bytes are canonical: the same set that was built otherwise has the same.
            prop_assert_eq!(&edited, &block(&expected));
            prop_assert_eq!(Block::from_bytes(edited.as_bytes()), Ok(edited.clone()));
            prop_assert_eq!(edited.iter().collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn nothing_edited_is_the_same_and_all_gone_is_empty() {
        let all: BTreeSet<u16> = (0..LINES).collect();
        let none = Block::default();
        assert_eq!(block(&all).edited(&none, &none), block(&all));
        assert_eq!(none.edited(&block(&all), &none), block(&all));
        assert!(block(&all).edited(&block(&all), &block(&all)).is_empty());
        assert_eq!(none.edited(&none, &block(&all)), none);
    }
}
