//! Keys of counters, of bulk registries, and of the log's own records.

use dnc_core::block::BlockId;
use dnc_core::ids::{RegistryId, TenantId, VersionId};
use jiff::civil::Date;

use super::bytes::{Key, Reader};
use super::{BLOCK, COUNTS, FLOOR, REQUEST, VERSION};
use crate::shard::ShardError;

/// Counters of a day and a tenant.
pub fn counts(day: Date, tenant: TenantId) -> Vec<u8> {
    Key::of(COUNTS).u32(ordinal(day)).u32(tenant.0).0
}

/// Day and tenant of such a key.
pub fn parse_counts(key: &[u8]) -> Result<(Date, TenantId), ShardError> {
    let mut reader = Reader::new(key, 1);
    let day = reader.u32()?;
    let part = |value: u32| i8::try_from(value).map_err(|_| ShardError::Key(key.len()));
    let year = i16::try_from(i64::from(day / 10_000) - YEARS).map_err(|_| ShardError::Key(key.len()))?;
    let date = Date::new(year, part(day / 100 % 100)?, part(day % 100)?).map_err(|_| ShardError::Key(key.len()))?;
    Ok((date, TenantId(reader.u32()?)))
}

/// Added to years, so that those before the first one sort in front.
const YEARS: i64 = 10_000;

/// A day as a number that sorts like it.
fn ordinal(day: Date) -> u32 {
    let year = u32::try_from(i64::from(day.year()) + YEARS).expect("a date's year is -9,999 to 9,999");
    // Months are 1 to 12 and days 1 to 31.
    year * 10_000 + u32::from(day.month().unsigned_abs()) * 100 + u32::from(day.day().unsigned_abs())
}

/// Prefix of all blocks of a registry.
pub fn blocks(registry: RegistryId) -> Vec<u8> {
    Key::of(BLOCK).u32(registry.0).0
}

/// Prefix of all that is stored of a block.
pub fn versions_of(registry: RegistryId, block: BlockId) -> Vec<u8> {
    Key::of(BLOCK).u32(registry.0).u64(block.0).0
}

/// A block of a version.
pub fn block(registry: RegistryId, block: BlockId, version: VersionId) -> Vec<u8> {
    Key::of(BLOCK).u32(registry.0).u64(block.0).u64(version.0).0
}

/// Block and version of a block's key.
pub fn parse_block(key: &[u8]) -> Result<(BlockId, VersionId), ShardError> {
    let mut reader = Reader::new(key, 5);
    Ok((BlockId(reader.u64()?), VersionId(reader.u64()?)))
}

/// Prefix of all versions of a registry.
pub fn versions(registry: RegistryId) -> Vec<u8> {
    Key::of(VERSION).u32(registry.0).0
}

/// A version.
pub fn version(registry: RegistryId, version: VersionId) -> Vec<u8> {
    Key::of(VERSION).u32(registry.0).u64(version.0).0
}

/// Registry and version of a version's key.
pub fn parse_version(key: &[u8]) -> Result<(RegistryId, VersionId), ShardError> {
    let mut reader = Reader::new(key, 1);
    Ok((RegistryId(reader.u32()?), VersionId(reader.u64()?)))
}

/// Where a registry's forgotten versions end.
pub fn floor(registry: RegistryId) -> Vec<u8> {
    Key::of(FLOOR).u32(registry.0).0
}

/// The request that was applied at a log index.
pub fn request(index: u64) -> Vec<u8> {
    Key::of(REQUEST).u64(index).0
}

/// The log index of a request's key.
pub fn parse_request(key: &[u8]) -> Result<u64, ShardError> {
    Reader::new(key, 1).u64()
}
