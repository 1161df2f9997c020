//! The meta group is not on the path of a check: without it, all goes on but changes of the catalog.

use std::time::Duration;

use anyhow::{Result, ensure};
use dnc_core::verdict::Verdict;
use dnc_tests::cluster::{Cluster, READY_LIMIT};
use dnc_tests::grpc::{Upload, into_registry};
use dnc_tests::numbers::{self, Numbers};
use dnc_tests::wait::until;
use dnc_tests::workload::{Load, Routers, Workload};

/// Operations that must be seen in each state of the cluster.
const ENOUGH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_and_suppressions_go_on_without_the_meta_group() -> Result<()> {
    let load = Load::default();
    let numbers = Numbers::for_clients(load.clients as usize);
    let mut cluster = Cluster::start().await?;
    let name = cluster.name().await?;
    cluster.import(&numbers.list_files()).await?;
    let revision = cluster.router(0).await?.registries().await?.revision;
    let urls = cluster.router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers.clone(), load);

    cluster.meta.iter_mut().try_for_each(dnc_tests::process::Process::kill9)?;
    more(&workload).await?;

    // A router that starts now has nobody to learn from but the nodes.
    for router in &mut cluster.routers {
        router.restart(READY_LIMIT).await?;
        let direct = dnc_tests::grpc::Router::connect(router.grpc).await?;
        // What follows on an import by itself, such as the next sync's time, may have come after.
        ensure!(direct.registries().await?.revision >= revision, "it learned an older catalog");
        ensure!(direct.check(numbers.listed[0]).await? == Verdict::Listed);
        ensure!(direct.check(numbers.clear[0]).await? == Verdict::Clear);
        more(&workload).await?;
    }

    // A node that starts now has its own copy.
    cluster.nodes[1].kill9()?;
    cluster.nodes[1].run()?;
    cluster.nodes[1].wait_ready(READY_LIMIT).await?;
    cluster.wait_caught_up(&name, 1).await?;
    more(&workload).await?;

    // No activation: refused within its time, and nothing changes.
    let router = cluster.router(0).await?;
    let file = numbers::list_file(numbers::today(), 901, &[numbers::number(901, 100)]);
    let refused = router.import(into_registry("federal"), &[Upload::from(file.clone())]).await;
    ensure!(refused.is_err(), "an import without the meta group: {refused:?}");
    ensure!(router.registries().await?.revision == revision, "the catalog changed without the meta group");

    for voter in &mut cluster.meta {
        voter.run()?;
    }
    cluster.wait_ready(READY_LIMIT).await?;
    more(&workload).await?;
    let history = workload.stop().await?;
    cluster.wait_level(&name).await?;
    let report = history.judge(&Routers::new(&urls)?).await;
    println!("{report}");
    ensure!(report.holds(), "{report}");
    cluster.compare_replicas(&name).await?;

    // And changes are possible again.
    let router = cluster.router(1).await?;
    router.import(into_registry("federal"), &[Upload::from(file)]).await?;
    ensure!(router.check(numbers::number(901, 100)).await? == Verdict::Listed);
    cluster.passed()
}

/// Waits until the clients have seen more of the cluster as it is now.
async fn more(workload: &Workload) -> Result<()> {
    let before = workload.report().counts;
    until(Duration::from_secs(30), "more checks and writes", || async {
        let now = workload.report().counts;
        let writes = |counts: dnc_tests::history::Counts| counts.suppressed + counts.released;
        Ok((now.checks >= before.checks + ENOUGH && writes(now) >= writes(before) + 20).then_some(()))
    })
    .await
}
