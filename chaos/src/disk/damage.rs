//! What a bad disk does to the files of a process that does not run.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Which of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The largest table.
    Table,
    /// The largest log of writes.
    Log,
}

// === impl Which ===

impl Which {
    /// How such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Which::Table => "sst",
            Which::Log => "log",
        }
    }

    fn largest(self, folder: &Path) -> Result<PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == self.extension()) {
                files.push((fs::metadata(&path).context("look at a file")?.len(), path));
            }
        }
        let (length, path) = files.into_iter().max().with_context(|| format!("there is no .{}", self.extension()))?;
        ensure!(length > 0, "{} is empty", path.display());
        Ok(path)
    }
}

/// Flips one bit of the largest such file, so far into it (of a thousand parts).
pub fn flip(folder: &Path, which: Which, permille: u64) -> Result<()> {
    let path = which.largest(folder)?;
    let file = File::options().read(true).write(true).open(&path).context("open a file")?;
    let at = file.metadata().context("look at a file")?.len() * permille.min(999) / 1_000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).context("read a byte")?;
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).with_context(|| format!("flip a bit of {}", path.display()))
}

/// Leaves the beginning of a record at the end of the largest log, as a write that the power was cut in.
pub fn tear(folder: &Path, bytes: u64) -> Result<()> {
    let path = Which::Log.largest(folder)?;
    let file = File::options().write(true).open(&path).context("open a log")?;
    let end = file.metadata().context("look at a log")?.len();
    // No record has a checksum of these.
    let torn: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * 151 % 251).unwrap_or(1)).collect();
    file.write_all_at(&torn, end).with_context(|| format!("tear {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_of_the_largest_file_of_a_kind_is_flipped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("1.sst"), "short").expect("written");
        fs::write(path("2.sst"), "a longer one").expect("written");
        fs::write(path("3.log"), "the longest one of all").expect("written");
        flip(folder.path(), Which::Table, 0).expect("flipped");
        assert_eq!(fs::read_to_string(path("1.sst")).expect("read"), "short");
        assert_eq!(fs::read_to_string(path("2.sst")).expect("read"), "q longer one");
        tear(folder.path(), 3).expect("torn");
        assert_eq!(fs::metadata(path("3.log")).expect("there").len(), 25);
    }

    #[test]
    fn without_such_a_file_nothing_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(flip(folder.path(), Which::Table, 500).is_err());
    }
}
