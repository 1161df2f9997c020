//! What happens to a cluster besides being asked: imports, restarts, a lost node; and what it takes of the machine.

use std::fs;
use std::io::ErrorKind;
use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::process::Process;
use dnc_tests::wait::until;

use super::Ours;

/// How long processes may take to end.
const END: Duration = Duration::from_secs(60);
/// How long a node that lost its data may take to have all of it again.
const REBUILD: Duration = Duration::from_secs(1_800);
/// How long a restarted process may take to be ready.
const READY: Duration = Duration::from_secs(300);

/// What the processes of one role take: the one that takes most.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Taken {
    /// Resident memory, bytes.
    pub memory: u64,
    /// The same of all of them together.
    pub memory_of_all: u64,
    /// The same at its peak.
    pub peak: u64,
    /// Data on disk, bytes.
    pub disk: u64,
}

/// The time that processes kept a processor busy, of all routers and all nodes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Busy {
    /// Routers.
    pub routers: Duration,
    /// Nodes.
    pub nodes: Duration,
}

// === impl Busy ===

impl Sub for Busy {
    type Output = Busy;

    fn sub(self, before: Busy) -> Busy {
        Busy { routers: self.routers - before.routers, nodes: self.nodes - before.nodes }
    }
}

// === impl Ours ===

impl Ours {
    /// Imports a list file into the federal registry, with today's date; how long it took until it was acknowledged.
    pub async fn import(&self, header: v1::ImportHeader, file: &Path) -> Result<Duration> {
        let client = self.client()?;
        let list_date = dnc_tests::numbers::today().to_string();
        let header = v1::ImportHeader { registry: "federal".into(), list_date, ..header };
        let begun = Instant::now();
        client.import(header, &[file.to_path_buf()], |_| {}).await.context("import")?;
        Ok(begun.elapsed())
    }

    /// What the nodes take, and what the router takes.
    pub fn taken(&self) -> Result<(Taken, Taken)> {
        let nodes = self
            .cluster
            .nodes
            .iter()
            .map(|node| Ok(Taken { disk: bytes_in(&self.data_of(node.index))?, ..taken(node)? }));
        let most = |a: Taken, b: Taken| Taken {
            memory: a.memory.max(b.memory),
            memory_of_all: a.memory_of_all + b.memory_of_all,
            peak: a.peak.max(b.peak),
            disk: a.disk.max(b.disk),
        };
        let nodes = nodes.collect::<Result<Vec<_>>>()?.into_iter().fold(Taken::default(), most);
        Ok((nodes, taken(&self.cluster.routers[0])?))
    }

    /// How long routers and nodes have been busy so far.
    pub fn busy(&self) -> Result<Busy> {
        let sum = |processes: &[Process]| processes.iter().map(Process::cpu_time).sum::<Result<Duration>>();
        Ok(Busy { routers: sum(&self.cluster.routers)?, nodes: sum(&self.cluster.nodes)? })
    }

    /// Ends all processes and starts them again; how long it took from the start until all of them served.
    pub async fn restart(&mut self) -> Result<Duration> {
        self.cluster.terminate_all(END).await?;
        let begun = Instant::now();
        self.cluster.processes().try_for_each(Process::run)?;
        self.cluster.wait_ready(READY).await?;
        Ok(begun.elapsed())
    }

    /// Kills a node and deletes its data; how long it took from its start, empty, until it had all of it again.
    pub async fn lose_node(&mut self, index: usize) -> Result<Duration> {
        let id = self.cluster.node_id(index).await?;
        let folder = self.data_of(index);
        let node = &mut self.cluster.nodes[index];
        node.kill9()?;
        fs::remove_dir_all(&folder).with_context(|| format!("delete {}", folder.display()))?;
        fs::create_dir(&folder)?;
        let begun = Instant::now();
        node.run()?;
        let client = self.client()?;
        // It comes back as another node, which takes what the lost one held as soon as it has joined.
        let plan = until(READY, "the lost node to be replaced", || async {
            let request = v1::ReplaceNodeRequest { node: id, ..v1::ReplaceNodeRequest::default() };
            Ok(client.replace_node(request).await.map(Some)?)
        })
        .await?;
        let plan = plan.plan.context("a plan was begun")?;
        let ended = until(REBUILD, "the replicas to be made anew", || async {
            let history = client.plan_history().await?;
            let known = history.plans.into_iter().find(|known| known.plan_id == plan.plan_id);
            Ok(known.filter(|plan| plan.ended_at.is_some()))
        })
        .await?;
        ensure!(ended.state == "done" && ended.dropped == 0, "the plan ended otherwise: {ended:?}");
        Ok(begun.elapsed())
    }

    fn data_of(&self, node: usize) -> PathBuf {
        self.cluster.folder().join(format!("node-{node}"))
    }

    fn client(&self) -> Result<Client> {
        Client::new(self.cluster.router_urls()).context("name the router")
    }
}

fn taken(process: &Process) -> Result<Taken> {
    let (memory, peak) = process.memory()?;
    Ok(Taken { memory, memory_of_all: memory, peak, disk: 0 })
}

/// The bytes that a folder takes on disk.
fn bytes_in(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("look into {}", folder.display()))? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(known) if known.is_dir() => bytes_in(&entry.path())?,
            Ok(known) => known.blocks() * 512,
            // RocksDB deletes files whenever it likes.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("look at {}", entry.path().display())),
        };
    }
    Ok(bytes)
}
