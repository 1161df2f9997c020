//! Leaving in order: a node that is about to stop gives its leaderships to others, so that no shard waits for an election.

use std::time::Duration;

use dnc_consensus::Group;
use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::Hosting;

/// Time for one leadership to be taken over.
const ONE: Duration = Duration::from_millis(500);
/// Time for all of them.
const ALL: Duration = Duration::from_secs(3);

impl Hosting {
    /// Hands over every leadership that another voter can take. Bounded: who does not take it in time is elected later.
    pub async fn hand_over(&self) {
        let leading: Vec<Group> =
            self.all().into_iter().map(|replica| replica.group).filter(Group::is_leader).collect();
        if leading.is_empty() {
            return;
        }
        let (began, count) = (Instant::now(), leading.len());
        let handed = join_all(leading.iter().map(|group| group.hand_over(ONE)));
        match timeout(ALL, handed).await {
            Ok(done) => {
                let handed = done.into_iter().filter(|handed| *handed).count();
                if handed > 0 {
                    tracing::info!(handed, of = count, took = ?began.elapsed(), "leaderships handed over");
                } else {
                    // A node with a sick disk tries at each look.
                    tracing::debug!(of = count, "nobody takes over leaderships");
                }
            }
            Err(_) => tracing::warn!(of = count, "not all leaderships were handed over in time"),
        }
    }
}
