//! From numbers in any order to blocks.

use std::collections::HashMap;
use std::mem;

use super::set::{DENSE_BYTES, DENSE_FROM};
use super::{Block, BlockError, BlockId, LINES};
use crate::number::PhoneNumber;

/// How many blocks a [`BlockSetBuilder`] takes unless told otherwise: twice what the whole North American plan can have
/// in use, 2.5 GB if all were dense.
pub const DEFAULT_BLOCK_LIMIT: usize = 2_000_000;

/// Collects the lines of one block, in any order, repeated or not.
///
/// It starts as a list and turns into bits when the list would be as large as they are.
#[derive(Clone)]
pub struct BlockBuilder {
    lines: Lines,
}

#[derive(Clone)]
enum Lines {
    /// As they came: unsorted, maybe repeated, fewer than [`DENSE_FROM`].
    List(Vec<u16>),
    Bits(Box<[u8; DENSE_BYTES]>),
}

/// Collects numbers into the blocks of a whole list, within a limit on their memory.
pub struct BlockSetBuilder {
    /// Where in `builders` each block is.
    places: HashMap<BlockId, u32, foldhash::fast::RandomState>,
    builders: Vec<BlockBuilder>,
    /// The block of the last number and its place: lists are mostly sorted, so the next number tends to be of the same
    /// block.
    last: Option<(BlockId, usize)>,
    limit: usize,
}

/// A list whose numbers spread over more blocks than the builder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the numbers lie in more than {limit} blocks")]
pub struct TooManyBlocks {
    /// The limit that was set.
    pub limit: usize,
}

// === impl BlockBuilder ===

impl BlockBuilder {
    /// A builder without lines.
    pub fn new() -> Self {
        Self { lines: Lines::List(Vec::new()) }
    }

    /// Adds a line; refuses one of 10,000 or more.
    pub fn insert(&mut self, line: u16) -> Result<(), BlockError> {
        if line >= LINES {
            return Err(BlockError::Line);
        }
        self.insert_line(line);
        Ok(())
    }

    /// Adds a number's line. That the number belongs to this block is the caller's care.
    #[inline]
    pub fn insert_number(&mut self, number: PhoneNumber) {
        self.insert_line(number.line());
    }

    /// The set of the lines that were added.
    pub fn build(self) -> Block {
        let mut list = match self.lines {
            Lines::List(list) => list,
            // Repeated lines can have filled the list early, so bits may hold fewer lines than a dense block.
            Lines::Bits(bits) => return Block::from_bits(&bits),
        };
        list.sort_unstable();
        list.dedup();
        let bytes: Vec<u8> = list.into_iter().flat_map(u16::to_le_bytes).collect();
        Block::from_canonical(&bytes)
    }

    /// `line` is below 10,000.
    #[inline]
    fn insert_line(&mut self, line: u16) {
        match &mut self.lines {
            Lines::Bits(bits) => bits[usize::from(line >> 3)] |= 1 << (line & 7),
            Lines::List(list) => {
                list.push(line);
                if list.len() == DENSE_FROM {
                    let mut bits = Box::new([0; DENSE_BYTES]);
                    for line in mem::take(list) {
                        bits[usize::from(line >> 3)] |= 1 << (line & 7);
                    }
                    self.lines = Lines::Bits(bits);
                }
            }
        }
    }
}

impl Default for BlockBuilder {
    fn default() -> Self {
        Self::new()
    }
}

// === impl BlockSetBuilder ===

impl BlockSetBuilder {
    /// A builder for up to [`DEFAULT_BLOCK_LIMIT`] blocks.
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_BLOCK_LIMIT)
    }

    /// A builder for up to `limit` blocks (four billion at most).
    pub fn with_limit(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self { places: HashMap::default(), builders: Vec::new(), last: None, limit }
    }

    /// Adds a number; repeated numbers count once. An error leaves the builder as it was.
    #[inline]
    pub fn insert(&mut self, number: PhoneNumber) -> Result<(), TooManyBlocks> {
        let block = number.block();
        let place = match self.last {
            Some((last, place)) if last == block => place,
            _ => self.place_of(block)?,
        };
        self.builders[place].insert_number(number);
        Ok(())
    }

    /// How many blocks have numbers so far.
    pub fn len_blocks(&self) -> usize {
        self.builders.len()
    }

    /// The blocks, ascending by id; none of them is empty.
    pub fn into_sorted(mut self) -> Vec<(BlockId, Block)> {
        let mut places: Vec<(BlockId, u32)> = mem::take(&mut self.places).into_iter().collect();
        places.sort_unstable();
        // Taking each builder as its block is made frees its memory at once: a national list is held once, not twice.
        places.into_iter().map(|(id, place)| (id, mem::take(&mut self.builders[place as usize]).build())).collect()
    }

    fn place_of(&mut self, block: BlockId) -> Result<usize, TooManyBlocks> {
        let place = match self.places.get(&block) {
            Some(&place) => place as usize,
            None => {
                let place = self.builders.len();
                if place >= self.limit {
                    return Err(TooManyBlocks { limit: self.limit });
                }
                // The limit is at most `u32::MAX`, and `place` is below it.
                self.places.insert(block, place as u32);
                self.builders.push(BlockBuilder::new());
                place
            }
        };
        self.last = Some((block, place));
        Ok(place)
    }
}

impl Default for BlockSetBuilder {
    fn default() -> Self {
        Self::new()
    }
}
