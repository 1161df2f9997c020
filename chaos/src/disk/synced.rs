//! Cuts a stopped process's files back to what it had synced, as the loss of power would.
//!
//! A file that was never synced is left empty. What is not played: names that were changed without
//! a sync of their folder, and bytes that were written over others.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

/// One file for ever: a number may be given to another file later, which is born later.
type Id = (u64, i64, u32);

/// How long each file was when it was synced last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Synced(BTreeMap<Id, u64>);

// === impl Synced ===

impl Synced {
    /// Reads what the shim wrote down: number, time of birth, length. A line without an end was not finished.
    pub fn read(text: &str) -> Synced {
        let mut synced = BTreeMap::new();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut words = line.split(' ');
            let mut word = || words.next();
            let read = || -> Option<(Id, u64)> {
                let id = (word()?.parse().ok()?, word()?.parse().ok()?, word()?.parse().ok()?);
                Some((id, word()?.parse().ok()?))
            };
            // Later lines replace earlier ones.
            synced.extend({ read }());
        }
        Synced(synced)
    }

    /// Cuts every file in a folder back; how many bytes are gone.
    pub fn cut_back(&self, folder: &Path) -> Result<u64> {
        let mut gone = 0;
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path).with_context(|| format!("look at {}", path.display()))?;
            if metadata.is_dir() {
                gone += self.cut_back(&path)?;
            } else if metadata.is_file() {
                let length = self.0.get(&id(&metadata)?).copied().unwrap_or(0).min(metadata.len());
                let file = File::options().write(true).open(&path);
                file.and_then(|file| file.set_len(length)).with_context(|| format!("cut {}", path.display()))?;
                gone += metadata.len() - length;
            }
        }
        Ok(gone)
    }
}

fn id(metadata: &Metadata) -> Result<Id> {
    let born = metadata.created().context("this file system does not say when files were made")?;
    let born = born.duration_since(UNIX_EPOCH).context("a file of before 1970")?;
    Ok((metadata.ino(), i64::try_from(born.as_secs()).context("a time")?, born.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_finished_line_of_a_file_counts() {
        let synced = Synced::read("7 100 5 10\n8 100 6 1\n7 100 5 30\n7 100 5 4");
        assert_eq!(synced.0, BTreeMap::from([((7, 100, 5), 30), ((8, 100, 6), 1)]));
    }

    #[test]
    fn files_are_cut_back_to_what_was_synced() {
        let folder = tempfile::tempdir().expect("a folder");
        let [kept, cut, never] = ["kept", "cut", "never"].map(|name| folder.path().join(name));
        for path in [&kept, &cut, &never] {
            fs::write(path, "0123456789").expect("written");
        }
        let of = |path| id(&fs::metadata(path).expect("there")).expect("born");
        // A file may have become shorter since.
        let synced = Synced(BTreeMap::from([(of(&kept), 40), (of(&cut), 4)]));
        assert_eq!(synced.cut_back(folder.path()).expect("cut"), 16);
        let length = |path| fs::metadata(path).expect("there").len();
        assert_eq!((length(&kept), length(&cut), length(&never)), (10, 4, 0));
    }
}
