//! `dnc suppress`: numbers that must not be called, entry by entry.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use dnc_proto::v1::{AddSuppressionRequest, RemoveSuppressionRequest};
use serde_json::json;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc suppress`.
#[derive(clap::Args)]
pub struct SuppressArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// List a number: once this is answered, no check says CLEAR against it.
    Add(Add),
    /// Remove a number's entries, those that stand now.
    Remove(Remove),
}

#[derive(clap::Args)]
struct Add {
    /// The number.
    number: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who enters it.
    #[arg(long, value_name = "WHO")]
    added_by: String,
    /// Which registry; it must be of type internal.
    #[arg(long, value_name = "NAME", default_value = "internal")]
    registry: String,
    /// Whose wish it is.
    #[arg(long, value_enum, default_value_t = Origin::Consumer)]
    origin: Origin,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Remove {
    /// The number.
    number: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who removes it.
    #[arg(long, value_name = "WHO", default_value = "")]
    removed_by: String,
    /// Which registry.
    #[arg(long, value_name = "NAME", default_value = "internal")]
    registry: String,
    #[command(flatten)]
    caller: Caller,
}

/// Whose wish a suppression is.
#[derive(Clone, Copy, ValueEnum)]
enum Origin {
    /// The person's own.
    Consumer,
    /// The company's.
    Company,
}

/// Does what was asked.
pub async fn run(asked: SuppressArgs) -> Result<ExitCode> {
    match asked.act {
        Act::Add(add) => self::add(add).await?,
        Act::Remove(remove) => self::remove(remove).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(asked: Add) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let request = AddSuppressionRequest {
        phone_number: asked.number,
        registry: asked.registry,
        reason: asked.reason,
        added_by: asked.added_by,
        origin: match asked.origin {
            Origin::Consumer => "consumer".into(),
            Origin::Company => "company".into(),
        },
        // The client makes one, so that its retries are recognised.
        request_id: String::new(),
    };
    let answer = client.add_suppression(request).await.map_err(explain).context("add the suppression")?;
    let (id, number, registry) = (answer.suppression_id, answer.phone_number, answer.registry);
    match asked.caller.output {
        Output::Json => output::json(&json!({ "suppression_id": id, "phone_number": number, "registry": registry })),
        Output::Text => output::line(format_args!("{number} is listed in {registry}, entry {id}")),
    }
}

async fn remove(asked: Remove) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let request = RemoveSuppressionRequest {
        phone_number: asked.number,
        registry: asked.registry,
        reason: asked.reason,
        removed_by: asked.removed_by,
        request_id: String::new(),
    };
    let answer = client.remove_suppression(request).await.map_err(explain).context("remove the suppression")?;
    let (removed, number, registry) = (answer.removed, answer.phone_number, answer.registry);
    match asked.caller.output {
        Output::Json => output::json(&json!({ "removed": removed, "phone_number": number, "registry": registry })),
        Output::Text if removed == 0 => output::line(format_args!("{number} has no entry in {registry}")),
        Output::Text => {
            let entries = if removed == 1 { "entry" } else { "entries" };
            output::line(format_args!("{removed} {entries} of {number} removed from {registry}"))
        }
    }
}
