//! What a bad disk does to the files of a process that does not run.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Which of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Tables.
    Table,
    /// Logs of writes.
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

    /// All such files in a folder that hold something, the largest last.
    fn files(self, folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == self.extension()) {
                files.push((fs::metadata(&path).context("look at a file")?.len(), path));
            }
        }
        files.retain(|(length, _)| *length > 0);
        files.sort();
        ensure!(!files.is_empty(), "there is no .{} that holds anything", self.extension());
        Ok(files)
    }
}

/// Flips one bit of each such file, so far into it (of a thousand parts).
pub fn flip(folder: &Path, which: Which, permille: u64) -> Result<()> {
    for (length, path) in which.files(folder)? {
        let file = File::options().read(true).write(true).open(&path).context("open a file")?;
        let at = length * permille.min(999) / 1_000;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).context("read a byte")?;
        byte[0] ^= 0x10;
        file.write_all_at(&byte, at).with_context(|| format!("flip a bit of {}", path.display()))?;
    }
    Ok(())
}

/// Leaves the beginning of a record at the end of the largest log, as a write that the power was cut in.
pub fn tear(folder: &Path, bytes: u64) -> Result<()> {
    let (_, path) = Which::Log.files(folder)?.pop().context("there is a log")?;
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
    fn one_bit_of_each_file_of_a_kind_is_flipped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("1.sst"), "short").expect("written");
        fs::write(path("2.sst"), "a longer one").expect("written");
        fs::write(path("3.log"), "no table at all").expect("written");
        flip(folder.path(), Which::Table, 0).expect("flipped");
        assert_eq!(fs::read_to_string(path("1.sst")).expect("read"), "chort");
        assert_eq!(fs::read_to_string(path("2.sst")).expect("read"), "q longer one");
        tear(folder.path(), 3).expect("torn");
        assert_eq!(fs::metadata(path("3.log")).expect("there").len(), 18);
    }

    #[test]
    fn without_such_a_file_nothing_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(flip(folder.path(), Which::Table, 500).is_err());
    }
}
