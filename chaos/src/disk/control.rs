//! What the shim in a process is told, as it reads it: a small file of numbers, mapped by both.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The numbers of `struct control`, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Not 0: fsync does not come back.
    Stall = 0,
    /// Not 0: fsync fails with this error number.
    Fail = 1,
    /// How much the clock on the wall is ahead, seconds.
    ClockS = 2,
    /// How many calls were harmed; the shim writes it.
    Harmed = 3,
}

const NUMBERS: usize = 4;
const WIDTH: usize = 8;

/// The control file of one process.
#[derive(Clone, Debug)]
pub struct Control(PathBuf);

// === impl Control ===

impl Control {
    /// A file that asks for nothing.
    pub fn create(path: &Path) -> Result<Control> {
        fs::write(path, [0; NUMBERS * WIDTH]).with_context(|| format!("write {}", path.display()))?;
        Ok(Control(path.to_owned()))
    }

    /// Tells it one thing.
    pub fn tell(&self, what: Told, value: i64) -> Result<()> {
        let file = File::options().write(true).open(&self.0).context("open a control file")?;
        file.write_all_at(&value.to_ne_bytes(), at(what)).context("write a control file")
    }

    /// Reads one number.
    pub fn read(&self, what: Told) -> Result<i64> {
        let mut bytes = [0; WIDTH];
        let file = File::open(&self.0).context("open a control file")?;
        file.read_exact_at(&mut bytes, at(what)).context("read a control file")?;
        Ok(i64::from_ne_bytes(bytes))
    }
}

fn at(what: Told) -> u64 {
    (what as usize * WIDTH) as u64
}
