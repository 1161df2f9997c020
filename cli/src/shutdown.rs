//! Stopping: on a signal, in order, within a limit.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a process may take to stop once it was asked to.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Exit code after a second signal: what a shell gives for a program that Ctrl-C ended.
const IMPATIENT: i32 = 130;

/// A token that SIGTERM and SIGINT cancel. A second signal ends the process at once.
pub fn on_signals() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        info!(signal = name, limit_s = LIMIT.as_secs(), "stopping");
        token.cancel();
        let name = either(&mut terminate, &mut interrupt).await;
        warn!(signal = name, "stopping at once");
        exit_at_once();
    });
    Ok(stop)
}

/// Runs `work` to its end; once `stop` is cancelled it has [`LIMIT`] left.
pub async fn bounded<T>(stop: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    within(LIMIT, stop, work).await
}

async fn within<T>(limit: Duration, stop: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = stop.cancelled() => {}
    }
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(anyhow!("not stopped within {limit:?}, giving up")),
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// The one place that skips the shutdown: the operator asked twice, and nothing acknowledged depends on it.
#[allow(clippy::disallowed_methods)]
fn exit_at_once() -> ! {
    std::process::exit(IMPATIENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_does_not_stop_is_given_up_after_the_limit() {
        let stop = CancellationToken::new();
        stop.cancel();
        let done: Result<()> = within(Duration::from_millis(1), &stop, std::future::pending()).await;
        assert!(done.is_err());
    }

    #[tokio::test]
    async fn work_that_ends_by_itself_gives_its_result() {
        let stop = CancellationToken::new();
        assert_eq!(bounded(&stop, async { Ok(7) }).await.unwrap(), 7);
    }
}
