//! What this node holds and how its replicas stand, as gauges for `/metrics`.

use std::time::Duration;

use dnc_core::ids::NodeId;
use dnc_meta::CatalogCache;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Hosting;
use crate::said::has_view;

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
    let replicas = hosting.all();
    let sizes: Vec<_> = replicas.iter().map(|replica| replica.shard.size()).collect();
    let sum = |of: fn(&crate::shard::Size) -> u64| sizes.iter().map(of).sum::<u64>();
    let leading = replicas.iter().filter(|replica| replica.group.is_leader()).count();
    let leaderless = replicas.iter().filter(|replica| replica.group.leader().is_none()).count();
    let known = cache.get();
    let resident = replicas.iter().filter(|replica| has_view(&replica.shard, &known.catalog)).count();
    let gauge = |name: &'static str, value: f64| metrics::gauge!(name, "node" => node.to_string()).set(value);
    gauge("dnc_catalog_revision", known.catalog.revision as f64);
    gauge("dnc_node_replicas", replicas.len() as f64);
    gauge("dnc_node_replicas_leading", leading as f64);
    gauge("dnc_node_replicas_without_leader", leaderless as f64);
    gauge("dnc_node_replicas_resident", resident as f64);
    gauge("dnc_node_replicas_failed", hosting.failed().len() as f64);
    gauge("dnc_node_suppressions", sum(|size| size.suppressions) as f64);
    gauge("dnc_node_resident_bytes", sum(|size| size.resident_bytes) as f64);
    gauge("dnc_node_resident_numbers", sum(|size| size.resident_numbers) as f64);
    gauge("dnc_node_filter_numbers", sum(|size| size.filter.numbers) as f64);
    gauge("dnc_node_filter_capacity", sum(|size| size.filter.capacity) as f64);
    // Of all replicas together; they start from nothing when a replica starts again.
    gauge("dnc_node_filter_misses", sum(|size| size.filter_misses) as f64);
    gauge("dnc_node_filter_hits", sum(|size| size.filter_hits) as f64);
    gauge("dnc_node_filter_false_hits", sum(|size| size.filter_false_hits) as f64);
}
