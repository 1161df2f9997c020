//! The key that providers' keys are encrypted with, made once and kept beside the data.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The file in the data folder.
const NAME: &str = "secret.key";

/// The key file in this folder; made if it is not there, for its owner's eyes alone.
pub fn file(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(NAME);
    if path.exists() {
        return Ok(path);
    }
    // Whole or not at all: a key that was cut short by a crash would be refused for ever.
    let unfinished = folder.join(format!("{NAME}.new"));
    let make = || -> std::io::Result<()> {
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{}", dnc_router::random_secret_key().as_str())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    make().with_context(|| format!("make the key file {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = file(folder.path()).unwrap();
        let text = std::fs::read_to_string(&made).unwrap();
        assert!(text.trim().len() == 64 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file(folder.path()).unwrap(), made);
        assert_eq!(std::fs::read_to_string(&made).unwrap(), text);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(std::fs::read_to_string(file(other.path()).unwrap()).unwrap(), text);
    }
}
