//! A whole cluster that ends, one way or the other, comes back with all that it had.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};
use dnc_tests::cluster::{Cluster, ClusterName};
use dnc_tests::grpc::verdict;
use dnc_tests::numbers::Numbers;

/// How long a process may take to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(20);

/// What the cluster must know, before and after.
struct Known {
    numbers: Numbers,
    suppressed: BTreeSet<PhoneNumber>,
    registries: dnc_proto::v1::ListRegistriesResponse,
    name: ClusterName,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_killed_at_once_keeps_everything() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let mut known = fill(&cluster).await?;
    for _ in 0..2 {
        cluster.kill_all()?;
        cluster.run_all().await?;
        compare(&cluster, &known).await.context("after kill -9 of every process")?;
        write_on(&cluster, &mut known).await?;
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_asked_to_end_keeps_everything() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let mut known = fill(&cluster).await?;
    cluster.terminate_all(END_LIMIT).await?;
    cluster.run_all().await?;
    compare(&cluster, &known).await.context("after SIGTERM to every process")?;
    write_on(&cluster, &mut known).await?;
    compare(&cluster, &known).await?;
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_killed_just_after_it_acknowledged_keeps_what_it_acknowledged() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    for number in numbers.own[0].iter().take(5) {
        let router = cluster.router(0).await?;
        router.suppress(&number.to_string(), "").await?;
        cluster.kill_all()?;
        cluster.run_all().await?;
        let router = cluster.router(1).await?;
        ensure!(router.check(*number).await? == Verdict::Listed, "an acknowledged suppression is gone");
    }
    cluster.passed()
}

/// Lists, a registry of one's own, suppressions through both routers, some of them released again.
async fn fill(cluster: &Cluster) -> Result<Known> {
    let numbers = Numbers::for_clients(1);
    let name = cluster.name().await?;
    cluster.import(&numbers.list_files()).await?;
    let routers = [cluster.router(0).await?, cluster.router(1).await?];
    routers[0].create_registry("florida", "state").await?;
    let mut suppressed = BTreeSet::new();
    for (number, at) in numbers.own[0].iter().take(200).zip(0..) {
        routers[at % 2].suppress(&number.to_string(), "").await?;
        if at % 5 == 0 {
            routers[(at + 1) % 2].release(&number.to_string(), "").await?;
        } else {
            suppressed.insert(*number);
        }
    }
    let registries = routers[1].registries().await?;
    let known = Known { numbers, suppressed, registries, name };
    compare(cluster, &known).await.context("before anything happened")?;
    Ok(known)
}

/// Asks both routers for everything.
async fn compare(cluster: &Cluster, known: &Known) -> Result<()> {
    let numbers = &known.numbers;
    for index in 0..cluster.routers.len() {
        let router = cluster.router(index).await?;
        let registries = router.registries().await?;
        ensure!(registries == known.registries, "before: {:?}\nnow: {registries:?}", known.registries);
        for (expected, of) in [
            (Verdict::Listed, &numbers.listed),
            (Verdict::Clear, &numbers.clear),
            (Verdict::Unknown(Cause::NotCovered), &numbers.uncovered),
        ] {
            let texts: Vec<String> = of.iter().map(ToString::to_string).collect();
            let answer = router.bulk(&texts).await?;
            for result in &answer.results {
                ensure!(verdict(result)? == expected, "{expected:?} expected: {result:?}");
            }
        }
        let own = &numbers.own[0];
        let texts: Vec<String> = own.iter().map(ToString::to_string).collect();
        let answer = router.bulk(&texts).await?;
        for (number, result) in own.iter().zip(&answer.results) {
            let listed = known.suppressed.contains(number);
            let expected = if listed { Verdict::Listed } else { Verdict::Clear };
            ensure!(verdict(result)? == expected, "{expected:?} expected: {result:?}");
        }
    }
    let entries = cluster.compare_replicas(&known.name).await?;
    ensure!(entries == known.suppressed.len() as u64, "{entries} live entries, {} expected", known.suppressed.len());
    Ok(())
}

/// It must not only remember, but also go on.
async fn write_on(cluster: &Cluster, known: &mut Known) -> Result<()> {
    let router = cluster.router(0).await?;
    let fresh = known.numbers.own[0].iter().skip(200).find(|number| !known.suppressed.contains(*number));
    let fresh = *fresh.context("there are more numbers")?;
    router.suppress(&fresh.to_string(), "").await?;
    known.suppressed.insert(fresh);
    ensure!(router.check(fresh).await? == Verdict::Listed);
    Ok(())
}
