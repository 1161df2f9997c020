//! RocksDB as this crate uses it: four column families, and keys that begin with the group.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | raft_log | group, index | an entry |
//! | raft_state | group, one letter | vote, committed, purged, applied, membership, floor, generation |
//! | data | group, epoch, the machine's key | the machine's value |
//! | local | the caller's key | the caller's value, of this process only |
//!
//! Numbers in keys are big endian, so that RocksDB's order is theirs.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, LogLevel, Options, ReadOptions, WriteBatch,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::config::StoreOptions;
use crate::damage::Damage;
use crate::error::StoreError;
use crate::types::GroupId;

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Log,
    State,
    Data,
    Local,
}

/// A small record of a group, in `raft_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Vote,
    Committed,
    Purged,
    Applied,
    Membership,
    Floor,
    Generation,
}

/// The open database.
pub(crate) struct Db {
    raw: DB,
    damage: Damage,
}

/// The layout above. A release that changes it changes this name.
const FORMAT: &str = "dnc-consensus 1";

/// Lives in `raft_state`. Shorter than every record's key, so it is none of them.
const FORMAT_KEY: &[u8] = b"format";

// === impl Family ===

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Log, Self::State, Self::Data, Self::Local];

    fn name(self) -> &'static str {
        match self {
            Self::Log => "raft_log",
            Self::State => "raft_state",
            Self::Data => "data",
            Self::Local => "local",
        }
    }
}

// === impl Record ===

impl Record {
    fn letter(self) -> u8 {
        match self {
            Self::Vote => b'v',
            Self::Committed => b'c',
            Self::Purged => b'p',
            Self::Applied => b'a',
            Self::Membership => b'm',
            Self::Floor => b'f',
            Self::Generation => b'g',
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Vote => "the vote of a group",
            Self::Committed => "the committed position of a group",
            Self::Purged => "the purged position of a group",
            Self::Applied => "the applied position of a group",
            Self::Membership => "the applied membership of a group",
            Self::Floor => "the floor of a group",
            Self::Generation => "the generation of a group",
        }
    }

    pub(crate) fn key(self, group: GroupId) -> [u8; 9] {
        let mut key = [0; 9];
        key[..8].copy_from_slice(&group.0.to_be_bytes());
        key[8] = self.letter();
        key
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, StoreError> {
        codec::decode(bytes).map_err(|source| StoreError::Decode { what: self.what(), source })
    }
}

// === impl Db ===

impl Db {
    pub(crate) fn open(path: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        let mut db_options = db_options(options).map_err(failed)?;
        let cache = Cache::new_lru_cache(options.block_cache_mib << 20);
        let families = Family::ALL
            .map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(options, &cache, family)));
        db_options.set_max_total_wal_size(options.wal_mib_max << 20);
        let raw = DB::open_cf_descriptors(&db_options, path, families).map_err(failed)?;
        let db = Self { raw, damage: Damage::default() };
        db.check_format(path)?;
        Ok(db)
    }

    fn check_format(&self, path: &Path) -> Result<(), StoreError> {
        match self.get(Family::State, FORMAT_KEY)? {
            Some(found) if found == FORMAT.as_bytes() => Ok(()),
            Some(found) => Err(StoreError::Format {
                path: path.to_owned(),
                found: String::from_utf8_lossy(&found).into_owned(),
                expected: FORMAT,
            }),
            None => {
                let mut batch = WriteBatch::default();
                batch.put_cf(self.family(Family::State), FORMAT_KEY, FORMAT);
                self.write(batch)
            }
        }
    }

    pub(crate) fn raw(&self) -> &DB {
        &self.raw
    }

    /// What was found to be damaged, by whoever met with it.
    pub(crate) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// A read has failed.
    pub(crate) fn read_failed(&self, source: rocksdb::Error) -> StoreError {
        self.damage.noted(StoreError::Read(source))
    }

    /// Two records contradict each other.
    pub(crate) fn contradicts(&self, what: String) -> StoreError {
        self.damage.noted(StoreError::Damaged(what))
    }

    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        self.raw.cf_handle(family.name()).expect("opening created every family")
    }

    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.raw.get_cf(self.family(family), key).map_err(|source| self.read_failed(source))
    }

    /// Writes at once, readable at once, not yet on disk.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.raw.write(batch).map_err(|source| self.damage.noted(StoreError::Write(source)))
    }

    pub(crate) fn record<T: DeserializeOwned>(&self, group: GroupId, record: Record) -> Result<Option<T>, StoreError> {
        let bytes = self.get(Family::State, &record.key(group))?;
        bytes.map(|bytes| record.decode(&bytes)).transpose()
    }

    pub(crate) fn put_record<T: Serialize>(&self, batch: &mut WriteBatch, group: GroupId, record: Record, value: &T) {
        batch.put_cf(self.family(Family::State), record.key(group), codec::encode(value));
    }

    /// Walks the keys of one family in `[from, to)`.
    pub(crate) fn range(&self, family: Family, from: &[u8], to: &[u8]) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        self.raw.raw_iterator_cf_opt(self.family(family), options)
    }

    /// Deletes the keys of one family in `[from, to)`.
    pub(crate) fn delete_range(&self, family: Family, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(self.family(family), from, to);
        self.write(batch)
    }
}

/// The first key after all keys that begin with `prefix`, which begins with a group's id.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    loop {
        let last = end.pop().expect("a host starts no group with the id u64::MAX, so one byte is below 255");
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
}

fn db_options(options: &StoreOptions) -> Result<Options, rocksdb::Error> {
    // A write-ahead log that follows a shorter predecessor than it was written after has a hole in
    // it. It can only come from a power cut between two files, and reading past it would apply
    // later writes without earlier ones; RocksDB then refuses to open. What a killed process left to the kernel counts as written
    // after a restart, so recovery puts it into synced files. (Neither has a setter of its own.)
    let mut db =
        Options::default().get_options_from_string("track_and_verify_wals=true;avoid_flush_during_recovery=false")?;
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // A torn end is what a power cut leaves of writes that nobody was promised. Anything else that
    // is damaged is refused, where the default (point in time) would quietly forget what follows.
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    db.set_max_background_jobs(options.background_jobs);
    db.set_max_open_files(options.open_files_max);
    db.set_bytes_per_sync(1 << 20);
    db.set_log_level(LogLevel::Warn);
    db.set_keep_log_file_num(4);
    db.set_max_log_file_size(4 << 20);
    Ok(db)
}

fn family_options(options: &StoreOptions, cache: &Cache, family: Family) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    if family != Family::Log {
        table.set_bloom_filter(10.0, false);
    }
    let mut result = Options::default();
    result.set_block_based_table_factory(&table);
    result.set_compression_type(DBCompressionType::Lz4);
    result.set_write_buffer_size(options.write_buffer_mib << 20);
    result.set_max_write_buffer_number(4);
    // A stalled write would hold up heartbeats, so writes are slowed late.
    result.set_level_zero_slowdown_writes_trigger(40);
    result.set_level_zero_stop_writes_trigger(80);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys() {
        assert_eq!(after_prefix(&[1, 2]), vec![1, 3]);
        assert_eq!(after_prefix(&[1, 255]), vec![2]);
        assert_eq!(after_prefix(&[1, 255, 255]), vec![2]);
    }

    #[test]
    fn a_store_of_another_format_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        {
            let db = Db::open(folder.path(), &StoreOptions::default()).expect("open");
            let mut batch = WriteBatch::default();
            batch.put_cf(db.family(Family::State), FORMAT_KEY, "dnc-consensus 0");
            db.write(batch).expect("write");
        }
        let refused = Db::open(folder.path(), &StoreOptions::default());
        assert!(matches!(refused.err(), Some(StoreError::Format { found, .. }) if found == "dnc-consensus 0"));
    }

    /// What a power cut would leave: the files as they are while the database is open.
    fn copy_of(db: &Db, cut: impl Fn(&[u64]) -> Option<u64>) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("folder");
        let mut logs = Vec::new();
        for file in std::fs::read_dir(db.raw().path()).expect("read folder") {
            let file = file.expect("file");
            std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("copy");
            let name = file.file_name().into_string().expect("name");
            logs.extend(name.strip_suffix(".log").and_then(|number| number.parse::<u64>().ok()));
        }
        logs.sort_unstable();
        if let Some(log) = cut(&logs) {
            let path = copy.path().join(format!("{log:06}.log"));
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("log file");
            let length = file.metadata().expect("length").len();
            file.set_len(length - 3).expect("cut");
        }
        copy
    }

    fn put(db: &Db, family: Family, key: &[u8]) {
        let mut batch = WriteBatch::default();
        batch.put_cf(db.family(family), key, [7; 100]);
        db.write(batch).expect("write");
    }

    #[test]
    fn what_was_written_survives_the_end_of_the_process_without_a_sync() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Db::open(folder.path(), &StoreOptions::default()).expect("open");
        put(&db, Family::Data, b"a");
        let copy = copy_of(&db, |_| None);
        let db = Db::open(copy.path(), &StoreOptions::default()).expect("open the copy");
        assert!(db.get(Family::Data, b"a").expect("get").is_some());
    }

    #[test]
    fn a_torn_end_of_the_write_ahead_log_is_dropped() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Db::open(folder.path(), &StoreOptions::default()).expect("open");
        put(&db, Family::Data, b"a");
        put(&db, Family::Data, b"b");
        let copy = copy_of(&db, |logs| logs.last().copied());
        let db = Db::open(copy.path(), &StoreOptions::default()).expect("open the copy");
        assert!(db.get(Family::Data, b"a").expect("get").is_some());
        assert!(db.get(Family::Data, b"b").expect("get").is_none());
    }

    #[test]
    fn a_hole_in_the_write_ahead_log_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Db::open(folder.path(), &StoreOptions::default()).expect("open");
        put(&db, Family::Data, b"a");
        put(&db, Family::Log, b"b");
        // Begins another file of the log; the first is still needed for the other family.
        db.raw().flush_cf(db.family(Family::Log)).expect("flush");
        put(&db, Family::Data, b"c");
        put(&db, Family::Data, b"d");
        let whole = copy_of(&db, |_| None);
        Db::open(whole.path(), &StoreOptions::default()).expect("two files in order");
        let torn = copy_of(&db, |logs| logs.last().copied());
        Db::open(torn.path(), &StoreOptions::default()).expect("the newest file torn");
        let copy = copy_of(&db, |logs| {
            assert_eq!(logs.len(), 2, "the test needs two files");
            logs.first().copied()
        });
        let refused = Db::open(copy.path(), &StoreOptions::default()).err();
        assert!(matches!(refused, Some(StoreError::Open { .. })));
    }

    #[test]
    fn damage_in_the_middle_of_the_write_ahead_log_is_refused() {
        use std::os::unix::fs::FileExt;
        let folder = tempfile::tempdir().expect("folder");
        let db = Db::open(folder.path(), &StoreOptions::default()).expect("open");
        for key in 0..50_u8 {
            put(&db, Family::Data, &[key]);
        }
        let copy = copy_of(&db, |_| None);
        for file in std::fs::read_dir(copy.path()).expect("read folder") {
            let path = file.expect("file").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let file = std::fs::OpenOptions::new().write(true).open(path).expect("log file");
                file.write_all_at(&[0xaa; 8], 1_000).expect("damage");
            }
        }
        let refused = Db::open(copy.path(), &StoreOptions::default()).err();
        assert!(matches!(refused, Some(StoreError::Open { .. })));
    }

    #[test]
    fn a_store_that_is_open_elsewhere_is_refused_with_its_path() {
        let folder = tempfile::tempdir().expect("folder");
        let _open = Db::open(folder.path(), &StoreOptions::default()).expect("open");
        let refused = Db::open(folder.path(), &StoreOptions::default()).err().expect("refused");
        assert!(refused.to_string().contains(&folder.path().display().to_string()));
    }
}
