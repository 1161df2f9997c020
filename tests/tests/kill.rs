//! Killing or pausing any one process fails no check and loses nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_tests::cluster::{Cluster, Fault, Victim};
use dnc_tests::history::Kind;
use dnc_tests::numbers::Numbers;
use dnc_tests::process::{Process, Role};
use dnc_tests::wait::until;
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

/// Lines that a process may log meanwhile: each of its groups may complain at each heartbeat, ten times a second. One
/// that does not pause between attempts logs a hundred times as much.
const LOGGED_MAX: usize = 2_000;

/// How long the others are watched while one process is down.
const WATCHED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_stay_are_calm_while_one_is_down() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let name = cluster.name().await?;
    let victims = [Victim { role: Role::Node, index: 0 }, Victim { role: Role::Meta, index: 0 }];
    for victim in victims {
        cluster.process(victim).kill9()?;
        // Its shards have to find other leaders first; that is work, and may be.
        let router = cluster.router(0).await?;
        for number in &Numbers::for_clients(1).own[0][..100] {
            until(Duration::from_secs(20), "a suppression in every shard", || async {
                Ok(router.suppress(&number.to_string(), "").await.is_ok().then_some(()))
            })
            .await?;
        }
        let before: Vec<_> =
            others(&mut cluster, victim).map(|p| Ok((p.cpu_time()?, lines(p)?))).collect::<Result<_>>()?;
        // The time that is looked at, not a wait for anything.
        tokio::time::sleep(WATCHED).await;
        for (process, (cpu, logged)) in others(&mut cluster, victim).zip(before) {
            let cpu = process.cpu_time()?.saturating_sub(cpu);
            let logged = lines(process)? - logged;
            println!("{victim} is down: {} used {cpu:?} of {WATCHED:?} and logged {logged} lines", process.name());
            ensure!(cpu < WATCHED / 2, "{} is busy while {victim} is down: {cpu:?} of {WATCHED:?}", process.name());
            ensure!(
                logged < LOGGED_MAX,
                "{} logs {logged} lines in {WATCHED:?} while {victim} is down",
                process.name()
            );
        }
        cluster.process(victim).run()?;
        cluster.wait_ready(dnc_tests::cluster::READY_LIMIT).await?;
        cluster.wait_level(&name).await?;
    }
    cluster.passed()
}

fn others(cluster: &mut Cluster, victim: Victim) -> impl Iterator<Item = &mut Process> {
    cluster.processes().filter(move |process| (process.role, process.index) != (victim.role, victim.index))
}

fn lines(process: &Process) -> Result<usize> {
    Ok(process.log_text()?.lines().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suppression_that_goes_behind_the_clients_backs_is_noticed() -> Result<()> {
    let load = Load::default();
    let numbers = Numbers::for_clients(load.clients as usize);
    let cluster = Cluster::start().await?;
    cluster.import(&numbers.list_files()).await?;
    let urls = cluster.router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers.clone(), load);
    until(Duration::from_secs(30), "some suppressions", || async {
        Ok((workload.report().counts.suppressed > 50).then_some(()))
    })
    .await?;
    ensure!(workload.report().holds(), "nothing was done yet: {}", workload.report());
    // What a cluster that loses suppressions would look like to its callers.
    let router = cluster.router(1).await?;
    for number in numbers.own.iter().flatten() {
        router.release(&number.to_string(), "").await.context("release")?;
    }
    let report = workload.stop().await?.judge(&Routers::new(&urls)?).await;
    ensure!(report.count(Kind::FalseClear) > 0 && report.count(Kind::Lost) > 0, "not noticed: {report}");
    ensure!(report.count(Kind::FailedCheck) == 0, "{report}");
    cluster.passed()
}
