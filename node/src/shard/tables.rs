//! Whole tables and versions, a page at a time: for backups. A page begins where the one before ended, and is bounded.

use std::ops::ControlFlow;

use dnc_consensus::Keyspace;
use dnc_core::block::BlockId;
use dnc_core::codec;
use dnc_core::query::{MAX_PAGE, ShardAnswer};
use dnc_core::record::{Record, Table};

use super::records::{Kept, Trace};
use super::{Resident, ShardError, keys, scan_from};

/// Bytes of records, or of blocks, after which a page ends.
const MAX_BYTES: usize = 1 << 20;

/// The entries of a table behind the one that this key names.
pub fn page(state: &Keyspace, table: Table, after: Option<&[u8]>) -> Result<ShardAnswer, ShardError> {
    let prefix = keys::table(table);
    let start = match after {
        None => prefix.to_vec(),
        Some(after) if after.starts_with(&prefix) => [after, &[0]].concat(),
        Some(_) => return Err(ShardError::BadPlace),
    };
    let (mut records, mut bytes) = (Vec::new(), 0);
    let (mut last, mut next) = (None, None);
    scan_from(state, &prefix, &start, |key, value| {
        if records.len() >= MAX_PAGE as usize || bytes >= MAX_BYTES {
            next = last.take();
            return Ok(ControlFlow::Break(()));
        }
        bytes += value.len();
        last = Some(key.to_vec());
        records.push(record(table, key, value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ShardAnswer::Table { records, next })
}

fn record(table: Table, key: &[u8], value: &[u8]) -> Result<Record, ShardError> {
    Ok(match table {
        Table::Standing => {
            let (number, registry) = keys::parse_whole(key)?;
            Record::Suppression { number, registry, suppression: codec::decode(value)?, removal: None }
        }
        Table::Removed => {
            let (number, registry) = keys::parse_whole(key)?;
            let (suppression, removal): Trace = codec::decode(value)?;
            Record::Suppression { number, registry, suppression, removal: Some(removal) }
        }
        Table::Exemptions => {
            let (exemption, removal): Kept = codec::decode(value)?;
            Record::Exemption { number: keys::parse_exemption(key)?, exemption, removal }
        }
        Table::Counts => {
            let (day, tenant) = keys::parse_counts(key)?;
            Record::Counts { tenant, day, counts: Box::new(codec::decode(value)?) }
        }
    })
}

/// The blocks of a version from this one on.
pub fn blocks(version: &Resident, from: BlockId) -> ShardAnswer {
    let (mut blocks, mut bytes, mut next) = (Vec::new(), 0, None);
    for id in version.range(from, BlockId(u64::MAX)) {
        let Some(block) = version.block(*id) else {
            continue;
        };
        if bytes >= MAX_BYTES {
            next = Some(*id);
            break;
        }
        bytes += block.as_bytes().len();
        blocks.push((*id, block.clone()));
    }
    ShardAnswer::Blocks { blocks, next }
}
