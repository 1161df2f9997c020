//! `dnc meta`: a voter of the meta group.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use tracing::info;

use super::{Common, Process, Sockets, require};
use crate::config::{self, Setting};
use crate::folder::Folder;

/// Flags of `dnc meta`.
#[derive(clap::Args, Serialize)]
pub struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
    /// This voter's id, one of those in --voters.
    #[arg(long)]
    id: Option<u64>,
    /// Folder for everything that it keeps.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for nodes, routers and the other voters.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for the other voters' Raft.
    #[arg(long, value_name = "ADDRESS")]
    raft_listen: Option<String>,
    /// Address for /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
    /// All voters, this one included: id=service/raft, each host:port.
    #[arg(long, value_name = "VOTERS", value_delimiter = ',')]
    voters: Option<Vec<String>>,
    /// Shards of a new cluster, fixed for good.
    #[arg(long, value_name = "N")]
    shards: Option<u32>,
    /// Replicas of each shard of a new cluster.
    #[arg(long, value_name = "N")]
    replication: Option<u32>,
    /// Nodes of a new cluster that must have joined before shards are placed.
    #[arg(long, value_name = "N")]
    initial_nodes: Option<u32>,
}

/// Runs a voter until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_meta::Options::new(0, "data/meta".into(), Vec::new());
    let process = Process::at(7410, 7411, 7481);
    let (process, options) = config::load(flags.common.config.as_deref(), &flags, process, defaults)?;
    require(options.id != 0, Setting("id"))?;
    require(!options.voters.is_empty(), Setting("voters"))?;
    options.check()?;

    let _folder = Folder::hold(&options.data_dir)?;
    let Sockets { service, raft, http } = process.bind()?;
    let started = process.start("meta", "dnc-meta", format!("meta-{}", options.id))?;
    info!(voter = options.id, service = %service.address, raft = %raft.address, http = %http.address, "meta voter starts");

    let listeners = dnc_meta::Listeners { service: service.listener, raft: raft.listener };
    let voter =
        started.serve(http, |ready, stop| async move { Ok(dnc_meta::run(options, listeners, ready, stop).await?) });
    Ok(voter.await)
}
