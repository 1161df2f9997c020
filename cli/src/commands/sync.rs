//! `dnc sync`: lists fetched from where they come from, now; what runs, what is due, what came of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{ListSyncsResponse, StartSyncRequest, StartedSync, SyncRecord};
use dnc_router::client::Client;
use dnc_router::shown::sync::{AllStartedShown, SyncsShown};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::time::Instant;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Exit code if a sync that was waited for failed, or waits to be forced.
const NOT_DONE: u8 = 1;
/// Between two looks at a sync that is waited for.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `dnc sync`.
#[derive(clap::Args)]
pub struct SyncArgs {
    /// The registry's name or number; `federal` may also be a type, see --type.
    registry: Option<String>,
    /// Sync all registries of this type that have a source, instead of one.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "registry")]
    kind: Option<String>,
    /// Of that type only those of this state or country.
    #[arg(long, value_name = "CODE", requires = "kind")]
    jurisdiction: Option<String>,
    /// Wait until it has ended, and show how far it is.
    #[arg(long)]
    wait: bool,
    /// The longest to wait, seconds.
    #[arg(long, value_name = "S", default_value_t = 4 * 3_600)]
    limit: u64,
    /// Start nothing; show what runs, when the next sync is due, and what came of the last ones.
    #[arg(long, conflicts_with_all = ["kind", "wait"])]
    history: bool,
    #[command(flatten)]
    caller: Caller,
}

/// Does what was asked.
pub async fn run(asked: SyncArgs) -> Result<ExitCode> {
    let client = super::client(&asked.caller)?;
    ensure!(asked.registry.is_some() || asked.kind.is_some(), "name a registry, or a type of registries with --type");
    if asked.history {
        let registry = asked.registry.unwrap_or_default();
        let answer = client.list_syncs(&registry, 0).await.map_err(explain).context("show the syncs")?;
        match asked.caller.output {
            Output::Json => output::json(&SyncsShown::of(&answer))?,
            Output::Text => history(&answer)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let request = StartSyncRequest {
        registry: asked.registry.unwrap_or_default(),
        r#type: asked.kind.unwrap_or_default(),
        jurisdiction: asked.jurisdiction.unwrap_or_default(),
        wait_ms: 0,
    };
    let mut answer = client.start_sync(request).await.map_err(explain).context("start the sync")?;
    let deadline = Instant::now() + Duration::from_secs(asked.limit);
    if asked.wait {
        for started in answer.started.iter_mut().filter(|started| !started.sync_id.is_empty()) {
            started.ended = Some(wait(&client, started, deadline).await?);
        }
    }
    match asked.caller.output {
        Output::Json => output::json(&AllStartedShown::of(&answer))?,
        Output::Text => answer.started.iter().try_for_each(tell)?,
    }
    let done = |started: &StartedSync| match &started.ended {
        Some(ended) => matches!(ended.outcome.as_str(), "done" | "skipped"),
        None => started.error.is_empty(),
    };
    Ok(if answer.started.iter().all(done) { ExitCode::SUCCESS } else { ExitCode::from(NOT_DONE) })
}

/// Looks again and again until the sync has ended.
async fn wait(client: &Client, started: &StartedSync, deadline: Instant) -> Result<SyncRecord> {
    // Draws nothing unless stderr is a terminal.
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{prefix} {msg:10} [{bar:30}] {human_pos}/{human_len}  {eta} left");
    bar.set_style(style.context("the progress bar")?.progress_chars("=> "));
    bar.set_prefix(started.registry.clone());
    let mut phase = String::new();
    loop {
        // A router that does not answer now is asked again; the sync does not depend on it.
        if let Ok(answer) = client.list_syncs(&started.registry, 0).await {
            if let Some(ended) = answer.syncs.into_iter().find(|sync| sync.id == started.sync_id) {
                bar.finish_and_clear();
                return Ok(ended);
            }
            if let Some(running) = answer.running.filter(|running| !running.phase.is_empty()) {
                if running.phase != phase {
                    phase.clone_from(&running.phase);
                    bar.reset();
                    bar.set_message(running.phase);
                }
                bar.set_length(running.total);
                bar.set_position(running.done);
            }
        }
        ensure!(Instant::now() < deadline, "the sync of {} has not ended; it goes on", started.registry);
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(started: &StartedSync) -> Result<()> {
    let name = &started.registry;
    match &started.ended {
        None if started.sync_id.is_empty() => output::line(format_args!("{name}: not started: {}", started.error)),
        None => {
            output::line(format_args!("{name}: sync {} runs; `dnc sync {name} --history` shows it", started.sync_id))
        }
        Some(ended) => output::line(format_args!("{name}: {}", in_words(ended))),
    }
}

/// What came of a sync, in one line.
fn in_words(sync: &SyncRecord) -> String {
    let shown = output::thousands;
    let counts =
        format!("{} added, {} removed, {} unchanged", shown(sync.added), shown(sync.removed), shown(sync.unchanged));
    match sync.outcome.as_str() {
        "done" => format!("version {} is active: {counts} ({})", sync.version, sync.message),
        outcome => format!("{outcome}: {}", sync.message),
    }
}

fn history(answer: &ListSyncsResponse) -> Result<()> {
    if let Some(running) = &answer.running {
        let phase = if running.phase.is_empty() { "elsewhere" } else { &running.phase };
        output::line(format_args!("running on router {} since {}: {phase}", running.router, at(&running.started_at)))?;
    }
    if answer.next_at.is_some() {
        output::line(format_args!("next sync: {}", at(&answer.next_at)))?;
    }
    let rows: Vec<Vec<String>> = answer
        .syncs
        .iter()
        .map(|sync| {
            vec![
                at(&sync.started_at),
                sync.trigger.clone(),
                sync.outcome.clone(),
                if sync.version == 0 { "-".into() } else { sync.version.to_string() },
                output::thousands(sync.added),
                output::thousands(sync.removed),
                output::thousands(sync.unchanged),
                sync.message.clone(),
            ]
        })
        .collect();
    output::table(&["STARTED", "BY", "STATUS", "VERSION", "ADDED", "REMOVED", "UNCHANGED", "MESSAGE"], &rows)
}

fn at(moment: &Option<prost_types::Timestamp>) -> String {
    let read = moment.as_ref().and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    read.map_or_else(|| "-".into(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_sync_is_told_in_one_line() {
        let done = SyncRecord {
            outcome: "done".into(),
            version: 3,
            added: 1_000,
            message: "list.csv".into(),
            ..SyncRecord::default()
        };
        assert_eq!(in_words(&done), "version 3 is active: 1,000 added, 0 removed, 0 unchanged (list.csv)");
        let failed = SyncRecord { outcome: "failed".into(), message: "it answers 500".into(), ..done };
        assert_eq!(in_words(&failed), "failed: it answers 500");
    }
}
