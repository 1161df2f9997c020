//! What came of each load stays in the catalog, as part of its registry's history.

use std::time::Duration;

use dnc_core::catalog::Change;
use dnc_core::ids::{RegistryId, VersionId};
use dnc_core::registry::{Outcome, SyncRecord, Trigger};
use dnc_proto::v1;
use tracing::warn;

use super::error::Error;
use crate::clock::now_ms;
use crate::cluster::Cluster;

/// Time to record it. The load is what it is without that.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest message, characters.
const MAX_MESSAGE: usize = 500;

/// Who did it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Names the load.
    pub load: u128,
    /// How it was started.
    pub trigger: Trigger,
    /// When, milliseconds since 1970.
    pub started_ms: u64,
}

/// What came of a load.
pub fn of_load(job: Job, outcome: &Result<v1::ImportResult, Error>) -> SyncRecord {
    match outcome {
        Ok(result) => SyncRecord {
            version: Some(VersionId(result.version)),
            added: result.added,
            removed: result.dropped,
            unchanged: result.unchanged,
            ..job.ended(Outcome::Done, if result.forced { "forced past the guard" } else { "" })
        },
        // It is active; that not everybody could be told is in the message.
        Err(why @ Error::NotTold { version, .. }) => {
            SyncRecord { version: Some(*version), ..job.ended(Outcome::Done, &why.to_string()) }
        }
        Err(why @ Error::Held { .. }) => job.ended(Outcome::Held, &why.to_string()),
        Err(why) => job.ended(Outcome::Failed, &why.to_string()),
    }
}

/// Records it, if that can be done now.
pub async fn keep<C: Cluster>(cluster: &C, registry: RegistryId, record: SyncRecord) {
    let change = Change::EndSync { registry, record, next_ms: None };
    if let Err(error) = cluster.propose(&change, LIMIT).await {
        warn!(%registry, %error, "record what came of a load");
    }
}

// === impl Job ===

impl Job {
    /// It ended like this, now.
    pub fn ended(self, outcome: Outcome, message: &str) -> SyncRecord {
        SyncRecord {
            sync: self.load,
            trigger: self.trigger,
            started_ms: self.started_ms,
            completed_ms: now_ms(),
            outcome,
            version: None,
            added: 0,
            removed: 0,
            unchanged: 0,
            message: message.chars().take(MAX_MESSAGE).collect(),
        }
    }
}
