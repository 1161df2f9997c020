//! `dnc registry lookup`: one number, asked of the place where a registry's list comes from.

use std::process::ExitCode;

use anyhow::{Context, Result};
use dnc_router::shown::sync::LookupShown;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Exit code if the origin and this cluster differ.
const DIFFER: u8 = 1;

/// Arguments of `dnc registry lookup`.
#[derive(clap::Args)]
pub struct Lookup {
    /// The registry's name, or its number.
    registry: String,
    /// The number.
    number: String,
    #[command(flatten)]
    caller: Caller,
}

/// Asks both, and shows what they say.
pub async fn run(asked: Lookup) -> Result<ExitCode> {
    let client = super::super::client(&asked.caller)?;
    let answer = client.lookup(&asked.registry, &asked.number).await.map_err(explain).context("look the number up")?;
    match asked.caller.output {
        Output::Json => output::json(&LookupShown::of(&answer))?,
        Output::Text => {
            let origin = if answer.origin_listed { "listed" } else { "not listed" };
            let here = answer.here.replace('_', " ");
            let both = match answer.agree {
                Some(true) => "they agree",
                Some(false) => "they differ: the list here may be older than its origin",
                None => "nothing to compare",
            };
            output::line(format_args!(
                "{}: {origin} at the origin of {}, {here} here: {both}",
                answer.phone_number, answer.registry
            ))?;
        }
    }
    Ok(if answer.agree == Some(false) { ExitCode::from(DIFFER) } else { ExitCode::SUCCESS })
}
