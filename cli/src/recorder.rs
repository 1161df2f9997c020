//! Metrics: one recorder for the process, read as Prometheus text.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use crate::vitals::Vitals;

/// Gives all metrics of the process as Prometheus text.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// From a lookup in memory (20 µs) to the longest wait that anything here is given (30 s).
const SECONDS: [f64; 20] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 20.0, 30.0,
];

/// From a message to a large log entry, and on to a file.
const BYTES: [f64; 9] = [64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];

/// Everything else is a count: numbers in a bulk, entries in a batch.
const COUNTS: [f64; 14] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0, 16_384.0];

/// How often histograms take in what was recorded, when nobody reads them, and the process's vitals are read.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder of a process that keeps its data in this folder.
pub fn install(role: &'static str, folder: &Path) -> Result<Metrics> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().context("install the metrics recorder")?;
    metrics::describe_gauge!("dnc_build_info", "always 1; its labels say what runs here");
    metrics::gauge!("dnc_build_info", "version" => env!("CARGO_PKG_VERSION"), "role" => role).set(1.0);
    let upkeep = handle.clone();
    let vitals = Vitals::of(folder);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
            let vitals = vitals.clone();
            // One at a time: while a disk hangs, the gauges stand.
            let _ = tokio::task::spawn_blocking(move || vitals.set()).await;
        }
    });
    Ok(Arc::new(move || handle.render()))
}
