//! Opt-outs: numbers into live registries, out of them, and found again.
//!
//! An answer here means that the write is on a majority of the number's shard: from then on no
//! check answers CLEAR against an addition. When it is not known whether a write was done, the
//! error says so and gives the request id; repeating the request with it cannot do it twice.
//! Everything here belongs to one tenant: it writes, sees and removes its own entries only, and a
//! registry of another tenant does not exist for it.
//!
//! Start at `add` for one number, at `bulk` for many. `entry` is what callers write, parsed;
//! `remove` says what a removal takes. `search` and `export` read through `walk`, which puts the
//! shards' answers in order; `import` takes an export in again.

mod add;
mod batch;
mod bulk;
mod cursor;
mod entry;
mod error;
mod export;
mod ids;
mod import;
mod prefix;
mod records;
mod remove;
mod search;
mod target;
mod text;
mod verify;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use dnc_core::ids::RequestId;
use tokio::sync::Semaphore;

use crate::report::counting::Counting;

pub use self::batch::Outcome;
pub use self::bulk::{Bulk, BulkAnswer, BulkItem, BulkRemoval};
pub use self::entry::{Addition, ends, number, request_id, shown_scope, shown_time, time};
pub use self::error::{Error, Fault};
pub use self::import::MAX_PIECE;
pub use self::records::Records;
pub use self::remove::Removal;
pub use self::search::Question;
pub use self::text::{Format, read as read_entry};
pub use self::verify::Verification;

/// The registry that is meant where none is named.
pub const DEFAULT_REGISTRY: &str = "internal";

/// How long to wait for a registry that another router may have made a moment ago.
const REGISTRY_WAIT: Duration = Duration::from_millis(300);

/// Exports and imports at a time.
const STREAMS_AT_ONCE: usize = 8;

/// Adds, removes and finds opt-outs.
#[derive(Clone)]
pub struct Suppressions<C> {
    cluster: C,
    /// Time for one request.
    limit: Duration,
    /// Places for exports and imports.
    streams: Arc<Semaphore>,
    counting: Counting,
}

// === impl Suppressions ===

impl<C> Suppressions<C> {
    /// Writes to this cluster; each request has this long.
    pub fn new(cluster: C, limit: Duration) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_AT_ONCE));
        Self { cluster, limit, streams, counting: Counting::default() }
    }

    /// Counts what is added and removed for the reports. A request that is repeated counts again.
    pub fn counted_by(self, counting: Counting) -> Self {
        Self { counting, ..self }
    }

    /// A place for an export or import.
    fn stream_slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Error::Busy(STREAMS_AT_ONCE))
    }
}

fn outcome_of<T>(outcome: &Result<T, Error>) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(Error::Unknown { .. }) => "unknown",
        Err(Error::NotDone { .. } | Error::NotReady) => "unavailable",
        Err(_) => "refused",
    }
}

/// A new request's id.
fn new_request() -> RequestId {
    RequestId(uuid::Uuid::now_v7().as_u128())
}

#[cfg(test)]
mod bulk_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod tests;
