//! `dnc node`: a storage process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::info;

use super::{Common, beside, require, serve};
use crate::config::{self, Setting};
use crate::folder::Folder;
use crate::listen::Bound;
use crate::telemetry::{self, LogFormat};
use crate::{admin, listen, recorder, shutdown};

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

/// Settings of the process around the node.
#[derive(Serialize, Deserialize)]
struct Process {
    listen: String,
    raft_listen: String,
    http_listen: String,
    log_format: LogFormat,
    otlp_endpoint: String,
}

/// Runs a node until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_node::Options::default();
    let (process, mut options) = config::load(flags.common.config.as_deref(), &flags, Process::default(), defaults)?;
    require(!options.meta.is_empty(), Setting("meta"))?;

    let _folder = Folder::hold(&options.data_dir)?;
    let service = listen::bind(Setting("listen"), &process.listen)?;
    let raft = listen::bind(Setting("raft_listen"), &process.raft_listen)?;
    let http = listen::bind(Setting("http_listen"), &process.http_listen)?;
    advertise(&mut options.advertise, &service, Setting("advertise"))?;
    advertise(&mut options.advertise_raft, &raft, Setting("advertise_raft"))?;
    let telemetry = telemetry::start(telemetry::Options {
        format: process.log_format,
        filter: telemetry::SERVER,
        otlp_endpoint: process.otlp_endpoint,
        service: "dnc-node",
        instance: options.advertise.clone(),
    })?;
    let metrics = recorder::install("node")?;
    let stop = shutdown::on_signals()?;
    info!(service = %service.address, raft = %raft.address, http = %http.address, advertise = options.advertise, "node starts");

    let (ready, is_ready) = watch::channel(false);
    let listeners = dnc_node::Listeners { service: service.listener, raft: raft.listener };
    let node = async { Ok(dnc_node::run(options, listeners, ready, stop.clone()).await?) };
    let admin = admin::serve(http.listener, metrics, is_ready, stop.clone());
    Ok(serve(telemetry, &stop, beside(&stop, node, admin)).await)
}

/// Fills in where it is reached, unless that was given. An address that stands for all interfaces is nowhere to connect to.
fn advertise(given: &mut String, bound: &Bound, setting: Setting) -> Result<()> {
    if given.is_empty() {
        require(!bound.address.ip().is_unspecified(), setting)?;
        *given = bound.address.to_string();
    }
    Ok(())
}

impl Default for Process {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7420".into(),
            raft_listen: "127.0.0.1:7421".into(),
            http_listen: "127.0.0.1:7482".into(),
            log_format: LogFormat::Json,
            otlp_endpoint: String::new(),
        }
    }
}
