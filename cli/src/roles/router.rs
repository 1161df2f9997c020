//! `dnc router`: what callers talk to. It serves its metrics and health on its public HTTP port.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::info;

use super::{Common, require, serve};
use crate::config::{self, Setting};
use crate::telemetry::{self, LogFormat};
use crate::{listen, recorder, shutdown};

/// Flags of `dnc router`.
#[derive(clap::Args, Serialize)]
pub struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
    /// Address for gRPC.
    #[arg(long, value_name = "ADDRESS")]
    grpc_listen: Option<String>,
    /// Address for REST, /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
    /// Service addresses of the meta voters.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    meta: Option<Vec<String>>,
    /// Service addresses of nodes that can tell the catalog while no meta voter can.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    nodes: Option<Vec<String>>,
    /// Folder for the files of an import while it lasts.
    #[arg(long, value_name = "DIR")]
    spool_dir: Option<PathBuf>,
}

/// Settings of the process around the router.
#[derive(Serialize, Deserialize)]
struct Process {
    grpc_listen: String,
    http_listen: String,
    log_format: LogFormat,
    otlp_endpoint: String,
}

/// Runs a router until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_router::Options::default();
    let (process, options) = config::load(flags.common.config.as_deref(), &flags, Process::default(), defaults)?;
    require(!options.meta.is_empty() || !options.nodes.is_empty(), Setting("meta"))?;
    options.check()?;

    let grpc = listen::bind(Setting("grpc_listen"), &process.grpc_listen)?;
    let http = listen::bind(Setting("http_listen"), &process.http_listen)?;
    let telemetry = telemetry::start(telemetry::Options {
        format: process.log_format,
        filter: telemetry::SERVER,
        otlp_endpoint: process.otlp_endpoint,
        service: "dnc-router",
        instance: grpc.address.to_string(),
    })?;
    let metrics = recorder::install("router", &options.spool_dir)?;
    let stop = shutdown::on_signals()?;
    info!(grpc = %grpc.address, http = %http.address, "router starts");

    let (ready, _is_ready) = watch::channel(false);
    let listeners = dnc_router::Listeners { grpc: grpc.listener, http: http.listener };
    let router = async { Ok(dnc_router::run(options, listeners, metrics, ready, stop.clone()).await?) };
    Ok(serve(telemetry, &stop, router).await)
}

impl Default for Process {
    fn default() -> Self {
        Self {
            grpc_listen: "127.0.0.1:7400".into(),
            http_listen: "127.0.0.1:7480".into(),
            log_format: LogFormat::Json,
            otlp_endpoint: String::new(),
        }
    }
}
