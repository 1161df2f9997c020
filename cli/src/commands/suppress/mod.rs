//! `dnc suppress`: numbers that must not be called, entry by entry.
//!
//! `entry` is one number, `bulk` a file of them, `search` what there is, `carry` the export and its import.

mod bulk;
mod carry;
mod entry;
mod search;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

/// Arguments of `dnc suppress`.
#[derive(clap::Args)]
pub struct SuppressArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// List a number: once this is answered, no check says CLEAR against it.
    Add(entry::Add),
    /// Remove a number's entries, those that stand now; what they were stays findable with `search --removed`.
    Remove(entry::Remove),
    /// Note that somebody made sure that a number's entries still hold.
    Verify(entry::Verify),
    /// List the numbers in a file: one a line, or CSV whose first line names columns, `phone_number` among them.
    BulkAdd(bulk::BulkAdd),
    /// Remove the entries of the numbers in a file: one a line, or CSV with a column `phone_number`.
    BulkRemove(bulk::BulkRemove),
    /// Find entries.
    Search(search::Search),
    /// Write all entries that stand to a file, in the order of their numbers.
    Export(carry::Export),
    /// Take in a file that was exported: entries keep their ids, times and all else.
    Import(carry::Import),
}

/// Whose wish a suppression is.
#[derive(Clone, Copy, ValueEnum)]
enum Origin {
    /// The person's own.
    Consumer,
    /// The company's.
    Company,
}

/// Exit code of a command that did only a part of what it was asked; the rest was named.
const IN_PART: u8 = 1;

/// Does what was asked.
pub async fn run(asked: SuppressArgs) -> Result<ExitCode> {
    match asked.act {
        Act::Add(add) => add.run().await,
        Act::Remove(remove) => remove.run().await,
        Act::Verify(verify) => verify.run().await,
        Act::BulkAdd(bulk) => bulk.run().await,
        Act::BulkRemove(bulk) => bulk.run().await,
        Act::Search(search) => search.run().await,
        Act::Export(export) => export.run().await,
        Act::Import(import) => import.run().await,
    }
}

// === impl Origin ===

impl Origin {
    fn word(self) -> String {
        match self {
            Origin::Consumer => "consumer".into(),
            Origin::Company => "company".into(),
        }
    }
}
