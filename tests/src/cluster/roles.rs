//! Who is who in a cluster that runs, and nodes that come to it or leave it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use super::places::{Loopback, Places};
use super::{Cluster, READY_LIMIT, launch};
use crate::http;
use crate::process::Process;

/// How long a voter may take to show its metrics: one that stands still must not hold the others up.
const METRICS_LIMIT: Duration = Duration::from_secs(2);

// === impl Cluster ===

impl Cluster {
    /// Starts one more node and waits until it is ready; it holds nothing yet. Gives its place in this cluster.
    pub async fn add_node(&mut self) -> Result<usize> {
        self.add_node_in(&mut Loopback).await
    }

    /// The same where `places` puts it.
    pub async fn add_node_in(&mut self, places: &mut dyn Places) -> Result<usize> {
        let index = self.nodes.iter().map(|node| node.index + 1).max().unwrap_or(0);
        let launch = launch::node(self.folder(), self.binary(), index, &self.meta, places)?;
        self.nodes.push(Process::start(launch)?);
        self.nodes.last_mut().expect("it was just pushed").wait_ready(READY_LIMIT).await?;
        Ok(index)
    }

    /// Takes a node that has left the cluster out of it: it is nobody's node any more, and ends when it is dropped.
    pub fn forget_node(&mut self, index: usize) -> Result<Process> {
        let at = self.nodes.iter().position(|node| node.index == index).context("there is such a node")?;
        Ok(self.nodes.remove(at))
    }

    /// The id that the cluster gave to a node.
    pub async fn node_id(&self, index: usize) -> Result<u64> {
        let node = self.nodes.iter().find(|node| node.index == index).context("there is such a node")?;
        let address = node.grpc.to_string();
        let catalog = self.catalog().await?;
        let mut ids = catalog.nodes.iter().filter(|(_, known)| known.addresses.service == address).map(|(id, _)| *id);
        let id = ids.next().with_context(|| format!("{} has not joined", node.name()))?;
        ensure!(ids.next().is_none(), "two nodes are at {address}");
        Ok(id)
    }

    /// Which meta voter leads, by its own word.
    pub async fn meta_leader(&self) -> Option<usize> {
        for voter in &self.meta {
            let Ok(Ok(answer)) = timeout(METRICS_LIMIT, http::get(voter.http, "/metrics")).await else { continue };
            let leads = |line: &str| line.starts_with("dnc_meta_is_leader") && line.trim_end().ends_with(" 1");
            if answer.text().lines().any(leads) {
                return Some(voter.index);
            }
        }
        None
    }
}
