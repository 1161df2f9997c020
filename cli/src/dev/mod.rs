//! `dnc dev`: a whole cluster in one process, on loopback, durable in one folder.
//!
//! It is what the separate processes are, wired together here: the same roles by the same options. It adds nothing of its
//! own but this wiring, and nothing of it listens beyond loopback unless told to. Start at [`run`]; `cluster` is the wiring.

mod banner;
mod cluster;
mod secret_key;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use self::cluster::Cluster;
use crate::config::Setting;
use crate::folder::Folder;
use crate::roles::serve;
use crate::telemetry::{self, LogFormat};
use crate::{listen, output, recorder, shutdown};

/// How long the cluster may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Flags of `dnc dev`.
#[derive(clap::Args)]
pub struct Flags {
    /// Folder for everything that the cluster keeps.
    #[arg(long, value_name = "DIR", env = "DNC_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Address for gRPC.
    #[arg(long, value_name = "ADDRESS", env = "DNC_GRPC_LISTEN", default_value = "127.0.0.1:7400")]
    grpc_listen: String,
    /// Address for REST and metrics.
    #[arg(long, value_name = "ADDRESS", env = "DNC_HTTP_LISTEN", default_value = "127.0.0.1:7480")]
    http_listen: String,
    /// How log lines look. Warnings are logged, or what DNC_LOG says.
    #[arg(long, value_enum, env = "DNC_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Where traces go, such as http://localhost:4317. Nowhere unless given.
    #[arg(long, value_name = "URL", env = "DNC_OTLP_ENDPOINT", default_value = "")]
    otlp_endpoint: String,
}

/// Runs the cluster until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let _folder = Folder::hold(&flags.data_dir)?;
    let grpc = listen::bind(Setting("grpc_listen"), &flags.grpc_listen)?;
    let http = listen::bind(Setting("http_listen"), &flags.http_listen)?;
    let telemetry = telemetry::start(telemetry::Options {
        format: flags.log_format,
        filter: telemetry::DEV,
        otlp_endpoint: flags.otlp_endpoint,
        service: "dnc-dev",
        instance: grpc.address.to_string(),
    })?;
    let metrics = recorder::install("dev", &flags.data_dir)?;
    let stop = shutdown::on_signals()?;
    let banner = banner::text(&flags.data_dir, grpc.address, http.address);
    output::line("starting three meta voters, three nodes and a router")?;

    let work = async {
        let mut cluster = Cluster::start(&flags.data_dir, grpc.listener, http.listener, metrics, &stop)?;
        match cluster.ready(READY_LIMIT).await {
            Ok(true) => output::line(banner)?,
            Ok(false) => {}
            Err(error) => {
                stop.cancel();
                // Why it did not get ready says more than how it stopped.
                let _ = cluster.ended().await;
                return Err(error);
            }
        }
        cluster.ended().await
    };
    Ok(serve(telemetry, &stop, work).await)
}
