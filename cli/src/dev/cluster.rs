//! The parts of the cluster and their wiring.

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::listen::{Bound, bind_loopback};
use crate::recorder::Metrics;

const VOTERS: u64 = 3;
const NODES: u64 = 3;

/// All parts, running.
pub struct Cluster {
    parts: JoinSet<(String, Result<()>)>,
    ready: Vec<(String, watch::Receiver<bool>)>,
    stop: CancellationToken,
}

/// Sockets of a voter or a node.
struct Sockets {
    service: Bound,
    raft: Bound,
}

impl Cluster {
    /// Starts all parts. Sockets are bound first, so that everybody's address is known before anybody starts; they are
    /// others at each start, and the parts tell each other.
    pub fn start(
        folder: &Path,
        grpc: TcpListener,
        http: TcpListener,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let mut cluster = Self { parts: JoinSet::new(), ready: Vec::new(), stop: stop.clone() };
        let sockets = (1..=VOTERS).map(|id| Ok((id, Sockets::bind()?))).collect::<Result<Vec<_>>>()?;
        let meta: Vec<String> = sockets.iter().map(|(_, sockets)| sockets.service.address.to_string()).collect();
        let voters: Vec<dnc_meta::Voter> = sockets.iter().map(|(id, sockets)| sockets.voter(*id)).collect();

        for (id, Sockets { service, raft }) in sockets {
            let folder = part_folder(folder, &format!("meta-{id}"))?;
            let options = dnc_meta::Options::new(id, folder, voters.clone());
            let listeners = dnc_meta::Listeners { service: service.listener, raft: raft.listener };
            cluster.part(format!("meta voter {id}"), |ready, stop| async move {
                Ok(dnc_meta::run(options, listeners, ready, stop).await?)
            });
        }
        for id in 1..=NODES {
            let Sockets { service, raft } = Sockets::bind()?;
            let options = dnc_node::Options {
                data_dir: part_folder(folder, &format!("node-{id}"))?,
                advertise: service.address.to_string(),
                advertise_raft: raft.address.to_string(),
                zone: format!("zone-{id}"),
                meta: meta.clone(),
                ..dnc_node::Options::default()
            };
            let listeners = dnc_node::Listeners { service: service.listener, raft: raft.listener };
            cluster.part(format!("node {id}"), |ready, stop| async move {
                Ok(dnc_node::run(options, listeners, ready, stop).await?)
            });
        }
        let options = dnc_router::Options {
            meta,
            spool_dir: part_folder(folder, "spool")?,
            secret_key_file: super::secret_key::file(folder)?,
            ..dnc_router::Options::default()
        };
        let listeners = dnc_router::Listeners { grpc, http };
        cluster.part("router".into(), |ready, stop| async move {
            Ok(dnc_router::run(options, listeners, metrics, ready, stop).await?)
        });
        Ok(cluster)
    }

    /// Waits until all parts are ready: true. False if it is to stop before. A part that ends, or one that is not ready
    /// in time, is an error.
    pub async fn ready(&mut self, limit: Duration) -> Result<bool> {
        let waited = self.ready.clone();
        let all = async {
            for (_, mut ready) in waited {
                // A part that is gone never becomes ready; that it ended is told below.
                if ready.wait_for(|ready| *ready).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = all => return Ok(true),
            () = self.stop.cancelled() => return Ok(false),
            Some(ended) = self.parts.join_next() => early(ended)?,
            () = tokio::time::sleep(limit) => {}
        }
        let late: Vec<&str> =
            self.ready.iter().filter(|(_, ready)| !*ready.borrow()).map(|(name, _)| name.as_str()).collect();
        bail!("not ready within {} s: {}", limit.as_secs(), late.join(", "))
    }

    /// Waits until all parts have ended. The first that ends by itself ends the others, and is an error.
    pub async fn ended(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.parts.join_next().await {
            let by_itself = !self.stop.is_cancelled();
            self.stop.cancel();
            if outcome.is_ok() {
                outcome = if by_itself { early(ended) } else { failure(ended) };
            }
        }
        outcome
    }

    fn part<F>(&mut self, name: String, run: impl FnOnce(watch::Sender<bool>, CancellationToken) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (ready, is_ready) = watch::channel(false);
        self.ready.push((name.clone(), is_ready));
        let work = run(ready, self.stop.clone());
        self.parts.spawn(async move { (name, work.await) });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Also when it did not get ready: whoever still runs is to end.
        self.stop.cancel();
    }
}

type Ended = Result<(String, Result<()>), tokio::task::JoinError>;

/// A part ended although nobody had told it to.
fn early(ended: Ended) -> Result<()> {
    let (name, done) = ended.context("a part of the cluster panicked")?;
    match done {
        Ok(()) => Err(anyhow!("{name} ended by itself")),
        Err(error) => Err(error.context(format!("{name} ended"))),
    }
}

/// A part ended as it was told to; it may have failed at that.
fn failure(ended: Ended) -> Result<()> {
    let (name, done) = ended.context("a part of the cluster panicked")?;
    done.with_context(|| format!("stop {name}"))
}

fn part_folder(parent: &Path, name: &str) -> Result<std::path::PathBuf> {
    let folder = parent.join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("create the data folder {}", folder.display()))?;
    Ok(folder)
}

// === impl Sockets ===

impl Sockets {
    fn bind() -> Result<Self> {
        Ok(Self { service: bind_loopback()?, raft: bind_loopback()? })
    }

    fn voter(&self, id: u64) -> dnc_meta::Voter {
        dnc_meta::Voter { id, service: self.service.address.to_string(), raft: self.raft.address.to_string() }
    }
}
