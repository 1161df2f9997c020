//! One block's set of numbers, in its canonical bytes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xxhash_rust::xxh3::xxh3_64;

use super::{BlockId, LINES};

/// Bytes of a dense block: one bit for each of its 10,000 lines, none left over.
pub(super) const DENSE_BYTES: usize = 1_250;
/// From this many lines on a block is dense. 625 lines take 1,250 bytes either way; the tie goes to dense, whose lookup
/// is one bit test.
pub(super) const DENSE_FROM: usize = 625;
/// Lines of a sparse block that are looked at together.
const NEAR: usize = 32;

/// An immutable set of lines (0 to 9,999), held as its encoded bytes. Cloning shares them.
///
/// Two encodings, told apart by their length alone:
/// - *sparse*, up to 624 lines: each line as a little-endian `u16`, strictly ascending; 0 to 1,248 bytes;
/// - *dense*, 625 lines and more: 1,250 bytes, line `n` at bit `n % 8` (from the lowest) of byte `n / 8`.
///
/// The number of lines decides which one it is, so equal sets have equal bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Block {
    bytes: Arc<[u8]>,
}

/// What changed from one state of a block to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDiff {
    /// Lines that only the newer state has.
    pub added: u32,
    /// Lines that only the older state, the parent, has.
    pub dropped: u32,
    /// Lines that both have.
    pub unchanged: u32,
}

/// Bytes or lines that make no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Neither the length of a sparse block nor that of a dense one.
    #[error("a block cannot be {0} bytes long")]
    Length(usize),
    /// A line of 10,000 or more.
    #[error("a block has lines 0 to 9999")]
    Line,
    /// The lines of a sparse block are not strictly ascending.
    #[error("the lines of a sparse block are out of order or repeated")]
    Order,
    /// A dense block with fewer lines than a dense block has.
    #[error("a dense block holds at least {DENSE_FROM} lines, this one {0}")]
    TooFewForDense(usize),
}

// === impl Block ===

impl Block {
    /// Takes encoded bytes, if they are canonical in every respect.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() == DENSE_BYTES {
            let lines = count_bits(bytes);
            if lines < DENSE_FROM {
                return Err(BlockError::TooFewForDense(lines));
            }
            return Ok(Self { bytes: bytes.into() });
        }
        let (lines, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() || lines.len() >= DENSE_FROM {
            return Err(BlockError::Length(bytes.len()));
        }
        let mut previous = None;
        for line in lines.iter().copied().map(u16::from_le_bytes) {
            if line >= LINES {
                return Err(BlockError::Line);
            }
            if previous >= Some(line) {
                return Err(BlockError::Order);
            }
            previous = Some(line);
        }
        Ok(Self { bytes: bytes.into() })
    }

    /// The builders call this with bytes that are canonical by construction.
    pub(super) fn from_canonical(bytes: &[u8]) -> Self {
        debug_assert!(Self::from_bytes(bytes).is_ok(), "builders write canonical blocks");
        Self { bytes: bytes.into() }
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the line is in the set. Lines of 10,000 and more never are.
    #[inline]
    pub fn contains(&self, line: u16) -> bool {
        if self.is_dense() {
            return self.bytes.get(usize::from(line >> 3)).is_some_and(|byte| byte >> (line & 7) & 1 == 1);
        }
        is_among(self.sparse_lines(), line)
    }

    /// How many lines are in the set.
    pub fn len(&self) -> usize {
        if self.is_dense() { count_bits(&self.bytes) } else { self.bytes.len() / 2 }
    }

    /// Whether no line is in the set.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the block is held as bits rather than as a list of lines.
    #[inline]
    pub fn is_dense(&self) -> bool {
        self.bytes.len() == DENSE_BYTES
    }

    /// The lines, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let (sparse, dense): (&[[u8; 2]], &[u8]) =
            if self.is_dense() { (&[], &self.bytes) } else { (self.sparse_lines(), &[]) };
        let bits = (0_u16..)
            .zip(dense)
            .flat_map(|(at, byte)| (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| at * 8 + bit));
        sparse.iter().copied().map(u16::from_le_bytes).chain(bits)
    }

    /// Counts what this state of the block changed against the older one.
    pub fn diff(&self, parent: &Self) -> BlockDiff {
        let unchanged = if self == parent { self.len() } else { self.count_common(parent) };
        // A block has at most 10,000 lines, so the counts fit.
        BlockDiff {
            added: (self.len() - unchanged) as u32,
            dropped: (parent.len() - unchanged) as u32,
            unchanged: unchanged as u32,
        }
    }

    /// A checksum over the block's id and bytes (`xxh3_64` of the little-endian id followed by the bytes; frozen).
    ///
    /// The checksum of a registry version is the wrapping sum over its non-empty blocks, so the order of blocks does
    /// not matter, and the id keeps two blocks from trading places unnoticed.
    pub fn checksum(&self, id: BlockId) -> u64 {
        let mut buffer = [0; 8 + DENSE_BYTES];
        buffer[..8].copy_from_slice(&id.0.to_le_bytes());
        let used = 8 + self.bytes.len();
        buffer[8..used].copy_from_slice(&self.bytes);
        xxh3_64(&buffer[..used])
    }

    pub(super) fn sparse_lines(&self) -> &[[u8; 2]] {
        self.bytes.as_chunks::<2>().0
    }

    fn count_common(&self, other: &Self) -> usize {
        match (self.is_dense(), other.is_dense()) {
            (true, true) => {
                let (mine, my_rest) = self.bytes.as_chunks::<8>();
                let (theirs, their_rest) = other.bytes.as_chunks::<8>();
                let words = mine.iter().zip(theirs).map(|(a, b)| u64::from_le_bytes(*a) & u64::from_le_bytes(*b));
                let rest = my_rest.iter().zip(their_rest).map(|(a, b)| u64::from(a & b));
                words.chain(rest).map(|word| word.count_ones() as usize).sum()
            }
            (true, false) => other.iter().filter(|&line| self.contains(line)).count(),
            (false, true) => self.iter().filter(|&line| other.contains(line)).count(),
            (false, false) => {
                let mut theirs = other.iter().peekable();
                self.iter()
                    .filter(|&line| {
                        while theirs.next_if(|&their| their < line).is_some() {}
                        theirs.peek() == Some(&line)
                    })
                    .count()
            }
        }
    }
}

/// Whether a line is among these, which ascend.
///
/// Lines are spread over a block more or less evenly. So it is looked for where it would be if they were so exactly, among as many
/// as fit two cache lines, all at once; only if it is not between the first and the last of these, by halves among the others.
/// Halves alone touch four or five cache lines one after the other.
#[inline]
fn is_among(lines: &[[u8; 2]], line: u16) -> bool {
    let value = |bytes: &[u8; 2]| u16::from_le_bytes(*bytes);
    let by_halves = |lines: &[[u8; 2]]| lines.binary_search_by_key(&line, value).is_ok();
    let expected = lines.len() * usize::from(line) / usize::from(LINES);
    let from = expected.saturating_sub(NEAR / 2).min(lines.len().saturating_sub(NEAR));
    let (before, rest) = lines.split_at(from);
    let Some((near, after)) = rest.split_first_chunk::<NEAR>() else {
        return by_halves(lines);
    };
    if line < value(&near[0]) {
        by_halves(before)
    } else if line > value(&near[NEAR - 1]) {
        by_halves(after)
    } else {
        near.iter().fold(false, |found, bytes| found | (value(bytes) == line))
    }
}

pub(super) fn count_bits(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word).count_ones() as usize).sum::<usize>();
    words + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

impl fmt::Debug for Block {
    /// Hides the lines: together with a block's id they are phone numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} lines)", self.len())
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Block;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the canonical bytes of a block")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Block, E> {
                Block::from_bytes(bytes).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Block, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    if bytes.len() == DENSE_BYTES {
                        return Err(de::Error::custom(BlockError::Length(DENSE_BYTES + 1)));
                    }
                    bytes.push(byte);
                }
                self.visit_bytes(&bytes)
            }
        }

        deserializer.deserialize_bytes(Visitor)
    }
}
