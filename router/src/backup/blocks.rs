//! A version of a bulk registry as a file: its blocks one after the other, each as its id (8 bytes), the length of its
//! content (2 bytes; both big-endian) and its content, which is canonical. The order is that of the shards that it was
//! read from, and means nothing.

use dnc_core::block::{Block, BlockId};

/// Bytes before a block's content.
const HEAD: usize = 8 + 2;

/// Bytes that are no blocks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds what is no block, at byte {0}")]
pub struct NoBlock(u64);

/// Takes blocks out of bytes that come in pieces.
#[derive(Default)]
pub struct Blocks {
    buffer: Vec<u8>,
    at: usize,
    /// Bytes before the buffer.
    before: u64,
}

/// Adds a block to the bytes of a file.
pub fn put(id: BlockId, block: &Block, bytes: &mut Vec<u8>) {
    let content = block.as_bytes();
    bytes.extend_from_slice(&id.0.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(content.len()).expect("a block has 1,250 bytes at most").to_be_bytes());
    bytes.extend_from_slice(content);
}

// === impl Blocks ===

impl Blocks {
    /// More bytes.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.at);
        self.before += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole block.
    pub fn next(&mut self) -> Result<Option<(BlockId, Block)>, NoBlock> {
        let no_block = NoBlock(self.before + self.at as u64);
        let rest = &self.buffer[self.at..];
        let Some((id, rest)) = rest.split_first_chunk::<8>() else {
            return Ok(None);
        };
        let Some((length, rest)) = rest.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(content) = rest.get(..length) else {
            return Ok(None);
        };
        match Block::from_bytes(content) {
            Ok(block) if !block.is_empty() => {
                let id = BlockId(u64::from_be_bytes(*id));
                self.at += HEAD + length;
                Ok(Some((id, block)))
            }
            _ => Err(no_block),
        }
    }

    /// Whether nothing is left of what came.
    pub fn end(&self) -> Result<(), NoBlock> {
        if self.at == self.buffer.len() { Ok(()) } else { Err(NoBlock(self.before + self.at as u64)) }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::block::BlockBuilder;
    use proptest::prelude::*;

    use super::*;

    fn block(lines: &[u16]) -> Block {
        let mut builder = BlockBuilder::new();
        for line in lines {
            builder.insert(*line).expect("a line");
        }
        builder.build()
    }

    proptest! {
        #[test]
        fn blocks_read_back_however_their_bytes_are_cut(
            written in proptest::collection::vec((any::<u64>(), proptest::collection::vec(0u16..10_000, 1..900)), 0..6),
            cut in 1usize..4_000,
        ) {
            let written: Vec<_> = written.into_iter().map(|(id, lines)| (BlockId(id), block(&lines))).collect();
            let mut bytes = Vec::new();
            written.iter().for_each(|(id, block)| put(*id, block, &mut bytes));
            let (mut blocks, mut read) = (Blocks::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                blocks.push(piece);
                while let Some(next) = blocks.next().expect("blocks") {
                    read.push(next);
                }
            }
            prop_assert_eq!(blocks.end(), Ok(()));
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn what_is_cut_short_or_no_block_is_noticed() {
        let mut bytes = Vec::new();
        put(BlockId(1_201_555), &block(&[1, 2]), &mut bytes);
        let mut blocks = Blocks::default();
        blocks.push(&bytes[..bytes.len() - 1]);
        assert_eq!(blocks.next(), Ok(None));
        assert_eq!(blocks.end(), Err(NoBlock(0)));
        let mut blocks = Blocks::default();
        blocks.push(&[0; HEAD]);
        assert_eq!(blocks.next(), Err(NoBlock(0)));
    }
}
