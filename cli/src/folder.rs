//! A data folder, held by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The file in a data folder that says who holds it.
const LOCK: &str = "dnc.lock";

/// A data folder that this process holds. Dropping it, or dying, lets it go.
#[derive(Debug)]
pub struct Folder {
    /// The lock on it belongs to the open file.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, makes sure that it can be written, and holds it.
    pub fn hold(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("create the data folder {shown}"))?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join(LOCK))
            .with_context(|| format!("write to the data folder {shown}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only to say who it is: a holder that has not written its number yet is still a holder.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "unknown" } else { holder.trim() };
                bail!(
                    "the data folder {shown} is in use by another dnc process (process {holder}): stop it, or give another --data-dir"
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock the data folder {shown}"));
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .with_context(|| format!("write to the data folder {shown}"))?;
        Ok(Self { _lock: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = Folder::hold(&path).unwrap();
        let refused = Folder::hold(&path).unwrap_err().to_string();
        assert!(refused.contains("in use"), "{refused}");
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        Folder::hold(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        let refused = format!("{:#}", Folder::hold(&path.join("folder")).unwrap_err());
        assert!(refused.contains(&path.display().to_string()), "{refused}");
    }
}
