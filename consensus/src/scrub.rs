//! Reads all that the store holds, so that damage is found before somebody needs what it hit.
//!
//! RocksDB compares each block that it reads with its checksum. Blocks that are in memory anyway are not read again, and
//! the filters beside the data are not looked at: damage there is met with by whoever asks for a key.

use std::time::{Duration, Instant};

use rocksdb::{DBRawIterator, ReadOptions};

use crate::db::{Db, Family};
use crate::error::StoreError;
use crate::store::Store;

/// After so many bytes the files that are read are let go of, so that they can be deleted, and the pace is looked at.
const PORTION: u64 = 4 << 20;

/// Longest pause in one piece, so that stopping does not wait.
const NAP: Duration = Duration::from_millis(100);

impl Store {
    /// Reads everything, at this many bytes a second at most; how many bytes there were, or `None` if it was told to stop
    /// before the end. Blocks.
    ///
    /// Damage is an error, and noted: see [`Store::damage`].
    pub fn scrub(&self, bytes_per_s: u64, stop: impl Fn() -> bool) -> Result<Option<u64>, StoreError> {
        let began = Instant::now();
        let mut read = 0;
        for family in Family::ALL {
            let mut from = Some(Vec::new());
            while let Some(start) = from {
                let (bytes, next) = portion(self.db(), family, &start)?;
                read += bytes;
                from = next;
                if !keep_pace(began, read, bytes_per_s, &stop) {
                    return Ok(None);
                }
            }
        }
        Ok(Some(read))
    }
}

/// Reads some keys with their values; how many bytes, and where to go on, unless it was the end.
fn portion(db: &Db, family: Family, start: &[u8]) -> Result<(u64, Option<Vec<u8>>), StoreError> {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    // Read once, so it must not push out of the cache what checks read.
    options.fill_cache(false);
    let mut pairs: DBRawIterator<'_> = db.raw().raw_iterator_cf_opt(db.family(family), options);
    pairs.seek(start);
    let mut bytes = 0;
    while let Some((key, value)) = pairs.item() {
        if bytes >= PORTION {
            return Ok((bytes, Some(key.to_vec())));
        }
        bytes += (key.len() + value.len()) as u64;
        pairs.next();
    }
    pairs.status().map_err(|source| db.read_failed(source))?;
    Ok((bytes, None))
}

/// Waits until so much may have been read; false if it is to stop.
fn keep_pace(began: Instant, read: u64, bytes_per_s: u64, stop: &impl Fn() -> bool) -> bool {
    let due = Duration::from_secs_f64(read as f64 / bytes_per_s.max(1) as f64);
    loop {
        if stop() {
            return false;
        }
        let early = due.saturating_sub(began.elapsed());
        if early.is_zero() {
            return true;
        }
        std::thread::sleep(early.min(NAP));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config::StoreOptions;

    const FAST: u64 = 1 << 40;

    fn filled(folder: &std::path::Path) -> Store {
        let store = Store::open(folder, StoreOptions::default()).expect("open");
        for key in 0..200u32 {
            store.local_put_sync(&key.to_be_bytes(), &[7; 1_000]).expect("put");
        }
        store
    }

    #[test]
    fn everything_is_read_and_a_stop_ends_it() {
        let folder = tempfile::tempdir().expect("folder");
        let store = filled(folder.path());
        let read = store.scrub(FAST, || false).expect("no damage").expect("to the end");
        assert!(read > 200 * 1_000, "{read}");
        assert_eq!(store.scrub(FAST, || true).expect("no damage"), None);
        assert_eq!(*store.damage().borrow(), None);
    }

    #[test]
    fn a_flipped_byte_of_a_table_is_found_and_noted() {
        let folder = tempfile::tempdir().expect("folder");
        drop(filled(folder.path()));
        // Opening writes the log into tables.
        drop(Store::open(folder.path(), StoreOptions::default()).expect("open again"));
        let files = fs::read_dir(folder.path()).expect("listed").map(|entry| entry.expect("entry").path());
        let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
        let size = |path: &PathBuf| fs::metadata(path).expect("there").len();
        let largest = tables.max_by_key(size).expect("there are tables");
        let mut bytes = fs::read(&largest).expect("read");
        // Its data comes first; opening looks at what is behind.
        let at = bytes.len() / 10;
        bytes[at] ^= 1;
        fs::write(&largest, bytes).expect("flipped");
        let store = Store::open(folder.path(), StoreOptions::default()).expect("damage is not seen from outside");
        let error = store.scrub(FAST, || false).expect_err("found");
        assert!(error.is_damage(), "{error:?}");
        assert!(store.damage().borrow().is_some());
    }
}
