//! Meta voters in one process, over loopback: started, stopped and started again at the same addresses.

#![allow(dead_code, reason = "every test file uses its own part of the kit")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::catalog::{Catalog, Change, Decision, NodeAddresses};
use dnc_meta::{CatalogCache, Error, Listeners, MetaClient, Options, Voter, follow, run};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long anything may take in a test, on a machine that is busy with others.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Voters {
    folder: tempfile::TempDir,
    pub voters: Vec<Voter>,
    slots: Vec<Slot>,
}

enum Slot {
    /// Its ports are held, so that nobody else takes them.
    Stopped(Option<Listeners>),
    Running {
        ready: watch::Receiver<bool>,
        stop: CancellationToken,
        task: JoinHandle<Result<(), Error>>,
    },
}

/// A follower of the catalog, for as long as it is held.
pub struct Following {
    pub cache: CatalogCache,
    pub client: MetaClient,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

// === impl Voters ===

impl Voters {
    /// Voters with addresses and folders, none of them running.
    pub fn new(count: u64) -> Result<Self> {
        let mut voters = Vec::new();
        let mut slots = Vec::new();
        for id in 1..=count {
            let (service, raft) = (listen(0)?, listen(0)?);
            voters.push(Voter { id, service: service.local_addr()?.to_string(), raft: raft.local_addr()?.to_string() });
            slots.push(Slot::Stopped(Some(Listeners { service, raft })));
        }
        Ok(Self { folder: tempfile::tempdir()?, voters, slots })
    }

    /// Three voters, all running and ready.
    pub async fn three() -> Result<Self> {
        let mut voters = Self::new(3)?;
        for id in 1..=3 {
            voters.start(id)?;
        }
        for id in 1..=3 {
            voters.ready(id).await?;
        }
        Ok(voters)
    }

    pub fn data_dir(&self, id: u64) -> PathBuf {
        self.folder.path().join(id.to_string())
    }

    pub fn options(&self, id: u64) -> Options {
        Options::new(id, self.data_dir(id), self.voters.clone())
    }

    pub fn start(&mut self, id: u64) -> Result<()> {
        self.start_with(id, self.options(id))
    }

    pub fn start_with(&mut self, id: u64, options: Options) -> Result<()> {
        let voter = &self.voters[at(id)];
        let listeners = match &mut self.slots[at(id)] {
            Slot::Running { .. } => anyhow::bail!("voter {id} runs already"),
            Slot::Stopped(held) => match held.take() {
                Some(listeners) => listeners,
                None => Listeners { service: listen(port(&voter.service)?)?, raft: listen(port(&voter.raft)?)? },
            },
        };
        let (sender, ready) = watch::channel(false);
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(options, listeners, sender, stop.clone()));
        self.slots[at(id)] = Slot::Running { ready, stop, task };
        Ok(())
    }

    pub async fn ready(&mut self, id: u64) -> Result<()> {
        let Slot::Running { ready, .. } = &mut self.slots[at(id)] else {
            anyhow::bail!("voter {id} does not run");
        };
        timeout(LIMIT, ready.wait_for(|ready| *ready))
            .await
            .with_context(|| format!("wait for voter {id} to be ready"))?
            .with_context(|| format!("voter {id} has ended"))?;
        Ok(())
    }

    pub fn is_ready(&self, id: u64) -> bool {
        match &self.slots[at(id)] {
            Slot::Running { ready, .. } => *ready.borrow(),
            Slot::Stopped(_) => false,
        }
    }

    /// Stops a voter, in bounded time.
    pub async fn stop(&mut self, id: u64) -> Result<()> {
        if let Slot::Running { stop, .. } = &self.slots[at(id)] {
            stop.cancel();
        }
        let started = Instant::now();
        self.ended(id).await??;
        ensure!(started.elapsed() < Duration::from_secs(6), "voter {id} took {:?} to stop", started.elapsed());
        Ok(())
    }

    /// Waits until a voter has ended by itself; how it did.
    pub async fn ended(&mut self, id: u64) -> Result<Result<(), Error>> {
        match std::mem::replace(&mut self.slots[at(id)], Slot::Stopped(None)) {
            Slot::Running { task, .. } => {
                Ok(timeout(LIMIT, task).await.with_context(|| format!("wait for voter {id} to end"))??)
            }
            Slot::Stopped(_) => anyhow::bail!("voter {id} does not run"),
        }
    }

    /// Where callers reach these voters.
    pub fn addresses(&self, ids: &[u64]) -> Vec<String> {
        ids.iter().map(|id| self.voters[at(*id)].service.clone()).collect()
    }

    pub fn client(&self) -> MetaClient {
        MetaClient::new(self.addresses(&[1, 2, 3]))
    }

    pub fn follow(&self, ids: &[u64]) -> Following {
        following_with(self.addresses(ids), Catalog::default())
    }
}

impl Drop for Voters {
    /// Stops whoever still runs: a process that ends while RocksDB works pulls the locks from under its threads, and aborts.
    fn drop(&mut self) {
        let mut tasks = Vec::new();
        for slot in &mut self.slots {
            if let Slot::Running { stop, task, .. } = std::mem::replace(slot, Slot::Stopped(None)) {
                stop.cancel();
                tasks.push(task);
            }
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for task in tasks {
                    // A test that failed may have left one that cannot stop; the test's own error counts.
                    let _ = timeout(LIMIT, task).await;
                }
            });
        });
    }
}

// === impl Following ===

impl Following {
    pub async fn end(self) -> Result<()> {
        self.stop.cancel();
        timeout(LIMIT, self.task).await??;
        Ok(())
    }
}

/// A process that has this catalog and follows these voters.
pub fn following_with(addresses: Vec<String>, catalog: Catalog) -> Following {
    let cache = CatalogCache::new();
    cache.offer(catalog).expect("an empty cache takes any catalog");
    let stop = CancellationToken::new();
    let client = MetaClient::new(addresses);
    let task = tokio::spawn(follow(client.clone(), cache.clone(), stop.clone()));
    Following { cache, client, stop, task }
}

fn at(id: u64) -> usize {
    usize::try_from(id - 1).expect("a small id")
}

/// Listens on a loopback address of this process's own, so that a port stays free while its voter is stopped.
fn listen(port: u16) -> Result<TcpListener> {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let ip = IpAddr::V4(Ipv4Addr::new(127, b | 0x40, c, d.clamp(1, 254)));
    Ok(TcpListener::bind(SocketAddr::new(ip, port))?)
}

fn port(address: &str) -> Result<u16> {
    Ok(address.parse::<SocketAddr>()?.port())
}

/// A node that joins.
pub fn register(incarnation: u128) -> Change {
    Change::RegisterNode {
        incarnation,
        addresses: NodeAddresses {
            service: format!("node-{incarnation}:7501"),
            raft: format!("node-{incarnation}:7502"),
        },
        zone: format!("z{incarnation}"),
    }
}

pub fn node_id(decision: &Decision) -> Result<u64> {
    match decision {
        Decision::Node { id, .. } => Ok(*id),
        other => anyhow::bail!("not a node's id: {other:?}"),
    }
}

/// Waits for a condition.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        ensure!(Instant::now() < deadline, "{what}: not in time");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
