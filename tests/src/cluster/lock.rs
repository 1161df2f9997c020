//! One cluster at a time on a machine, whichever test program starts it.

use std::env;
use std::fs::File;

use anyhow::{Context, Result};

/// While this lives, no other test's cluster runs.
#[derive(Debug)]
pub struct Alone {
    // The kernel lets the lock go with the file, even if this process is killed.
    _held: File,
}

// === impl Alone ===

impl Alone {
    /// Waits for whoever runs a cluster now. The runner of the tests limits how long.
    pub async fn wait() -> Result<Alone> {
        let path = env::temp_dir().join("dnc-tests.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let waiting = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        let held = waiting.await.context("wait for the lock")?.with_context(|| format!("lock {}", path.display()))?;
        Ok(Alone { _held: held })
    }
}
