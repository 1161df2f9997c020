//! Which core this thread, and all that is started from it, runs on.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Binds this thread to a core. Processes that it starts stay there.
pub fn to(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("there is no core {core}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("run on core {core}"))
}

/// Does something, which starts processes, on another core than the one that this thread belongs on.
pub async fn during<T>(core: usize, back: usize, work: impl Future<Output = Result<T>>) -> Result<T> {
    to(core)?;
    let done = work.await;
    to(back)?;
    done
}
