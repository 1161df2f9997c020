//! A small disk: a file system in memory where a process keeps its data, and a file that fills it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::world::command::run;

/// How large it is: room for a node of the workload several times over.
const SIZE: &str = "512m";

/// What fills it.
const FILLER: &str = "filler";

/// Taken at once while it is being filled.
const CHUNK: usize = 64 << 10;

/// One such disk; gone when it is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

// === impl SmallDisk ===

impl SmallDisk {
    /// Puts one where a process will keep its data.
    pub fn mount(data: &Path) -> Result<SmallDisk> {
        fs::create_dir_all(data).with_context(|| format!("make {}", data.display()))?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs", &data.display().to_string()])?;
        Ok(SmallDisk(data.to_owned()))
    }

    /// Fills it to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.0.join(FILLER)).context("make a file")?;
        let mut chunk = CHUNK;
        while chunk > 0 {
            match file.write(&vec![0xa5; chunk]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => chunk /= 2,
                Err(error) => bail!("fill a disk: {error}"),
            }
        }
        Ok(())
    }

    /// There is room again.
    pub fn drain(&self) -> Result<()> {
        fs::remove_file(self.0.join(FILLER)).context("delete what fills a disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: its process may not have ended yet.
        let _ = run("umount", &["-l", &self.0.display().to_string()]);
    }
}
