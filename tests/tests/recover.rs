//! Shards that lost two of three replicas for good go on from the third: what it had stays, and who was given up is never
//! believed again, not even two of them together while nobody can tell them.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnc_core::ids::NodeId;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1::RecoverShardsRequest;
use dnc_router::client::Client;
use dnc_tests::cluster::{Cluster, ClusterName, READY_LIMIT, replicas_of};
use dnc_tests::grpc::Router;
use dnc_tests::numbers::Numbers;
use dnc_tests::wait::until;
use serde_json::Value;

/// How long a cluster may take to be whole again on a machine that is busy.
const WHOLE_LIMIT: Duration = Duration::from_secs(240);
/// Numbers that are suppressed before, and after.
const NUMBERS: usize = 60;

/// The worst of what is answered for these numbers: asking ends at the first that is not listed.
async fn worst(router: &Router, numbers: &[PhoneNumber]) -> Result<Verdict> {
    for number in numbers {
        match router.check(*number).await? {
            Verdict::Listed => {}
            other => return Ok(other),
        }
    }
    Ok(Verdict::Listed)
}

/// Waits until all of them are listed; none may be clear on the way there.
async fn all_listed(router: &Router, numbers: &[PhoneNumber], what: &str) -> Result<()> {
    let known = until(READY_LIMIT, what, || async {
        let worst = worst(router, numbers).await?;
        Ok((!matches!(worst, Verdict::Unknown(_))).then_some(worst))
    });
    ensure!(known.await? == Verdict::Listed, "a false clear: {what}");
    Ok(())
}

async fn suppress(router: &Router, numbers: &[PhoneNumber]) -> Result<()> {
    for number in numbers {
        until(READY_LIMIT, "a suppression to be acknowledged", || async {
            Ok(router.suppress(&number.to_string(), "").await.is_ok().then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// A cluster with a list and the first opt-outs, all replicas level.
async fn begun() -> Result<(Cluster, Numbers)> {
    let cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    suppress(&cluster.router(0).await?, &numbers.own[0][..NUMBERS]).await?;
    cluster.wait_level(&cluster.name().await?).await?;
    Ok((cluster, numbers))
}

async fn whole(client: &Client) -> Result<()> {
    until(WHOLE_LIMIT, "the cluster to be healthy", || async {
        let status = client.cluster_status().await?;
        if !status.healthy || status.shards_under_replicated > 0 || status.plan.is_some() {
            bail!("{:?}", status.problems.iter().map(|problem| &problem.what).collect::<Vec<_>>());
        }
        Ok(Some(()))
    })
    .await
}

/// Waits until this process says that one of the shards is led by it.
async fn leads(cluster: &Cluster, name: &ClusterName, nodes: &[usize]) -> Result<()> {
    until(READY_LIMIT, "the nodes that were given up to lead what they believe in", || async {
        let led = cluster.led(name).await;
        Ok(nodes.iter().any(|node| led.get(node).copied().unwrap_or(0) > 0).then_some(()))
    })
    .await
}

fn none() -> RecoverShardsRequest {
    RecoverShardsRequest::default()
}

/// `dnc cluster recover ...`, as an operator types it without a terminal: what it prints, and what it complains of.
async fn dnc(cluster: &Cluster, arguments: &[&str]) -> Result<(Value, String)> {
    let mut command = Command::new(cluster.binary());
    command.args(["cluster", "recover", "--output", "json", "--router"]).arg(cluster.router_urls().join(","));
    command.args(arguments).stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(READY_LIMIT, running).await.context("the command hangs")???;
    Ok((serde_json::from_slice(&output.stdout).unwrap_or_default(), String::from_utf8_lossy(&output.stderr).into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_go_on_from_one_replica_and_who_was_given_up_is_never_believed_again() -> Result<()> {
    let (mut cluster, numbers) = begun().await?;
    let name = cluster.name().await?;
    let (router, client) = (cluster.router(0).await?, Client::new(cluster.router_urls())?);
    let (before, after) = numbers.own[0][..2 * NUMBERS].split_at(NUMBERS);
    let refused = client.recover_shards(RecoverShardsRequest { shards: vec![0], why: "none".into(), ..none() });
    ensure!(refused.await.is_err(), "a shard with a majority was recovered");

    let mut gone: Vec<NodeId> = vec![cluster.node_id(1).await?, cluster.node_id(2).await?];
    gone.sort_unstable();
    for node in [1, 2] {
        cluster.nodes[node].kill9()?;
    }
    until(READY_LIMIT, "numbers to be unknown", || async {
        Ok(matches!(router.check(before[0]).await?, Verdict::Unknown(Cause::Unavailable)).then_some(()))
    })
    .await?;
    let preview = client.preview_recovery().await?;
    ensure!(preview.refused.is_empty() && !preview.warnings.is_empty(), "{preview:?}");
    ensure!(preview.gone.iter().map(|node| node.node).eq(gone.iter().copied()), "{preview:?}");
    let shards: Vec<u32> = preview.shards.iter().map(|shard| shard.shard).collect();
    let named = RecoverShardsRequest { shards, gone: gone.clone(), why: "two volumes were lost".into(), ..none() };
    let few = RecoverShardsRequest { shards: named.shards[1..].to_vec(), ..named.clone() };
    ensure!(client.recover_shards(few).await.is_err(), "not all shards that are given up were named");
    let few = RecoverShardsRequest { gone: gone[1..].to_vec(), ..named.clone() };
    ensure!(client.recover_shards(few).await.is_err(), "not all nodes that are given up were named");
    ensure!(worst(&router, before).await? == Verdict::Unknown(Cause::Unavailable), "nothing may be answered before");
    let done = client.recover_shards(named).await.context("recover the shards")?;
    ensure!(done.gone == gone, "{done:?}");

    // One replica serves alone, then all are made anew on nodes that come.
    all_listed(&router, before, "what was acknowledged before").await?;
    suppress(&router, after).await?;
    ensure!(!client.cluster_status().await?.healthy, "two of three replicas are missing");
    cluster.add_node().await?;
    cluster.add_node().await?;
    whole(&client).await?;
    all_listed(&router, before, "what was acknowledged before").await?;
    all_listed(&router, after, "what was acknowledged after").await?;
    ensure!(client.plan_history().await?.recoveries == [done], "it is not in the history");

    // The two come back with all that they had, and nobody can tell them: they are a majority of what the groups were.
    cluster.meta.iter_mut().try_for_each(dnc_tests::process::Process::kill9)?;
    for node in [1, 2] {
        cluster.nodes[node].run()?;
    }
    leads(&cluster, &name, &[1, 2]).await?;
    for _ in 0..5 {
        all_listed(&router, after, "what they do not know of").await?;
    }
    let late = &numbers.own[0][2 * NUMBERS..2 * NUMBERS + 20];
    suppress(&router, late).await?;
    all_listed(&router, late, "what was acknowledged meanwhile").await?;

    // Once they hear of it they give up what they had, and join as others.
    cluster.meta.iter_mut().try_for_each(dnc_tests::process::Process::run)?;
    for node in [1, 2] {
        let (address, data) = (cluster.nodes[node].grpc, cluster.nodes[node].data.clone());
        until(READY_LIMIT, "a node that was given up to join as another", || async {
            let id = replicas_of(address, &name, false).await?.node;
            Ok((!gone.contains(&id)).then_some(()))
        })
        .await?;
        let kept = std::fs::read_dir(data)?.flatten();
        let aside = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("damaged-")).count();
        ensure!(aside == 1, "what it had is kept aside");
    }
    whole(&client).await?;
    for listed in [before, after, late] {
        all_listed(&router, listed, "everything").await?;
    }
    ensure!(cluster.compare_replicas(&name).await? > 0, "the replicas are equal because they are empty");
    let catalog = cluster.catalog().await?;
    ensure!(gone.iter().all(|node| !catalog.nodes.contains_key(node)), "they are retired");
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_goes_on_whoever_dies_between_its_steps() -> Result<()> {
    let (mut cluster, numbers) = begun().await?;
    let name = cluster.name().await?;
    let (router, client) = (cluster.router(0).await?, Client::new(cluster.router_urls())?);
    let (before, after) = numbers.own[0][..2 * NUMBERS].split_at(NUMBERS);
    let mut gone = [cluster.node_id(1).await?, cluster.node_id(2).await?];
    gone.sort_unstable();
    for _ in 0..2 {
        cluster.forget_node(cluster.nodes[1].index)?.kill9()?;
    }

    let told = until(READY_LIMIT, "the shards to be without a majority", || async {
        let (told, _) = dnc(&cluster, &[]).await?;
        Ok(told["confirm"].as_str().filter(|names| !names.is_empty()).map(str::to_owned))
    });
    let names = told.await?;
    for node in gone {
        ensure!(names.split(',').any(|name| name == format!("node-{node}")), "{names}");
    }
    let (done, why) = dnc(&cluster, &["--unsafe"]).await?;
    ensure!(done.is_null() && why.contains(&names), "nobody has confirmed it: {why}");
    let (done, why) = dnc(&cluster, &["--unsafe", "--confirm", &format!("node-9999,{names}")]).await?;
    ensure!(done.is_null() && why.contains(&names), "something else was confirmed: {why}");
    let (done, why) = dnc(&cluster, &["--unsafe", "--confirm", &names, "--why", "two volumes were lost"]).await?;
    ensure!(done["gone"] == serde_json::json!(gone), "{done} {why}");

    // It is decided. Who carries it out dies, and so does the only one that is left.
    let leader = cluster.meta_leader().await.context("a voter leads")?;
    cluster.meta[leader].kill9()?;
    cluster.nodes[0].kill9()?;
    cluster.nodes[0].run()?;
    all_listed(&router, before, "what was acknowledged before").await?;
    cluster.meta[leader].run()?;
    suppress(&router, after).await?;
    cluster.add_node().await?;
    cluster.add_node().await?;
    until(READY_LIMIT, "replicas to be made anew", || async {
        Ok(client.cluster_status().await?.plan.is_some_and(|plan| plan.done > 0).then_some(()))
    })
    .await?;
    let leader = cluster.meta_leader().await.context("a voter leads")?;
    cluster.meta[leader].kill9()?;
    whole(&client).await?;
    cluster.meta[leader].run()?;
    for listed in [before, after] {
        all_listed(&router, listed, "everything").await?;
    }
    cluster.wait_level(&name).await?;
    ensure!(cluster.compare_replicas(&name).await? > 0, "the replicas are equal because they are empty");
    cluster.passed()
}
