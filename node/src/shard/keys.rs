//! How the replicated state of a shard is laid out in its keyspace. All integers are big-endian, so
//! that byte order is number order.
//!
//! | key | value |
//! | --- | --- |
//! | `l` number registry | live entries of one number in one registry |
//! | `b` registry block version | a block, where it differs from the parent version |
//! | `v` registry version | how far a version has come |
//! | `q` log index | id of a request applied there, and its reply |
//! | `r` | newest barrier revision |

use dnc_core::block::BlockId;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::number::PhoneNumber;

use super::ShardError;

pub const LIVE: &[u8] = b"l";
pub const BLOCK: &[u8] = b"b";
pub const VERSION: &[u8] = b"v";
pub const REQUEST: &[u8] = b"q";
pub const BARRIER: &[u8] = b"r";

pub fn live(number: PhoneNumber, registry: RegistryId) -> Vec<u8> {
    let mut key = live_number(number);
    key.extend_from_slice(&registry.0.to_be_bytes());
    key
}

/// Prefix of all live entries of a number.
pub fn live_number(number: PhoneNumber) -> Vec<u8> {
    let mut key = LIVE.to_vec();
    key.extend_from_slice(&number.to_u64().to_be_bytes());
    key
}

/// The number of a live key.
pub fn number_of_live(key: &[u8]) -> Result<u64, ShardError> {
    take_u64(key, 1)
}

/// The registry of a live key.
pub fn registry_of_live(key: &[u8]) -> Result<RegistryId, ShardError> {
    Ok(RegistryId(take_u32(key, 9)?))
}

/// Prefix of all blocks of a registry.
pub fn blocks(registry: RegistryId) -> Vec<u8> {
    let mut key = BLOCK.to_vec();
    key.extend_from_slice(&registry.0.to_be_bytes());
    key
}

pub fn block(registry: RegistryId, block: BlockId, version: VersionId) -> Vec<u8> {
    let mut key = blocks(registry);
    key.extend_from_slice(&block.0.to_be_bytes());
    key.extend_from_slice(&version.0.to_be_bytes());
    key
}

/// Block and version of a block's key.
pub fn parse_block(key: &[u8]) -> Result<(BlockId, VersionId), ShardError> {
    Ok((BlockId(take_u64(key, 5)?), VersionId(take_u64(key, 13)?)))
}

pub fn version(registry: RegistryId, version: VersionId) -> Vec<u8> {
    let mut key = VERSION.to_vec();
    key.extend_from_slice(&registry.0.to_be_bytes());
    key.extend_from_slice(&version.0.to_be_bytes());
    key
}

/// Registry and version of a version's key.
pub fn parse_version(key: &[u8]) -> Result<(RegistryId, VersionId), ShardError> {
    Ok((RegistryId(take_u32(key, 1)?), VersionId(take_u64(key, 5)?)))
}

pub fn request(index: u64) -> Vec<u8> {
    let mut key = REQUEST.to_vec();
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// The log index of a request's key.
pub fn index_of_request(key: &[u8]) -> Result<u64, ShardError> {
    take_u64(key, 1)
}

fn take_u64(key: &[u8], at: usize) -> Result<u64, ShardError> {
    key.get(at..at + 8)
        .map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
        .ok_or(ShardError::Key(key.len()))
}

fn take_u32(key: &[u8], at: usize) -> Result<u32, ShardError> {
    key.get(at..at + 4)
        .map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")))
        .ok_or(ShardError::Key(key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort_by_number() {
        let number = PhoneNumber::parse("2015550100").expect("valid");
        let key = live(number, RegistryId(7));
        assert_eq!(number_of_live(&key).expect("number"), number.to_u64());
        assert_eq!(registry_of_live(&key).expect("registry"), RegistryId(7));
        let key = block(RegistryId(1), BlockId(1_201_555), VersionId(9));
        assert_eq!(parse_block(&key).expect("block"), (BlockId(1_201_555), VersionId(9)));
        assert!(key < block(RegistryId(1), BlockId(1_201_556), VersionId(1)));
        let key = version(RegistryId(3), VersionId(4));
        assert_eq!(parse_version(&key).expect("version"), (RegistryId(3), VersionId(4)));
        assert_eq!(index_of_request(&request(5)).expect("index"), 5);
    }

    #[test]
    fn a_short_key_is_an_error() {
        assert!(matches!(parse_block(b"b12"), Err(ShardError::Key(3))));
        assert!(matches!(number_of_live(b""), Err(ShardError::Key(0))));
    }
}
