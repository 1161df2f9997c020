//! One RocksDB for all groups of a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rocksdb::WriteBatch;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::config::StoreOptions;
use crate::db::{Db, Family, after_prefix};
use crate::error::StoreError;
use crate::keyspace::Epochs;
use crate::wal_sync::{SyncCounters, WalSync};

/// The store of a process. Cheap to clone. It closes when the last clone, the [`Host`], its groups
/// and every [`Keyspace`] are gone; then the same folder can be opened again.
///
/// [`Host`]: crate::Host
/// [`Keyspace`]: crate::Keyspace
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // Dropped first: its thread holds the database too.
    wal: WalSync,
    epochs: Epochs,
    db: Arc<Db>,
    path: PathBuf,
    /// Why nothing new is to be written.
    hold: Mutex<Option<Arc<Hold>>>,
}

/// Nothing new is to be written for now, because the disk is not well. Reads go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What is wrong, in words for whoever wants to write.
    pub why: String,
    /// Not even what other leaders send is taken: there is no room for it.
    pub takes_no_appends: bool,
}

/// How the disk does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskState {
    /// How long an fsync has been under way that has not returned yet.
    pub syncing_for: Option<Duration>,
    /// Why an earlier fsync failed.
    pub failure: Option<String>,
}

/// Pause between two looks whether everybody has let go of a store.
const CLOSE_LOOK: Duration = Duration::from_millis(20);

/// See [`Store::closing`].
pub struct Closing {
    db: Weak<Db>,
}

/// Sizes and counts, for metrics. Bytes, unless the name says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Writes that are not yet in sorted files.
    pub memtables: u64,
    /// Blocks held in memory.
    pub block_cache: u64,
    /// Sorted files on disk.
    pub tables: u64,
    /// What compactions have still to rewrite, estimated.
    pub compaction_pending: u64,
    /// Writes are being slowed down, or stopped.
    pub writes_stalled: bool,
    /// The thread that syncs the write-ahead log.
    pub sync: SyncCounters,
}

impl Store {
    /// Opens the store in a folder, and creates it if there is none.
    ///
    /// A torn end of the write-ahead log, as a power cut leaves it, is dropped; nothing of it was
    /// acknowledged. Any other damage is an error, see [`StoreError::Open`].
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let db = Arc::new(Db::open(path, &options)?);
        let wal = WalSync::start(db.clone()).map_err(|_| StoreError::Closed)?;
        let epochs = Epochs::new(db.clone());
        let inner = Inner { wal, epochs, db, path: path.to_owned(), hold: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Reads a value of this process.
    pub fn local_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.db.get(Family::Local, key)
    }

    /// The keys of this process that begin with `prefix`, with their values.
    pub fn local_scan(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut found = self.inner.db.range(Family::Local, prefix, &after_prefix(prefix));
        let mut pairs = BTreeMap::new();
        found.seek_to_first();
        while let Some((key, value)) = found.item() {
            pairs.insert(key.to_vec(), value.to_vec());
            found.next();
        }
        found.status().map_err(|source| self.inner.db.read_failed(source))?;
        Ok(pairs)
    }

    /// Writes a value of this process, and returns when it is on disk. Blocks.
    pub fn local_put_sync(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.inner.db.family(Family::Local), key, value);
        self.write_synced(batch)
    }

    /// Deletes a value of this process, and returns when that is on disk. Blocks.
    pub fn local_delete_sync(&self, key: &[u8]) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.inner.db.family(Family::Local), key);
        self.write_synced(batch)
    }

    /// Writes, and returns when that is on disk. Blocks.
    pub(crate) fn write_synced(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.inner.db.write(batch)?;
        self.inner.wal.wait_blocking().map_err(|error| StoreError::SyncFailed(error.to_string()))
    }

    /// The first damage that was found in what the store holds, in words: by a check, a replica or the scrub. Once there it
    /// does not change any more.
    pub fn damage(&self) -> watch::Receiver<Option<String>> {
        self.inner.db.damage().watch()
    }

    /// Tells when everybody has let go of the store. Holding it does not keep the store open.
    pub fn closing(&self) -> Closing {
        Closing { db: Arc::downgrade(&self.inner.db) }
    }

    /// Sizes and counts as they are now.
    pub fn stats(&self) -> StoreStats {
        let sum = |property: &str| {
            let of = |family| self.inner.db.raw().property_int_value_cf(self.inner.db.family(family), property);
            Family::ALL.into_iter().filter_map(|family| of(family).ok().flatten()).sum()
        };
        let whole =
            |property: &str| self.inner.db.raw().property_int_value(property).ok().flatten().unwrap_or_default();
        StoreStats {
            memtables: sum("rocksdb.cur-size-all-mem-tables"),
            // All families share one cache.
            block_cache: self
                .inner
                .db
                .raw()
                .property_int_value_cf(self.inner.db.family(Family::Data), "rocksdb.block-cache-usage")
                .ok()
                .flatten()
                .unwrap_or_default(),
            tables: sum("rocksdb.total-sst-files-size"),
            compaction_pending: sum("rocksdb.estimate-pending-compaction-bytes"),
            writes_stalled: whole("rocksdb.is-write-stopped") > 0 || whole("rocksdb.actual-delayed-write-rate") > 0,
            sync: self.inner.wal.counters(),
        }
    }

    /// How the disk does.
    pub fn disk(&self) -> DiskState {
        DiskState { syncing_for: self.inner.wal.under_way(), failure: self.inner.wal.failure() }
    }

    /// Why nothing new is to be written now. After a failed sync that is so for good: what is read back may not be on
    /// disk, so that not even an entry that is there already may be said to be kept.
    pub(crate) fn hold(&self) -> Option<Arc<Hold>> {
        if let Err(failed) = self.inner.wal.check() {
            return Some(Arc::new(Hold { why: failed.to_string(), takes_no_appends: true }));
        }
        self.inner.hold.lock().clone()
    }

    pub(crate) fn set_hold(&self, hold: Option<Hold>) {
        *self.inner.hold.lock() = hold.map(Arc::new);
    }

    pub(crate) fn db(&self) -> &Arc<Db> {
        &self.inner.db
    }

    pub(crate) fn epochs(&self) -> &Epochs {
        &self.inner.epochs
    }

    pub(crate) fn wal(&self) -> &WalSync {
        &self.inner.wal
    }
}

// === impl Closing ===

impl Closing {
    /// Returns true once the store is closed, false if it is not in time.
    pub async fn closed(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.db.strong_count() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(CLOSE_LOOK).await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_values_survive_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        {
            let store = Store::open(folder.path(), StoreOptions::default()).expect("open");
            store.local_put_sync(b"id", b"7").expect("put");
            store.local_put_sync(b"old", b"1").expect("put");
            store.local_delete_sync(b"old").expect("delete");
            assert!(store.stats().sync.served >= 3);
        }
        let store = Store::open(folder.path(), StoreOptions::default()).expect("open again");
        assert_eq!(store.local_get(b"id").expect("get").as_deref(), Some(b"7".as_slice()));
        assert_eq!(store.local_get(b"old").expect("get"), None);
        assert_eq!(store.local_scan(b"i").expect("scan"), [(b"id".to_vec(), b"7".to_vec())].into());
    }
}
