//! The log's entries in RocksDB: keys, encoding, reading. No opinion on when to write.

use rocksdb::WriteBatch;

use crate::codec;
use crate::db::{Db, Family};
use crate::error::StoreError;
use crate::raft_types::Entry;
use crate::types::GroupId;

/// The key of an entry: group and index.
pub(crate) fn key(group: GroupId, index: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&group.0.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The key after all entries of a group. (The entry at `u64::MAX` does not exist.)
pub(crate) fn end(group: GroupId) -> [u8; 16] {
    key(group, u64::MAX)
}

/// Adds an entry to a batch, and returns its bytes.
pub(crate) fn put(db: &Db, batch: &mut WriteBatch, group: GroupId, entry: &Entry) -> usize {
    let value = codec::encode(entry);
    batch.put_cf(db.family(Family::Log), key(group, entry.log_id.index), &value);
    value.len()
}

/// Reads the entries in `[from, to)`, as far as the log has them, and stops when they have
/// `bytes_soft` bytes together (after one entry at least). A gap between two entries is damage.
pub(crate) fn read(db: &Db, group: GroupId, from: u64, to: u64, bytes_soft: usize) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    if from >= to {
        return Ok(entries);
    }
    let mut bytes = 0;
    let mut found = db.range(Family::Log, &key(group, from), &key(group, to));
    found.seek_to_first();
    while let Some(value) = found.value() {
        let entry = decode(value)?;
        if let Some(before) = entries.last()
            && before.log_id.index + 1 != entry.log_id.index
        {
            let (before, after) = (before.log_id.index, entry.log_id.index);
            let what = format!("the log of group {group} has nothing between {before} and {after}");
            return Err(db.contradicts(what));
        }
        bytes += value.len();
        entries.push(entry);
        if bytes >= bytes_soft {
            return Ok(entries);
        }
        found.next();
    }
    found.status().map_err(|source| db.read_failed(source))?;
    Ok(entries)
}

/// The newest entry.
pub(crate) fn last(db: &Db, group: GroupId) -> Result<Option<Entry>, StoreError> {
    let mut found = db.range(Family::Log, &key(group, 0), &end(group));
    found.seek_to_last();
    let entry = found.value().map(decode).transpose()?;
    found.status().map_err(|source| db.read_failed(source))?;
    Ok(entry)
}

fn decode(value: &[u8]) -> Result<Entry, StoreError> {
    codec::decode(value).map_err(|source| StoreError::Decode { what: "a log entry", source })
}
