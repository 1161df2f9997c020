//! Blocks: the 10,000 numbers that share all but their last four digits, as exact sets.
//!
//! This room holds the set of one block ([`Block`]), how it is built ([`BlockBuilder`], [`BlockSetBuilder`]) and changed
//! ([`Block::edited`]), and where it lives ([`BlockId::shard`]). The bytes of a block are canonical: two replicas that hold the same numbers hold the
//! same bytes, so comparing checksums is comparing sets. Nothing here knows registries, versions or storage.
//!
//! Start with [`Block`] in `set.rs`, then `builder.rs`.

mod builder;
mod edited;
mod id;
mod set;

pub use builder::{BlockBuilder, BlockSetBuilder, DEFAULT_BLOCK_LIMIT, TooManyBlocks};
pub use id::BlockId;
pub use set::{Block, BlockDiff, BlockError};

/// How many numbers a block has room for; lines are 0 to 9,999.
pub const LINES: u16 = 10_000;
