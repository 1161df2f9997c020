//! What this node holds and how its replicas stand, as gauges for `/metrics`.

use std::time::Duration;

use dnc_meta::CatalogCache;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Hosting;
use crate::shard::Size;

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(2);

/// Sets the gauges for as long as the node runs.
pub async fn keep(hosting: Hosting, cache: CatalogCache, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => set(&hosting, &cache),
        }
    }
}

fn set(hosting: &Hosting, cache: &CatalogCache) {
    let mut total = Size::default();
    let mut leading = 0u32;
    let mut leaderless = 0u32;
    let replicas = hosting.all();
    for replica in &replicas {
        let size = replica.shard.size();
        total.suppressions += size.suppressions;
        total.resident_bytes += size.resident_bytes;
        total.resident_numbers += size.resident_numbers;
        total.filter_numbers += size.filter_numbers;
        total.filter_capacity += size.filter_capacity;
        leading += u32::from(replica.group.is_leader());
        leaderless += u32::from(replica.group.leader().is_none());
    }
    metrics::gauge!("dnc_catalog_revision").set(cache.get().catalog.revision as f64);
    metrics::gauge!("dnc_node_replicas").set(replicas.len() as f64);
    metrics::gauge!("dnc_node_replicas_leading").set(f64::from(leading));
    metrics::gauge!("dnc_node_replicas_without_leader").set(f64::from(leaderless));
    metrics::gauge!("dnc_node_suppressions").set(total.suppressions as f64);
    metrics::gauge!("dnc_node_resident_bytes").set(total.resident_bytes as f64);
    metrics::gauge!("dnc_node_resident_numbers").set(total.resident_numbers as f64);
    metrics::gauge!("dnc_node_filter_numbers").set(total.filter_numbers as f64);
    metrics::gauge!("dnc_node_filter_capacity").set(total.filter_capacity as f64);
}
