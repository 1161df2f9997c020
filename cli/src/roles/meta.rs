//! `dnc meta`: a voter of the meta group.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::info;

use super::{Common, beside, require, serve};
use crate::config::{self, Setting};
use crate::folder::Folder;
use crate::telemetry::{self, LogFormat};
use crate::{admin, listen, recorder, shutdown};

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

/// Settings of the process around the voter.
#[derive(Serialize, Deserialize)]
struct Process {
    listen: String,
    raft_listen: String,
    http_listen: String,
    log_format: LogFormat,
    otlp_endpoint: String,
}

/// Runs a voter until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_meta::Options::new(0, "data/meta".into(), Vec::new());
    let (process, options) = config::load(flags.common.config.as_deref(), &flags, Process::default(), defaults)?;
    require(options.id != 0, Setting("id"))?;
    require(!options.voters.is_empty(), Setting("voters"))?;
    options.check()?;

    let _folder = Folder::hold(&options.data_dir)?;
    let service = listen::bind(Setting("listen"), &process.listen)?;
    let raft = listen::bind(Setting("raft_listen"), &process.raft_listen)?;
    let http = listen::bind(Setting("http_listen"), &process.http_listen)?;
    let telemetry = telemetry::start(telemetry::Options {
        format: process.log_format,
        filter: telemetry::SERVER,
        otlp_endpoint: process.otlp_endpoint,
        service: "dnc-meta",
        instance: format!("meta-{}", options.id),
    })?;
    let metrics = recorder::install("meta")?;
    let stop = shutdown::on_signals()?;
    info!(voter = options.id, service = %service.address, raft = %raft.address, http = %http.address, "meta voter starts");

    let (ready, is_ready) = watch::channel(false);
    let listeners = dnc_meta::Listeners { service: service.listener, raft: raft.listener };
    let voter = async { Ok(dnc_meta::run(options, listeners, ready, stop.clone()).await?) };
    let admin = admin::serve(http.listener, metrics, is_ready, stop.clone());
    Ok(serve(telemetry, &stop, beside(&stop, voter, admin)).await)
}

impl Default for Process {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7410".into(),
            raft_listen: "127.0.0.1:7411".into(),
            http_listen: "127.0.0.1:7481".into(),
            log_format: LogFormat::Json,
            otlp_endpoint: String::new(),
        }
    }
}
