//! Does a schedule to a real cluster under load, and judges.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use dnc_tests::cluster::{Cluster, Size};
use dnc_tests::numbers::Numbers;
use dnc_tests::workload::{Load, Routers, Workload};

use crate::schedule::{Scenario, schedule};

/// The least that must have been answered in each minute.
const CHECKS: usize = 2_000;
/// The least suppressions, and releases, that must have been acknowledged in each minute.
const WRITES: usize = 50;

/// Whether every promise was kept. An error means that the cluster did not start or did not recover.
pub async fn run(scenario: Scenario, seed: u64, minutes: u32) -> Result<bool> {
    say(&format!("seed {seed}, scenario {scenario:?}, about {minutes} minutes"));
    let steps = schedule(scenario, seed, minutes, Size::default());
    for (step, at) in steps.iter().zip(1..) {
        let calm = step.calm.as_secs_f64();
        say(&format!("  planned {at}: after {calm:.1} s, {} {}", step.fault, step.victim));
    }
    let load = Load { seed, ..Load::default() };
    let numbers = Numbers::for_clients(load.clients as usize);
    let mut cluster = Cluster::start().await?;
    say(&format!("cluster of {} processes in {}", cluster.processes().count(), cluster.folder().display()));
    let name = cluster.name().await?;
    cluster.import(&numbers.list_files()).await?;
    let urls = cluster.router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers, load);
    let began = Instant::now();
    for (step, at) in steps.iter().zip(1..) {
        // The schedule's own pace, not a wait for anything.
        tokio::time::sleep(step.calm).await;
        let recovery = cluster
            .suffer(&name, step.victim, step.fault)
            .await
            .with_context(|| format!("step {at}; so far: {}", workload.report()))?;
        let took = recovery.took.as_secs_f64();
        let so_far = workload.report();
        say(&format!(
            "{:6.1} s  {at}: {} {}: whole again after {took:.1} s; {} violations so far",
            began.elapsed().as_secs_f64(),
            step.fault,
            step.victim,
            so_far.violations.len(),
        ));
    }
    let history = workload.stop().await?;
    cluster.wait_level(&name).await?;
    let report = history.judge(&Routers::new(&urls)?).await;
    say(&report.to_string());
    let entries = cluster.compare_replicas(&name).await?;
    say(&format!("the replicas of every shard are equal, {entries} live entries"));
    let kept = report.holds();
    // Clients that could hardly do anything show nothing.
    let counts = report.counts;
    let least = |per_minute: usize| per_minute * minutes as usize;
    ensure!(
        counts.checks >= least(CHECKS) && counts.suppressed >= least(WRITES) && counts.released >= least(WRITES),
        "too little load got through to show anything: {report}"
    );
    if kept {
        cluster.passed()?;
        say(&format!("seed {seed}: every promise was kept"));
    } else {
        say(&format!("seed {seed}: A PROMISE WAS BROKEN"));
    }
    Ok(kept)
}

/// Prints a line for whoever runs this.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
pub fn say(line: &str) {
    println!("{line}");
}
