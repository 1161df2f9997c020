//! A whole cluster of real processes on loopback, in one temporary folder.
//!
//! [`Cluster::start`] gives one that is ready; faults are done to its processes one by one. A
//! cluster that is dropped ends all of its processes; its folder, logs and all, is kept and named
//! unless [`Cluster::passed`] was called. Only one cluster runs on a machine at a time: they measure
//! time, and would disturb each other.

mod fault;
mod launch;
mod lock;
mod places;
mod replicas;
mod roles;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

pub use self::fault::{Fault, Recovery};
pub use self::places::{Loopback, Place, Places};
pub use self::replicas::{ClusterName, ReplicaState, connect, replicas_of};
use crate::process::{Process, Role};

/// How long a process may take until it is ready, on a machine that is busy.
pub const READY_LIMIT: Duration = Duration::from_secs(60);

/// What processes log unless a test says otherwise.
pub const LOG_FILTER: &str = "info";

/// How often a cluster is started with other ports, if some are taken.
const TRIES: usize = 3;

/// How many processes of each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Voters of the meta group.
    pub meta: usize,
    /// Storage nodes.
    pub nodes: usize,
    /// Routers.
    pub routers: usize,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Voters of the meta group.
    pub meta: Vec<Process>,
    /// Storage nodes.
    pub nodes: Vec<Process>,
    /// Routers.
    pub routers: Vec<Process>,
    binary: PathBuf,
    folder: Option<TempDir>,
    // Let go last: the next cluster may start when all processes have ended.
    _alone: Option<lock::Alone>,
}

/// Names one process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Victim {
    /// Its role.
    pub role: Role,
    /// Which one of its role, from 0.
    pub index: usize,
}

// === impl Size ===

impl Default for Size {
    fn default() -> Self {
        Size { meta: 3, nodes: 3, routers: 2 }
    }
}

impl Size {
    /// All processes: meta voters, then nodes, then routers.
    pub fn victims(self) -> Vec<Victim> {
        [(Role::Meta, self.meta), (Role::Node, self.nodes), (Role::Router, self.routers)]
            .into_iter()
            .flat_map(|(role, count)| (0..count).map(move |index| Victim { role, index }))
            .collect()
    }
}

// === impl Cluster ===

impl Cluster {
    /// Starts a cluster of the default size and waits until all of it is ready.
    pub async fn start() -> Result<Cluster> {
        Cluster::of(Size::default(), LOG_FILTER).await
    }

    /// Starts a cluster of the default size that logs what `DNC_LOG` would say.
    pub async fn start_logging(filter: &str) -> Result<Cluster> {
        Cluster::of(Size::default(), filter).await
    }

    async fn of(size: Size, filter: &str) -> Result<Cluster> {
        let alone = lock::Alone::wait().await?;
        let mut cluster = Cluster::start_beside(size, filter).await?;
        cluster._alone = Some(alone);
        Ok(cluster)
    }

    /// Starts a cluster whose processes live where `places` puts them, and waits until all of it is ready.
    pub async fn start_in(size: Size, places: &mut dyn Places) -> Result<Cluster> {
        let alone = lock::Alone::wait().await?;
        let mut cluster = Cluster::launch(size, LOG_FILTER, places)?;
        cluster._alone = Some(alone);
        cluster.wait_ready(READY_LIMIT).await?;
        Ok(cluster)
    }

    /// Starts a cluster without asking whether another one runs: for a second one in the same test.
    pub async fn start_beside(size: Size, filter: &str) -> Result<Cluster> {
        for _ in 1..TRIES {
            let mut cluster = Cluster::launch(size, filter, &mut Loopback)?;
            match cluster.wait_ready(READY_LIMIT).await {
                Ok(()) => return Ok(cluster),
                Err(_) if cluster.lost_a_port() => {
                    cluster.folder = None;
                }
                Err(error) => return Err(error),
            }
        }
        let mut cluster = Cluster::launch(size, filter, &mut Loopback)?;
        cluster.wait_ready(READY_LIMIT).await?;
        Ok(cluster)
    }

    fn launch(size: Size, filter: &str, places: &mut dyn Places) -> Result<Cluster> {
        let folder =
            tempfile::Builder::new().prefix("dnc-tests-").tempdir().context("make a folder for the cluster")?;
        let plan = launch::plan(folder.path(), &launch::keep_binary(folder.path())?, size, filter, places)?;
        let mut cluster = Cluster {
            meta: Vec::new(),
            nodes: Vec::new(),
            routers: Vec::new(),
            binary: plan.binary,
            folder: Some(folder),
            _alone: None,
        };
        for launch in plan.launches {
            let process = Process::start(launch)?;
            match process.role {
                Role::Meta => cluster.meta.push(process),
                Role::Node => cluster.nodes.push(process),
                Role::Router => cluster.routers.push(process),
            }
        }
        Ok(cluster)
    }

    /// How many processes of each role there are, running or not.
    pub fn size(&self) -> Size {
        Size { meta: self.meta.len(), nodes: self.nodes.len(), routers: self.routers.len() }
    }

    /// One process.
    pub fn process(&mut self, victim: Victim) -> &mut Process {
        let processes = match victim.role {
            Role::Meta => &mut self.meta,
            Role::Node => &mut self.nodes,
            Role::Router => &mut self.routers,
        };
        &mut processes[victim.index]
    }

    /// All processes: meta voters, then nodes, then routers.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.meta.iter_mut().chain(&mut self.nodes).chain(&mut self.routers)
    }

    /// Waits until every process is ready.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        for process in self.processes() {
            process.wait_ready(limit).await?;
        }
        Ok(())
    }

    /// Kills every process at once, without warning.
    pub fn kill_all(&mut self) -> Result<()> {
        self.processes().try_for_each(Process::kill9)
    }

    /// Asks every process to end, routers first, and waits for each.
    pub async fn terminate_all(&mut self, limit: Duration) -> Result<()> {
        let mut processes: Vec<_> = self.processes().collect();
        processes.reverse();
        for process in processes {
            let status = process.terminate(limit).await?;
            if !status.success() {
                bail!("{} ended with {status} when it was asked to end", process.name());
            }
        }
        Ok(())
    }

    /// Starts every process again, and waits until all are ready.
    pub async fn run_all(&mut self) -> Result<()> {
        self.processes().try_for_each(Process::run)?;
        self.wait_ready(READY_LIMIT).await
    }

    /// The routers' gRPC addresses as URLs.
    pub fn router_urls(&self) -> Vec<String> {
        self.routers.iter().map(|r| url(r.grpc)).collect()
    }

    /// The folder with all data and logs.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map(TempDir::path).expect("it is taken only when the cluster is dropped or passed")
    }

    /// The program that the processes run.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Says that all went well: the folder is deleted.
    pub fn passed(mut self) -> Result<()> {
        self.kill_all()?;
        if let Some(folder) = self.folder.take() {
            folder.close().context("delete the cluster's folder")?;
        }
        Ok(())
    }

    /// Whether some process ended because its port was taken meanwhile.
    fn lost_a_port(&mut self) -> bool {
        self.processes().any(|process| {
            let ended = !process.is_running();
            let log = process.log_text().unwrap_or_default();
            ended && (log.contains("another process listens there") || log.contains("in use"))
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Each process is ended by its own drop as well; here all go before the folder is named.
        let _ = self.kill_all();
        if let Some(folder) = self.folder.take() {
            let kept = folder.keep();
            #[allow(clippy::print_stderr, reason = "whoever reads a failed test looks here")]
            {
                eprintln!("data and logs of the cluster are kept in {}", kept.display());
            }
        }
    }
}

/// An address as a URL for gRPC.
pub fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
