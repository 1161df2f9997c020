//! Cuts logs that have grown by bytes where Raft counts only entries: a thousand large commands
//! would otherwise stay on disk as long as a thousand small ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::HostOptions;
use crate::error::GroupError;
use crate::group::{Group, Groups};

/// How often the logs are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long cutting one log may take.
const CUT_LIMIT: Duration = Duration::from_secs(10);

/// Entries that stay, for followers that are a moment behind.
const KEEP_ENTRIES: u64 = 64;

/// Looks after all groups of a host for as long as its runtime lives.
pub(crate) async fn run(groups: Arc<Groups>, options: HostOptions) {
    let bytes_max = options.log_mib_max << 20;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for group in groups.all() {
            if group.replica().log_bytes.load(Ordering::Relaxed) <= bytes_max {
                continue;
            }
            match cut(&group).await {
                // A follower may be reading what should go: it goes when the log has grown as much again.
                Ok(()) | Err(GroupError::TimedOut) => {}
                Err(error) => tracing::warn!(group = %group.id(), %error, "cannot cut a log that has grown large"),
            }
        }
    }
}

async fn cut(group: &Group) -> Result<(), GroupError> {
    group.cut_log(KEEP_ENTRIES, CUT_LIMIT).await
}
