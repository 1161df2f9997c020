//! Replicas that move away from a node, as an operator has it done.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{DrainNodeRequest, PlanProgress};
use dnc_router::client::Client;
use dnc_tests::cluster::{Cluster, ClusterName, replicas_of, url};
use dnc_tests::wait::until;

/// How long moves may take, a node that is down meanwhile included.
const LIMIT: Duration = Duration::from_secs(60);

/// One plan that is carried out.
pub struct Drain {
    client: Client,
    plan: PlanProgress,
    /// The node, by its place in the cluster.
    node: usize,
}

// === impl Drain ===

impl Drain {
    /// Asks a router to have a node give all of its replicas away.
    pub async fn begin(cluster: &Cluster, node: usize, through: SocketAddr) -> Result<Drain> {
        let client = Client::new([url(through)])?;
        let request = DrainNodeRequest { node: cluster.node_id(node).await?, ..DrainNodeRequest::default() };
        let started = client.drain_node(request).await.context("drain a node")?;
        Ok(Drain { client, plan: started.plan.context("the node has replicas to give away")?, node })
    }

    /// Waits until so many of its moves are done.
    pub async fn moved(&self, moves: u32) -> Result<()> {
        until(LIMIT, "replicas to move", || async { Ok((self.progress().await?.done >= moves).then_some(())) }).await
    }

    /// Waits until all of them are, and the node holds no replica by its own word.
    pub async fn ended(&self, cluster: &Cluster, name: &ClusterName) -> Result<()> {
        let ended = until(LIMIT, "a plan to end", || async {
            let now = self.progress().await?;
            Ok(now.ended_at.is_some().then_some(now))
        })
        .await?;
        ensure!(ended.dropped == 0, "{} moves were given up", ended.dropped);
        let node = cluster.nodes.iter().find(|node| node.index == self.node).context("there is such a node")?;
        until(LIMIT / 3, "a drained node to hold nothing", || async {
            let answer = replicas_of(node.grpc, name, false).await?;
            ensure!(answer.replicas.is_empty(), "it holds {} replicas", answer.replicas.len());
            Ok(Some(()))
        })
        .await
    }

    async fn progress(&self) -> Result<PlanProgress> {
        let history = self.client.plan_history().await?;
        history.plans.into_iter().find(|known| known.plan_id == self.plan.plan_id).context("a plan is not forgotten")
    }
}
