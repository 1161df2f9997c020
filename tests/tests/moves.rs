//! Replicas move and processes stop in order while checks and opt-outs go on: no check fails, nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnc_proto::v1::{ApplyPlanRequest, DrainNodeRequest, PlanProgress, ReplaceNodeRequest};
use dnc_router::client::Client;
use dnc_tests::cluster::{Cluster, ClusterName, READY_LIMIT, Victim};
use dnc_tests::numbers::Numbers;
use dnc_tests::process::Role;
use dnc_tests::wait::until;
use dnc_tests::workload::{Load, Routers, Workload};

/// How long a plan may take on a machine that is busy.
const PLAN_LIMIT: Duration = Duration::from_secs(240);
/// How long a process may take to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Replicas of each shard.
const REPLICAS: usize = 3;

/// A cluster under load.
struct Busy {
    cluster: Cluster,
    name: ClusterName,
    urls: Vec<String>,
    client: Client,
    workload: Workload,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_and_another_one_leaves_though_who_carries_it_out_is_killed() -> Result<()> {
    let mut busy = Busy::start().await?;
    let newcomer = busy.cluster.add_node().await?;
    let started = busy.client.apply_plan(ApplyPlanRequest::default()).await?;
    let grown = busy.ended(&started.plan.context("the new node takes a share")?).await?;
    ensure!(grown.dropped == 0, "{grown:?}");
    let held = busy.held().await?;
    let (least, most) = (held.values().min().copied(), held.values().max().copied());
    ensure!(held.len() == 4 && most <= least.map(|least| least + 1), "not even: {held:?}");

    let leaver = 0;
    let node = busy.cluster.node_id(leaver).await?;
    let started = busy.client.drain_node(DrainNodeRequest { node, ..DrainNodeRequest::default() }).await?;
    let plan = started.plan.context("a node that holds replicas has to give them away")?;
    busy.begun(&plan).await?;
    let leader = until(READY_LIMIT, "a meta leader", || async { Ok(busy.cluster.meta_leader().await) }).await?;
    let voter = Victim { role: Role::Meta, index: leader };
    busy.cluster.process(voter).kill9()?;
    // Its successor finds out by itself how far each move is.
    let drained = busy.ended(&plan).await?;
    ensure!(drained.dropped == 0 && drained.done == plan.moves, "{drained:?}");
    busy.cluster.process(voter).run()?;
    busy.cluster.process(voter).wait_ready(READY_LIMIT).await?;

    busy.client.retire_node(node).await?;
    ensure!(!busy.held().await?.contains_key(&leaver), "a retired node holds replicas");
    let mut process = busy.cluster.forget_node(leaver)?;
    let catalog = busy.cluster.catalog().await?;
    ensure!(!catalog.nodes.contains_key(&node), "the catalog still has node {node}");
    process.terminate(END_LIMIT).await?;
    ensure!(busy.held().await?.keys().any(|at| *at == newcomer));
    busy.judge(REPLICAS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_drained_while_another_one_is_killed() -> Result<()> {
    let mut busy = Busy::start().await?;
    busy.cluster.add_node().await?;
    let node = busy.cluster.node_id(0).await?;
    let started = busy.client.drain_node(DrainNodeRequest { node, ..DrainNodeRequest::default() }).await?;
    let plan = started.plan.context("a node that holds replicas has to give them away")?;
    busy.begun(&plan).await?;
    busy.cluster.nodes[1].kill9()?;
    // It stays away until every shard that moves had to do without it.
    until(PLAN_LIMIT, "moves without the killed node", || async {
        let now = busy.progress(&plan).await?;
        Ok((now.done > plan.moves / 2 || now.ended_at.is_some()).then_some(()))
    })
    .await?;
    busy.cluster.nodes[1].run()?;
    let drained = busy.ended(&plan).await?;
    ensure!(drained.dropped == 0, "{drained:?}");
    ensure!(!busy.held().await?.contains_key(&0), "a drained node holds replicas");
    busy.judge(REPLICAS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replicas_of_a_lost_node_are_made_anew_elsewhere() -> Result<()> {
    let mut busy = Busy::start().await?;
    busy.cluster.add_node().await?;
    let lost = busy.cluster.node_id(2).await?;
    busy.cluster.nodes[2].kill9()?;
    std::fs::remove_dir_all(&busy.cluster.nodes[2].data).context("delete a data folder")?;
    let request = ReplaceNodeRequest { node: lost, ..ReplaceNodeRequest::default() };
    let plan = busy.client.replace_node(request).await?.plan.context("it held replicas")?;
    let replaced = busy.ended(&plan).await?;
    ensure!(replaced.dropped == 0, "{replaced:?}");
    busy.client.retire_node(lost).await?;
    // What comes back at its place is another node: nothing that it said as the old one counts any more.
    busy.cluster.nodes[2].run()?;
    busy.cluster.nodes[2].wait_ready(READY_LIMIT).await?;
    ensure!(busy.cluster.node_id(2).await? > lost, "an id was given twice");
    busy.judge(REPLICAS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_plan_leaves_every_shard_with_all_its_replicas() -> Result<()> {
    let mut busy = Busy::start().await?;
    busy.cluster.add_node().await?;
    let node = busy.cluster.node_id(0).await?;
    let started = busy.client.drain_node(DrainNodeRequest { node, ..DrainNodeRequest::default() }).await?;
    let plan = started.plan.context("a node that holds replicas has to give them away")?;
    busy.begun(&plan).await?;
    busy.client.cancel_plan(&plan.plan_id).await?;
    let ended = busy.ended(&plan).await?;
    ensure!(ended.dropped > 0 && ended.done + ended.dropped == plan.moves, "{ended:?}");
    let serving = busy.client.recommission_node(node).await?;
    ensure!(serving.duty == "serving", "{serving:?}");
    busy.judge(REPLICAS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_fails_while_every_process_is_restarted_in_turn() -> Result<()> {
    let mut busy = Busy::start().await?;
    for victim in busy.cluster.size().victims() {
        let process = busy.cluster.process(victim);
        let status = process.terminate(END_LIMIT).await?;
        ensure!(status.success(), "{victim} ended with {status}");
        process.run()?;
        process.wait_ready(READY_LIMIT).await?;
        if victim.role == Role::Node {
            busy.cluster.wait_caught_up(&busy.name, victim.index).await?;
        }
    }
    busy.judge(REPLICAS).await
}

// === impl Busy ===

impl Busy {
    async fn start() -> Result<Busy> {
        let load = Load::default();
        let numbers = Numbers::for_clients(load.clients as usize);
        let cluster = Cluster::start().await?;
        let name = cluster.name().await?;
        cluster.import(&numbers.list_files()).await?;
        let urls = cluster.router_urls();
        let client = Client::new(&urls)?;
        let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers, load);
        Ok(Busy { cluster, name, urls, client, workload })
    }

    async fn progress(&self, plan: &PlanProgress) -> Result<PlanProgress> {
        let history = self.client.plan_history().await?;
        history.plans.into_iter().find(|known| known.plan_id == plan.plan_id).context("a plan is not forgotten")
    }

    /// Waits until some of its moves are done and others are not.
    async fn begun(&self, plan: &PlanProgress) -> Result<()> {
        until(PLAN_LIMIT, "a plan to begin", || async {
            let now = self.progress(plan).await?;
            Ok((now.done > 0).then_some(()))
        })
        .await?;
        match self.progress(plan).await?.ended_at {
            None => Ok(()),
            Some(_) => bail!("the plan had ended before anything could be done to it"),
        }
    }

    async fn ended(&self, plan: &PlanProgress) -> Result<PlanProgress> {
        until(PLAN_LIMIT, "a plan to end", || async {
            let now = self.progress(plan).await?;
            Ok(now.ended_at.is_some().then_some(now))
        })
        .await
    }

    /// How many replicas each node holds, by its own word.
    async fn held(&self) -> Result<BTreeMap<usize, usize>> {
        // A replica that was moved away is deleted a moment after the catalog says so.
        until(READY_LIMIT, "each shard to have its replicas and no other", || async {
            let shards = self.cluster.replicas(&self.name, false).await?;
            if shards.is_empty() || shards.values().any(|replicas| replicas.len() != REPLICAS) {
                return Ok(None);
            }
            let mut held = BTreeMap::new();
            for node in shards.values().flat_map(BTreeMap::keys) {
                *held.entry(*node).or_default() += 1;
            }
            Ok(Some(held))
        })
        .await
    }

    async fn judge(self, replicas: usize) -> Result<()> {
        let history = self.workload.stop().await?;
        self.cluster.wait_level_of(&self.name, replicas).await?;
        let report = history.judge(&Routers::new(&self.urls)?).await;
        ensure!(report.holds(), "{report}");
        ensure!(report.counts.checks > 1_000 && report.counts.suppressed > 20, "too little load: {report}");
        let entries = self.cluster.compare_replicas_of(&self.name, replicas).await?;
        ensure!(entries > 0, "the replicas are equal because they are empty");
        self.cluster.passed()
    }
}
