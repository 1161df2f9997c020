//! The scrub: all that the store holds is read now and then, so that damage is found before somebody needs what it hit.
//!
//! What is found is noted by the store; what follows from it is in `repair`.

use std::time::Duration;

use dnc_consensus::Store;
use dnc_core::ids::NodeId;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{ScrubOptions, clock};

/// Reads the store at its intervals, for as long as the node runs.
pub async fn keep(node: NodeId, store: Store, options: ScrubOptions, stop: CancellationToken) {
    if options.interval_s == 0 {
        return stop.cancelled().await;
    }
    let interval = Duration::from_secs(options.interval_s);
    // Nodes that were started together do not read together.
    let mut pause = interval.mul_f64(rand::random());
    while stop.run_until_cancelled(sleep(pause)).await.is_some() {
        pause = interval;
        once(node, &store, options.mib_per_s << 20, &stop).await;
    }
}

async fn once(node: NodeId, store: &Store, bytes_per_s: u64, stop: &CancellationToken) {
    let (store, stop) = (store.clone(), stop.clone());
    let scrubbed = tokio::task::spawn_blocking(move || store.scrub(bytes_per_s, || stop.is_cancelled())).await;
    let name = || node.to_string();
    match scrubbed {
        Ok(Ok(Some(bytes))) => {
            metrics::counter!("dnc_node_scrubbed_bytes_total", "node" => name()).increment(bytes);
            let now_s = clock::now_ms().unwrap_or(0) / 1_000;
            metrics::gauge!("dnc_node_scrubbed_at_seconds", "node" => name()).set(now_s as f64);
            tracing::info!(node, bytes, "read all that is stored, and found no damage");
        }
        // Told to stop.
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::error!(node, error = &error as &dyn std::error::Error, "read all that is stored"),
        Err(error) => tracing::error!(node, %error, "read all that is stored"),
    }
}
