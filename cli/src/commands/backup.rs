//! `dnc backup`: all that a cluster holds, to a folder or a bucket, and back into a new one.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use dnc_proto::v1::{
    Backup, BackupProgress, BackupResult, CreateBackupRequest, ListBackupsRequest, RestoreBackupRequest,
    VerifyBackupRequest,
};
use indicatif::{ProgressBar, ProgressStyle};

use super::{client, explain, plain};
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc backup`.
#[derive(clap::Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Make a backup while the cluster serves. Everything acknowledged before is in it.
    Create {
        #[command(flatten)]
        at: Place,
        #[command(flatten)]
        caller: Caller,
    },
    /// List the backups in a place, the newest first, those included that were never completed.
    List {
        #[command(flatten)]
        at: Place,
        #[command(flatten)]
        caller: Caller,
    },
    /// Read a backup and compare it with its checksums.
    Verify {
        #[command(flatten)]
        at: Place,
        /// Its name.
        name: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Restore a backup into a newly founded cluster, of any number of shards and nodes.
    ///
    /// All of it is verified before anything is changed, and no check is CLEAR until all of it is there. A restore that
    /// was interrupted is run again.
    Restore {
        #[command(flatten)]
        at: Place,
        /// Its name.
        name: String,
        #[command(flatten)]
        caller: Caller,
    },
}

#[derive(clap::Args)]
struct Place {
    /// Where backups are, as the router sees it: file:///folder, or s3://bucket/path with the router's environment's keys.
    place: String,
}

/// Does what was asked.
pub async fn run(asked: BackupArgs) -> Result<ExitCode> {
    let bar = Bar::new();
    match asked.act {
        Act::Create { at: Place { place }, caller } => {
            let done = client(&caller)?.create_backup(CreateBackupRequest { place }, |now| bar.show(&now)).await;
            bar.finish();
            print(&done.map_err(explain).context("create a backup")?, "complete", caller.output)?;
        }
        Act::List { at: Place { place }, caller } => {
            let listed = client(&caller)?.list_backups(ListBackupsRequest { place }).await;
            let listed = listed.map_err(explain).context("list the backups")?;
            match caller.output {
                Output::Json => output::json(&listed)?,
                Output::Text => table(&listed.backups)?,
            }
        }
        Act::Verify { at: Place { place }, name, caller } => {
            let asked = VerifyBackupRequest { place, name };
            let done = client(&caller)?.verify_backup(asked, |now| bar.show(&now)).await;
            bar.finish();
            print(&done.map_err(explain).context("verify the backup")?, "whole", caller.output)?;
        }
        Act::Restore { at: Place { place }, name, caller } => {
            let asked = RestoreBackupRequest { place, name };
            let done = client(&caller)?.restore_backup(asked, |now| bar.show(&now)).await;
            bar.finish();
            print(&done.map_err(explain).context("restore the backup")?, "restored", caller.output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(done: &BackupResult, what: &str, how: Output) -> Result<()> {
    if let Output::Json = how {
        return output::json(done);
    }
    let backup = done.backup.clone().unwrap_or_default();
    let rows: Vec<Vec<String>> = backup
        .files
        .iter()
        .map(|file| {
            let numbers = if file.numbers > 0 { output::thousands(file.numbers) } else { "-".into() };
            vec![file.name.clone(), output::thousands(file.entries), numbers, output::thousands(file.bytes)]
        })
        .collect();
    output::table(&["FILE", "ENTRIES", "NUMBERS", "BYTES"], &rows)?;
    let Backup { name, revision, began_at, .. } = &backup;
    let bytes = output::thousands(backup.bytes);
    output::line(format_args!("{name} is {what}: {bytes} bytes, of revision {revision}, begun at {began_at}"))?;
    if done.restored_at_revision > 0 {
        output::line(format_args!("checks are answered from it since revision {}", done.restored_at_revision))?;
    }
    Ok(())
}

fn table(backups: &[Backup]) -> Result<()> {
    let row = |backup: &Backup| {
        let complete = backup.state == "complete";
        let if_complete = |text: String| if complete { text } else { "-".into() };
        vec![
            plain(&backup.name),
            plain(&backup.state),
            plain(&backup.began_at),
            if_complete(backup.revision.to_string()),
            if_complete(backup.shards.to_string()),
            if_complete(output::thousands(backup.bytes)),
            plain(&backup.problem),
        ]
    };
    let rows: Vec<_> = backups.iter().map(row).collect();
    output::table(&["NAME", "STATE", "BEGUN", "REVISION", "SHARDS", "BYTES", "PROBLEM"], &rows)
}

/// How far it is, on stderr while that is a terminal.
struct Bar(ProgressBar);

// === impl Bar ===

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{bytes}  {bytes_per_sec}  {msg}").expect("the template is right");
        bar.set_style(style);
        Self(bar)
    }

    fn show(&self, now: &BackupProgress) {
        let entries = output::thousands(now.entries);
        self.0.set_message(format!("{} {}: {entries} entries", now.step, plain(&now.file)));
        if now.total_bytes > 0 {
            self.0.set_length(now.total_bytes);
        }
        self.0.set_position(now.bytes);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
