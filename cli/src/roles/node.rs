//! `dnc node`: a storage process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use tracing::info;

use super::{Common, Process, Sockets, require};
use crate::config::{self, Setting};
use crate::folder::Folder;
use crate::listen::Bound;

/// Flags of `dnc node`.
#[derive(clap::Args, Serialize)]
pub struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
    /// Folder for everything that it keeps.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for routers.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for the other replicas of its shards.
    #[arg(long, value_name = "ADDRESS")]
    raft_listen: Option<String>,
    /// Address for /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
    /// host:port at which routers reach it. The address that it listens on unless given.
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// host:port at which the other replicas reach it. The address that Raft listens on unless given.
    #[arg(long, value_name = "ADDRESS")]
    advertise_raft: Option<String>,
    /// Failure zone: the replicas of a shard are spread over zones.
    #[arg(long)]
    zone: Option<String>,
    /// Service addresses of the meta voters.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    meta: Option<Vec<String>>,
}

/// Runs a node until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_node::Options::default();
    let process = Process::at(7420, 7421, 7482);
    let (process, mut options) = config::load(flags.common.config.as_deref(), &flags, process, defaults)?;
    require(!options.meta.is_empty(), Setting("meta"))?;

    let _folder = Folder::hold(&options.data_dir)?;
    let Sockets { service, raft, http } = process.bind()?;
    advertise(&mut options.advertise, &service, Setting("advertise"))?;
    advertise(&mut options.advertise_raft, &raft, Setting("advertise_raft"))?;
    let started = process.start("node", "dnc-node", &options.data_dir, options.advertise.clone())?;
    info!(service = %service.address, raft = %raft.address, http = %http.address, advertise = options.advertise, "node starts");

    let listeners = dnc_node::Listeners { service: service.listener, raft: raft.listener };
    let node =
        started.serve(http, |ready, stop| async move { Ok(dnc_node::run(options, listeners, ready, stop).await?) });
    Ok(node.await)
}

/// Fills in where it is reached, unless that was given. An address that stands for all interfaces is nowhere to connect to.
fn advertise(given: &mut String, bound: &Bound, setting: Setting) -> Result<()> {
    if given.is_empty() {
        require(!bound.address.ip().is_unspecified(), setting)?;
        *given = bound.address.to_string();
    }
    Ok(())
}
