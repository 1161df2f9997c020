//! Where long work is done.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does what may take long on this thread, and has the tasks that wait for it taken over by another one. On a runtime that
/// has no other thread it is just done.
pub fn heavily<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
