//! `dnc registry versions | activate | rollback`: what was loaded, and which of it answers checks.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use dnc_proto::v1::{
    ActivateVersionRequest, ActivateVersionResponse, AreaChange, ListVersionsRequest, ListVersionsResponse,
    RollbackRegistryRequest, Version,
};
use dnc_router::client::{Client, Error};
use dnc_router::shown::ActivatedShown;
use dnc_router::shown::versions::VersionsShown;
use jiff::Timestamp;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Areas that are shown before the rest is only counted.
const AREAS_SHOWN: usize = 50;
/// Bad lines that are shown.
const BAD_LINES_SHOWN: usize = 20;

/// What can be done with versions.
#[derive(Subcommand)]
pub enum Act {
    /// Show all versions of a registry: what they hold, and which one answers checks.
    Versions {
        /// Name of the registry.
        name: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Make a version the one that answers checks: one that the guard held back, or one of before.
    Activate {
        /// Name of the registry.
        name: String,
        /// The version.
        version: u64,
        /// Activate it even if the guard on shrinking and growing holds it back.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        caller: Caller,
    },
    /// Go back to the version that the active one was made from.
    Rollback {
        /// Name of the registry.
        name: String,
        #[command(flatten)]
        caller: Caller,
    },
}

/// Does what was asked.
pub async fn run(act: Act) -> Result<ExitCode> {
    match act {
        Act::Versions { name, caller } => {
            let versions = list(&super::client(&caller)?, name).await?;
            match caller.output {
                Output::Json => output::json(&VersionsShown::of(&versions))?,
                Output::Text => table(&versions)?,
            }
        }
        Act::Activate { name, version, force, caller } => {
            let request = ActivateVersionRequest { registry: name, version, force };
            let done = super::client(&caller)?.activate_version(request).await;
            let done = done.inspect_err(note_failure).map_err(explain).context("activate the version")?;
            print(&done, caller.output)?;
        }
        Act::Rollback { name, caller } => {
            let client = super::client(&caller)?;
            let versions = list(&client, name.clone()).await?;
            let Some(active) = versions.versions.iter().find(|version| version.state == "active") else {
                bail!("registry {name} has no active version");
            };
            // Named, so that a repeated request does not go back twice.
            let request = RollbackRegistryRequest { registry: name, from: active.id };
            let done = client.rollback_registry(request).await.map_err(explain).context("roll back")?;
            print(&done, caller.output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells on stderr what a failed import or activation says beyond its message.
pub fn note_failure(why: &Error) {
    let Some(failure) = why.import_failure() else {
        return;
    };
    for bad in failure.bad_lines.iter().take(BAD_LINES_SHOWN) {
        output::note(format_args!("bad line: {}:{}: {}", bad.file, bad.line, bad.error));
    }
    for area in failure.stopped.iter().take(AREAS_SHOWN) {
        output::note(format_args!(
            "stopped: {} from {} to {} numbers",
            place(area),
            output::thousands(area.before),
            output::thousands(area.after)
        ));
    }
    if failure.held_version > 0 {
        let (registry, version) = (&failure.registry, failure.held_version);
        output::note(format_args!("if this is right: dnc registry activate {registry} {version} --force"));
    }
}

/// What changes in each area, and in the whole.
pub fn table_of_areas(areas: &[AreaChange]) -> Result<()> {
    let (whole, parts): (Vec<_>, Vec<_>) = areas.iter().partition(|area| area.area.is_empty());
    let rows: Vec<Vec<String>> = parts
        .iter()
        .take(AREAS_SHOWN)
        .chain(&whole)
        .map(|area| {
            vec![
                place(area),
                output::thousands(area.before),
                output::thousands(area.after),
                percent(area.before, area.after),
                if area.stopped { "stops this".into() } else { String::new() },
            ]
        })
        .collect();
    output::table(&["AREA", "BEFORE", "AFTER", "CHANGE", "GUARD"], &rows)?;
    match parts.len().saturating_sub(AREAS_SHOWN) {
        0 => Ok(()),
        more => output::line(format_args!("and {more} more areas")),
    }
}

async fn list(client: &Client, registry: String) -> Result<ListVersionsResponse> {
    client.list_versions(ListVersionsRequest { registry }).await.map_err(explain).context("list the versions")
}

fn print(done: &ActivateVersionResponse, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(&ActivatedShown::of(done)),
        Output::Text => output::line(format_args!(
            "{} version {} answers checks from revision {}: {} numbers",
            done.registry,
            done.version,
            done.revision,
            output::thousands(done.numbers)
        )),
    }
}

fn table(answer: &ListVersionsResponse) -> Result<()> {
    let row = |version: &Version| {
        let known = !matches!(version.state.as_str(), "staging" | "discarded");
        let if_known = |text: String| if known { text } else { "-".into() };
        let areas = if version.covers_everywhere { "everywhere".into() } else { version.areas.to_string() };
        vec![
            version.id.to_string(),
            version.state.clone(),
            if version.parent == 0 { "-".into() } else { version.parent.to_string() },
            time(version.begun_ms),
            if_known(output::thousands(version.numbers)),
            if_known(output::thousands(version.added)),
            if_known(output::thousands(version.dropped)),
            if_known(areas),
            if_known(version.list_date.clone()),
        ]
    };
    let rows: Vec<_> = answer.versions.iter().map(row).collect();
    let head = ["VERSION", "STATE", "FROM", "BEGUN", "NUMBERS", "ADDED", "DROPPED", "AREAS", "OLDEST LIST"];
    output::table(&head, &rows)
}

fn place(area: &AreaChange) -> String {
    if area.area.is_empty() { "all".into() } else { area.area.clone() }
}

fn percent(before: u64, after: u64) -> String {
    if before == 0 {
        return if after == 0 { "-".into() } else { "new".into() };
    }
    format!("{:+.1}%", (after as f64 / before as f64 - 1.0) * 100.0)
}

fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "-".into(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_in_percent_of_what_was() {
        assert_eq!(percent(1_000, 800), "-20.0%");
        assert_eq!(percent(1_000, 1_005), "+0.5%");
        assert_eq!(percent(0, 5), "new");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(time(1_000), "1970-01-01 00:00:01Z");
    }
}
