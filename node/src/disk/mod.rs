//! A disk that is full, stalls or fails: the node leaves leading to others and takes no writes; reads go on.
//!
//! [`health`] decides, from what is seen; this watches, and tells consensus and whoever asks. Nothing that is acknowledged
//! depends on it: that an acknowledgement follows the sync is the store's own rule.

mod health;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{Hold, Host};
use nix::sys::statvfs::statvfs;
use parking_lot::RwLock;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::health::{Ailment, Health, Observation, Space};
use crate::threads::heavily;
use crate::{DiskOptions, Hosting};

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How the disk of this node is, for whoever asks. Clones share it.
#[derive(Clone, Default)]
pub struct Disk {
    ailment: Arc<RwLock<Option<Ailment>>>,
}

// === impl Disk ===

impl Disk {
    /// What is wrong with it, in words.
    pub fn ailment(&self) -> Option<String> {
        self.ailment.read().as_ref().map(ToString::to_string)
    }

    /// Watches the disk for as long as the node runs.
    pub async fn watch(self, host: Host, hosting: Hosting, options: DiskOptions, stop: CancellationToken) {
        let (node, began) = (host.node(), Instant::now());
        let mut health = Health::default();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let seen = heavily(|| look(&host));
            let ailment = health.see(began.elapsed(), &seen, &options).cloned();
            let before = std::mem::replace(&mut *self.ailment.write(), ailment.clone());
            metrics::gauge!("dnc_node_disk_ill", "node" => node.to_string())
                .set(f64::from(u8::from(ailment.is_some())));
            match (&before, &ailment) {
                (None, None) => continue,
                (before, Some(ailment)) if before.as_ref() != Some(ailment) => {
                    tracing::error!(node, why = %ailment, "takes no writes and leads nothing; reads go on");
                }
                (Some(_), None) => tracing::info!(node, "the disk is well again"),
                _ => {}
            }
            let hold = |ailment: &Ailment| Hold {
                why: format!("node {node} takes no writes, {ailment}"),
                takes_no_appends: ailment.takes_no_appends(),
            };
            // At each look: groups that were starting at the last one are told too.
            host.set_hold(ailment.as_ref().map(hold));
            if ailment.is_some() {
                // Bounded; who cannot take it now is asked again at the next look.
                hosting.hand_over().await;
            }
        }
    }
}

/// Blocks.
fn look(host: &Host) -> Observation {
    let state = host.store().disk();
    Observation { syncing_for: state.syncing_for, failure: state.failure, space: space(host.store().path()) }
}

fn space(folder: &Path) -> Option<Space> {
    let told = statvfs(folder).ok()?;
    let unit = told.fragment_size();
    Some(Space { free: told.blocks_available() * unit, total: told.blocks() * unit })
}
