//! The servers that this binary can be, one small file each: read settings, hold what is needed, run, stop.
//!
//! What a server does is in its crate. All of them start alike: settings, data folder, sockets, log, metrics, signals, then
//! the work; so what is missing, taken or unwritable is said before anything runs.

pub mod meta;
pub mod node;
pub mod router;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Setting;
use crate::listen::{self, Bound};
use crate::recorder::{self, Metrics};
use crate::telemetry::{self, LogFormat, Telemetry};
use crate::{admin, shutdown};

/// Flags that every server takes.
#[derive(clap::Args, Serialize)]
pub struct Common {
    /// Configuration file (TOML). Variables (DNC_...) override it, flags override both.
    #[arg(long, value_name = "FILE", env = "DNC_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// How log lines look. What is logged is set by DNC_LOG (level or target=level, with commas).
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Where traces go, such as http://localhost:4317. Nowhere unless given.
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// Settings of the process around a voter or a node. A router has other sockets.
#[derive(Serialize, Deserialize)]
struct Process {
    listen: String,
    raft_listen: String,
    http_listen: String,
    log_format: LogFormat,
    otlp_endpoint: String,
}

/// The sockets of a voter or a node.
struct Sockets {
    service: Bound,
    raft: Bound,
    http: Bound,
}

/// Everything around a voter's or a node's work: log, traces, metrics, signals.
struct Started {
    telemetry: Telemetry,
    metrics: Metrics,
    stop: CancellationToken,
}

/// The error that a setting is missing, unless it is there.
fn require(there: bool, setting: Setting) -> Result<()> {
    if there { Ok(()) } else { Err(setting.missing()) }
}

/// Runs a server's work until it ends or a signal ends it. Work that fails is logged here, once.
pub async fn serve(telemetry: Telemetry, stop: &CancellationToken, work: impl Future<Output = Result<()>>) -> ExitCode {
    let done = shutdown::bounded(stop, work).await;
    let code = match done {
        Ok(()) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!(error = format!("{error:#}"), "stopped by an error");
            ExitCode::FAILURE
        }
    };
    telemetry.finish().await;
    code
}

/// Runs the work and what serves beside it; when one of them ends, the other is told to stop.
async fn beside(
    stop: &CancellationToken,
    work: impl Future<Output = Result<()>>,
    admin: impl Future<Output = Result<()>>,
) -> Result<()> {
    let ends = |done: Result<()>| {
        stop.cancel();
        done
    };
    let (work, admin) = tokio::join!(async { ends(work.await) }, async { ends(admin.await) });
    work.and(admin)
}

// === impl Process ===

impl Process {
    /// The defaults: on loopback, at these ports.
    fn at(listen: u16, raft_listen: u16, http_listen: u16) -> Self {
        let loopback = |port| format!("127.0.0.1:{port}");
        Self {
            listen: loopback(listen),
            raft_listen: loopback(raft_listen),
            http_listen: loopback(http_listen),
            log_format: LogFormat::Json,
            otlp_endpoint: String::new(),
        }
    }

    /// Binds the sockets: before anything runs, so that a taken port is said first.
    fn bind(&self) -> Result<Sockets> {
        Ok(Sockets {
            service: listen::bind(Setting("listen"), &self.listen)?,
            raft: listen::bind(Setting("raft_listen"), &self.raft_listen)?,
            http: listen::bind(Setting("http_listen"), &self.http_listen)?,
        })
    }

    /// Starts what is around the work. Metrics know the role, traces the service and which one of it this is.
    fn start(self, role: &'static str, service: &'static str, folder: &Path, instance: String) -> Result<Started> {
        let telemetry = telemetry::start(telemetry::Options {
            format: self.log_format,
            filter: telemetry::SERVER,
            otlp_endpoint: self.otlp_endpoint,
            service,
            instance,
        })?;
        Ok(Started { telemetry, metrics: recorder::install(role, folder)?, stop: shutdown::on_signals()? })
    }
}

// === impl Started ===

impl Started {
    /// Runs a server's work, with metrics and health beside it, until it ends or a signal ends it. The work tells when it
    /// is ready, and is told to stop.
    async fn serve<F>(self, http: Bound, work: impl FnOnce(watch::Sender<bool>, CancellationToken) -> F) -> ExitCode
    where
        F: Future<Output = Result<()>>,
    {
        let (ready, is_ready) = watch::channel(false);
        let work = work(ready, self.stop.clone());
        let admin = admin::serve(http.listener, self.metrics, is_ready, self.stop.clone());
        serve(self.telemetry, &self.stop, beside(&self.stop, work, admin)).await
    }
}
