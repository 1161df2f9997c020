//! `dnc registry`: list registries, create one.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use dnc_proto::v1::{CreateRegistryRequest, Registry};
use serde::Serialize;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Areas that are named in a table before the rest is only counted.
const AREAS_SHOWN: usize = 4;

/// Arguments of `dnc registry`.
#[derive(clap::Args)]
pub struct RegistryArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Show all registries: what they hold and what they cover.
    List {
        #[command(flatten)]
        caller: Caller,
    },
    /// Create a registry. Repeating it with the same values changes nothing.
    Create(Create),
    #[command(flatten)]
    Versions(super::versions::Act),
}

#[derive(clap::Args)]
struct Create {
    /// Its name: small letters, digits, '-', '_', '.'.
    name: String,
    /// federal, state, internal, litigation, wireless or partner.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Country or state code.
    #[arg(long, value_name = "CODE", default_value = "US")]
    jurisdiction: String,
    /// Days that its lists may be old at the time of a call.
    #[arg(long, value_name = "N", default_value_t = 31)]
    max_age_days: u32,
    #[command(flatten)]
    caller: Caller,
}

#[derive(Serialize)]
struct Listed<'a> {
    registries: Vec<Shown<'a>>,
    revision: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: u32,
    name: &'a str,
    r#type: &'a str,
    jurisdiction: &'a str,
    max_age_days: u32,
    active_version: Option<u64>,
    numbers: u64,
    covers_everywhere: bool,
    coverage: Vec<Area<'a>>,
}

#[derive(Serialize)]
struct Area<'a> {
    area: &'a str,
    list_date: &'a str,
    file: &'a str,
    numbers: u64,
}

/// Does what was asked.
pub async fn run(asked: RegistryArgs) -> Result<ExitCode> {
    match asked.act {
        Act::List { caller } => list(&caller).await,
        Act::Create(create) => self::create(create).await,
        Act::Versions(act) => super::versions::run(act).await,
    }
}

async fn list(caller: &Caller) -> Result<ExitCode> {
    let client = super::client(caller)?;
    let answer = client.list_registries().await.map_err(explain).context("list the registries")?;
    match caller.output {
        Output::Json => output::json(&Listed {
            registries: answer.registries.iter().map(Shown::of).collect(),
            revision: answer.revision,
        })?,
        Output::Text => table(&answer.registries)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(asked: Create) -> Result<ExitCode> {
    let client = super::client(&asked.caller)?;
    let request = CreateRegistryRequest {
        name: asked.name,
        r#type: asked.kind,
        jurisdiction: asked.jurisdiction,
        max_age_days: asked.max_age_days,
    };
    let registry = client.create_registry(request).await.map_err(explain).context("create the registry")?;
    match asked.caller.output {
        Output::Json => output::json(&Shown::of(&registry))?,
        Output::Text => table(std::slice::from_ref(&registry))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(registries: &[Registry]) -> Result<()> {
    let rows: Vec<Vec<String>> = registries
        .iter()
        .map(|registry| {
            vec![
                registry.name.clone(),
                registry.r#type.clone(),
                registry.jurisdiction.clone(),
                format!("{} days", registry.max_age_days),
                if registry.active_version == 0 { "-".into() } else { registry.active_version.to_string() },
                output::thousands(registry.numbers),
                coverage(registry),
            ]
        })
        .collect();
    output::table(&["NAME", "TYPE", "FOR", "MAX AGE", "VERSION", "NUMBERS", "COVERS"], &rows)
}

fn coverage(registry: &Registry) -> String {
    if registry.covers_everywhere {
        return "everywhere".into();
    }
    let areas = &registry.coverage;
    let named = areas.iter().take(AREAS_SHOWN).map(|area| format!("{} ({})", area.area, area.list_date));
    let more = areas.len().checked_sub(AREAS_SHOWN).filter(|more| *more > 0).map(|more| format!("{more} more"));
    let named: Vec<String> = named.chain(more).collect();
    if named.is_empty() { "-".into() } else { named.join(", ") }
}

// === impl Shown ===

impl<'a> Shown<'a> {
    fn of(registry: &'a Registry) -> Self {
        Self {
            id: registry.id,
            name: &registry.name,
            r#type: &registry.r#type,
            jurisdiction: &registry.jurisdiction,
            max_age_days: registry.max_age_days,
            active_version: (registry.active_version > 0).then_some(registry.active_version),
            numbers: registry.numbers,
            covers_everywhere: registry.covers_everywhere,
            coverage: registry
                .coverage
                .iter()
                .map(|area| Area {
                    area: &area.area,
                    list_date: &area.list_date,
                    file: &area.file,
                    numbers: area.numbers,
                })
                .collect(),
        }
    }
}
