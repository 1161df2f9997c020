//! The servers that this binary can be, one small file each: read settings, hold what is needed, run, stop.
//!
//! What a server does is in its crate. All of them start alike: settings, data folder, sockets, log, metrics, signals, then
//! the work; so what is missing, taken or unwritable is said before anything runs.

pub mod meta;
pub mod node;
pub mod router;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Setting;
use crate::shutdown;
use crate::telemetry::{LogFormat, Telemetry};

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
