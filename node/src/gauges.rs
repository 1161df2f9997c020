//! What this node holds and how its replicas stand, as gauges for `/metrics`.

use std::time::Duration;

use dnc_core::ids::NodeId;
use dnc_meta::CatalogCache;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Hosting;
use crate::shard::Size;

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(2);

/// Sets the gauges for as long as the node runs. They name the node: one process can hold several.
pub async fn keep(node: NodeId, hosting: Hosting, cache: CatalogCache, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => set(node, &hosting, &cache),
        }
    }
}

fn set(node: NodeId, hosting: &Hosting, cache: &CatalogCache) {
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
    let gauge = |name: &'static str, value: f64| metrics::gauge!(name, "node" => node.to_string()).set(value);
    gauge("dnc_catalog_revision", cache.get().catalog.revision as f64);
    gauge("dnc_node_replicas", replicas.len() as f64);
    gauge("dnc_node_replicas_leading", f64::from(leading));
    gauge("dnc_node_replicas_without_leader", f64::from(leaderless));
    gauge("dnc_node_suppressions", total.suppressions as f64);
    gauge("dnc_node_resident_bytes", total.resident_bytes as f64);
    gauge("dnc_node_resident_numbers", total.resident_numbers as f64);
    gauge("dnc_node_filter_numbers", total.filter_numbers as f64);
    gauge("dnc_node_filter_capacity", total.filter_capacity as f64);
}
