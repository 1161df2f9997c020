//! Killing or pausing any one process fails no check and loses nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use dnc_tests::cluster::{Cluster, Fault};
use dnc_tests::numbers::Numbers;
use dnc_tests::workload::{Load, Routers, Workload};

/// How long a killed process stays down: long enough for its connections to be missed.
const DOWN: Duration = Duration::from_secs(1);

/// How long a paused process stands still: several elections, and ten times the deadline of a check.
const STILL: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_fails_and_nothing_is_lost_while_each_process_is_killed_and_then_paused() -> Result<()> {
    let load = Load::default();
    let numbers = Numbers::for_clients(load.clients as usize);
    let mut cluster = Cluster::start().await?;
    let name = cluster.name().await?;
    let imported = cluster.import(&numbers.list_files()).await?;
    ensure!(imported.numbers == numbers.listed.len() as u64, "{imported:?}");
    let urls = cluster.router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers, load);
    let victims = cluster.size().victims();
    for fault in [Fault::Kill { down: DOWN }, Fault::Pause { still: STILL }] {
        for victim in &victims {
            let recovery = cluster.suffer(&name, *victim, fault).await?;
            let broken = workload.report().violations.len();
            println!("{fault} {victim}: whole again after {:?}, {broken} violations so far", recovery.took);
        }
    }
    let history = workload.stop().await?;
    cluster.wait_level(&name).await?;
    let report = history.judge(&Routers::new(&urls)?).await;
    println!("{report}");
    ensure!(report.holds(), "{report}");
    // The clients must have been at it all the time, or nothing was shown.
    let counts = report.counts;
    ensure!(counts.checks > 20_000 && counts.suppressed > 500 && counts.released > 100, "too little load: {report}");
    let entries = cluster.compare_replicas(&name).await?;
    ensure!(entries > 0, "the replicas are equal because they are empty");
    cluster.passed()
}
