//! A version of a bulk registry, held in memory: what answers "does this list hold the number?".

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use dnc_core::bits::{Bits, CHUNK};
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Seal;
use dnc_core::number::PhoneNumber;

type Blocks = HashMap<BlockId, Block, BuildHasherDefault<BlockHasher>>;

/// All non-empty blocks of one version in one shard. Blocks that did not change are shared with other versions.
#[derive(Clone, Default)]
pub struct Resident {
    blocks: Blocks,
    /// The same blocks in order, for comparing ranges.
    order: Vec<BlockId>,
    size: Size,
}

/// Checksum, numbers and bytes, kept with the blocks that they describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    checksum: u64,
    numbers: u64,
    bytes: u64,
}

// === impl Resident ===

impl Resident {
    /// Makes a version of its blocks; empty ones are left out.
    pub fn new(blocks: impl IntoIterator<Item = (BlockId, Block)>) -> Resident {
        let blocks: HashMap<_, _, _> = blocks.into_iter().filter(|(_, block)| !block.is_empty()).collect();
        let order = in_order(&blocks);
        let mut size = Size::default();
        blocks.iter().for_each(|(id, block)| size.add(*id, block));
        Resident { blocks, order, size }
    }

    /// This version with some blocks changed (an empty one means: gone). Only these are looked at.
    pub fn with<'a>(&self, changes: impl Iterator<Item = (&'a BlockId, &'a Block)>) -> Resident {
        let Resident { mut blocks, mut order, mut size } = self.clone();
        let mut moved = false;
        for (id, block) in changes {
            let before = if block.is_empty() { blocks.remove(id) } else { blocks.insert(*id, block.clone()) }
                .unwrap_or_default();
            moved |= before.is_empty() != block.is_empty();
            size.remove(*id, &before);
            size.add(*id, block);
        }
        if moved {
            order = in_order(&blocks);
        }
        Resident { blocks, order, size }
    }

    /// Which of these numbers the list holds. First all of their blocks are looked for, then all of their lines: the memory
    /// that one needs is on its way while the others are looked for.
    pub fn holding(&self, numbers: &[PhoneNumber]) -> Bits {
        Bits::of_chunks(numbers, |chunk| {
            let mut blocks = [None; CHUNK];
            for (block, number) in blocks.iter_mut().zip(chunk) {
                *block = self.blocks.get(&number.block());
            }
            let holds = |(block, number): (&Option<&Block>, &PhoneNumber)| {
                block.is_some_and(|block: &Block| block.contains(number.line()))
            };
            blocks.iter().zip(chunk).map(holds).rev().fold(0, |bits, holds| bits << 1 | u64::from(holds))
        })
    }

    /// A block, if it is not empty.
    pub fn block(&self, id: BlockId) -> Option<&Block> {
        self.blocks.get(&id)
    }

    /// The non-empty blocks of a range, in order.
    pub fn range(&self, first: BlockId, last: BlockId) -> &[BlockId] {
        let from = self.order.partition_point(|id| *id < first);
        let to = self.order.partition_point(|id| *id <= last);
        self.order.get(from..to).unwrap_or(&[])
    }

    /// What is in it, for comparing replicas.
    pub fn seal(&self) -> Seal {
        Seal { checksum: self.size.checksum, numbers: self.size.numbers }
    }

    /// How many blocks it has.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of its blocks.
    pub fn bytes(&self) -> u64 {
        self.size.bytes
    }
}

fn in_order(blocks: &Blocks) -> Vec<BlockId> {
    let mut order: Vec<BlockId> = blocks.keys().copied().collect();
    order.sort_unstable();
    order
}

// === impl Size ===

impl Size {
    /// An empty block is none, and adds nothing.
    fn add(&mut self, id: BlockId, block: &Block) {
        if !block.is_empty() {
            self.checksum = self.checksum.wrapping_add(block.checksum(id));
            self.numbers += block.len() as u64;
            self.bytes += block.as_bytes().len() as u64;
        }
    }

    /// Of a block that was added before.
    fn remove(&mut self, id: BlockId, block: &Block) {
        if !block.is_empty() {
            self.checksum = self.checksum.wrapping_sub(block.checksum(id));
            self.numbers -= block.len() as u64;
            self.bytes -= block.as_bytes().len() as u64;
        }
    }
}

/// Block ids are consecutive numbers: one multiplication spreads them, and SipHash would cost more than the bit test.
#[derive(Clone, Copy, Default)]
pub struct BlockHasher(u64);

impl Hasher for BlockHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dnc_core::block::BlockBuilder;
    use proptest::prelude::*;

    use super::*;

    fn block(lines: &[u16]) -> Block {
        let mut builder = BlockBuilder::default();
        for line in lines {
            builder.insert(*line).expect("a line");
        }
        builder.build()
    }

    fn number(value: u64) -> PhoneNumber {
        PhoneNumber::from_u64(value).expect("a number")
    }

    #[test]
    fn more_numbers_than_are_looked_at_together_keep_their_places() {
        let resident = Resident::new((0..10).map(|at| (BlockId(1_201_555 + at), block(&[at as u16, 900]))));
        let asked: Vec<PhoneNumber> =
            (0..1_000u64).map(|at| number((1_201_550 + at % 20) * 10_000 + at / 20)).collect();
        let held = resident.holding(&asked);
        assert_eq!(held.len(), asked.len());
        for (at, number) in asked.iter().enumerate() {
            let expected = resident.block(number.block()).is_some_and(|block| block.contains(number.line()));
            assert_eq!(held.get(at), expected, "{at}");
        }
        assert_eq!(held.ones().count(), 10);
    }

    #[test]
    fn changes_make_another_version_and_leave_this_one() {
        let before = Resident::new([
            (BlockId(1_201_555), block(&[100, 101])),
            (BlockId(1_201_556), block(&[7])),
            (BlockId(1_201_557), block(&[])),
        ]);
        let changes = [(BlockId(1_201_556), block(&[])), (BlockId(1_201_558), block(&[9]))];
        let after = before.with(changes.iter().map(|(id, block)| (id, block)));
        let asked = [12_015_560_007, 12_015_560_008, 12_015_580_009, 12_015_550_101].map(number);
        assert_eq!(before.holding(&asked).ones().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(after.holding(&asked).ones().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(after.range(BlockId(1_201_556), BlockId(1_201_999)), [BlockId(1_201_558)]);
        assert_eq!(after.seal().numbers, 3);
        assert_ne!(after.seal(), before.seal());
        let same = Resident::new([(BlockId(1_201_558), block(&[9])), (BlockId(1_201_555), block(&[101, 100]))]);
        assert_eq!(same.seal(), after.seal());
    }

    type Model = BTreeMap<u64, BTreeSet<u16>>;

    fn blocks(model: &Model) -> Vec<(BlockId, Block)> {
        let lines = |lines: &BTreeSet<u16>| lines.iter().copied().collect::<Vec<u16>>();
        model.iter().map(|(id, of)| (BlockId(*id), block(&lines(of)))).collect()
    }

    fn model() -> impl Strategy<Value = Model> {
        proptest::collection::btree_map(0u64..30, proptest::collection::btree_set(0u16..10_000, 0..4), 0..20)
    }

    proptest! {
        #[test]
        fn a_version_made_by_changes_is_the_one_that_is_made_of_all_its_blocks(
            first in model(), changes in proptest::collection::vec(model(), 0..5),
        ) {
            let mut content = first;
            let mut made = Resident::new(blocks(&content));
            for changed in changes {
                made = made.with(blocks(&changed).iter().map(|(id, block)| (id, block)));
                content.extend(changed);
                let expected = Resident::new(blocks(&content));
                prop_assert_eq!(made.size, expected.size);
                prop_assert_eq!(&made.order, &expected.order);
                prop_assert_eq!(&made.blocks, &expected.blocks);
            }
        }
    }
}
