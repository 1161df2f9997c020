//! A node with damaged data is whole again by itself, as another node; nothing acknowledged is lost, and no check fails.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnc_core::catalog::Repair;
use dnc_core::ids::NodeId;
use dnc_tests::cluster::{Cluster, ClusterName, Loopback, Place, Places, READY_LIMIT, Size, Victim, replicas_of};
use dnc_tests::numbers::Numbers;
use dnc_tests::process::Role;
use dnc_tests::wait::until;
use dnc_tests::workload::{Load, Routers, Workload};

/// How long it may take until a damaged node is replaced by itself.
const REPAIR_LIMIT: Duration = Duration::from_secs(120);

/// All on loopback; nodes read all that they store every two seconds.
struct Scrubbing;

impl Places for Scrubbing {
    fn place(&mut self, process: Victim, data: &Path) -> Result<Place> {
        let mut place = Loopback.place(process, data)?;
        if process.role == Role::Node {
            place.around.variables.push(("DNC_SCRUB__INTERVAL_S".into(), "2".into()));
        }
        Ok(place)
    }
}

/// What is done to the data of a node that does not run.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// A byte is flipped in each table and in the log.
    TablesAndLog,
    /// A byte is flipped in each table: the store opens, and the damage is found while the node serves.
    Tables,
    /// All is gone but the card that says whose it was.
    Gone,
}

impl Damage {
    fn hurt(self, data: &Path) -> Result<()> {
        match self {
            Damage::TablesAndLog => {
                flip(data, "sst", 10)?;
                flip(data, "log", 2)
            }
            Damage::Tables => flip(data, "sst", 10),
            Damage::Gone => {
                for entry in fs::read_dir(data)? {
                    let path = entry?.path();
                    if path.file_name().is_none_or(|name| name != "node-card") {
                        if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
                    }
                }
                Ok(())
            }
        }
    }
}

/// Flips a byte of each such file, at this part of it.
fn flip(data: &Path, extension: &str, part: usize) -> Result<()> {
    let mut flipped = 0;
    for entry in fs::read_dir(data).with_context(|| format!("list {}", data.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        let mut bytes = fs::read(&path)?;
        let at = bytes.len() / part;
        let Some(byte) = bytes.get_mut(at) else { continue };
        *byte ^= 0x10;
        fs::write(&path, bytes)?;
        flipped += 1;
    }
    ensure!(flipped > 0, "there is no .{extension} in {}", data.display());
    Ok(())
}

async fn id_of(cluster: &Cluster, name: &ClusterName, node: usize) -> Result<NodeId> {
    Ok(replicas_of(cluster.nodes[node].grpc, name, false).await?.node)
}

/// Waits until a node has been replaced by itself, and all shards are whole.
async fn replaced(cluster: &Cluster, name: &ClusterName, node: usize, before: NodeId) -> Result<()> {
    until(REPAIR_LIMIT, &format!("node {before} to be replaced by itself"), || async {
        let catalog = cluster.catalog().await?;
        if catalog.nodes.contains_key(&before) {
            bail!("it is in the catalog yet: {:?}", catalog.moves.repairs.get(&before));
        }
        Ok(catalog.moves.repairs.is_empty().then_some(()))
    })
    .await?;
    cluster.wait_all_caught_up(name, 3).await?;
    let after = id_of(cluster, name, node).await?;
    ensure!(after > before, "it is node {after} and was node {before}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_nodes_are_whole_again_by_themselves_while_the_others_serve() -> Result<()> {
    let load = Load::default();
    let numbers = Numbers::for_clients(load.clients as usize);
    let mut cluster = Cluster::start_in(Size::default(), &mut Scrubbing).await?;
    let name = cluster.name().await?;
    cluster.import(&numbers.list_files()).await?;
    let urls = cluster.router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers, load);
    for (node, damage) in [Damage::TablesAndLog, Damage::Tables, Damage::Gone].into_iter().enumerate() {
        // A start makes tables of what is in the log.
        cluster.nodes[node].restart(READY_LIMIT).await?;
        cluster.wait_all_caught_up(&name, 3).await?;
        let before = id_of(&cluster, &name, node).await?;
        cluster.nodes[node].kill9()?;
        damage.hurt(&cluster.nodes[node].data)?;
        cluster.nodes[node].run()?;
        replaced(&cluster, &name, node, before).await.with_context(|| format!("node {node}, {damage:?}"))?;
        println!("{damage:?}: node {before} is replaced, {} violations so far", workload.report().violations.len());
    }
    let history = workload.stop().await?;
    cluster.wait_level(&name).await?;
    let report = history.judge(&Routers::new(&urls)?).await;
    ensure!(report.holds(), "{report}");
    ensure!(report.counts.checks > 2_000 && report.counts.suppressed > 100, "too little load: {report}");
    ensure!(cluster.compare_replicas(&name).await? > 0, "the replicas are equal because they are empty");
    for node in &cluster.nodes {
        let aside = fs::read_dir(&node.data)?.flatten();
        let kept = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("damaged-")).count();
        ensure!(kept == 1, "{} keeps {kept} folders of damaged data", node.name());
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_node_keeps_its_data_while_a_shard_would_lose_its_majority_without_it() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let name = cluster.name().await?;
    // A log of many records: a last one that cannot be read may be a write that was cut short, and is no damage.
    cluster.import(&Numbers::for_clients(1).list_files()).await?;
    let before = id_of(&cluster, &name, 0).await?;
    cluster.nodes[1].kill9()?;
    cluster.nodes[0].kill9()?;
    flip(&cluster.nodes[0].data, "log", 2)?;
    cluster.nodes[0].run()?;
    until(REPAIR_LIMIT, "the repair to wait for a majority", || async {
        let repair = cluster.catalog().await?.moves.repairs.get(&before).copied();
        ensure!(matches!(repair, None | Some(Repair::Waiting)), "it was let go: {repair:?}");
        let mut logs = cluster.meta.iter().map(|voter| voter.log_text().unwrap_or_default());
        Ok(logs.any(|log| log.contains("has no majority of whole replicas without it")).then_some(()))
    })
    .await?;
    ensure!(cluster.nodes[0].is_running(), "it waits, it does not end");
    ensure!(cluster.nodes[0].data.join("CURRENT").exists(), "its data is where it was");
    cluster.nodes[1].run()?;
    replaced(&cluster, &name, 0, before).await?;
    cluster.compare_replicas(&name).await?;
    cluster.passed()
}
