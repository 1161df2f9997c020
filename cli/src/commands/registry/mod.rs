//! `dnc registry`: the sources of numbers, and what they cover. `settings` reads what can be set about one.

mod lookup;
mod settings;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use dnc_proto::v1::{CreateRegistryRequest, Registry, RegistrySettings, UpdateRegistryRequest};
use dnc_router::shown::registry::{RegistriesShown, RegistryShown};

use self::settings::SettingFlags;
use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc registry`.
#[derive(clap::Args)]
pub struct RegistryArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Show all registries: what they hold, what they cover, when their lists are too old.
    List {
        #[command(flatten)]
        caller: Caller,
    },
    /// Show one registry: its settings, its versions, its last sync.
    Show(Named),
    /// Create a registry. Repeating it with the same values changes nothing.
    Create(Box<Create>),
    /// Change settings: those that are given, or all of them.
    Update(Box<Update>),
    /// Give a registry up. Refused while a tenant requires it, or while it holds suppressions.
    Retire(Named),
    #[command(flatten)]
    Versions(super::versions::Act),
    /// Ask for one number where a registry's list comes from, and here: to check the list against its origin.
    ///
    /// Exit code 0: they agree, or there is nothing to compare. 1: they differ. 2: it could not be asked.
    Lookup(lookup::Lookup),
}

#[derive(clap::Args)]
struct Named {
    /// Its name, or its number.
    registry: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Create {
    /// Its name: small letters, digits, '-', '_', '.'.
    name: String,
    /// federal, state, internal, litigation, wireless or partner.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// The tenant that it belongs to; shared by those who hold it unless given.
    #[arg(long, value_name = "TENANT", default_value = "")]
    owner: String,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Update {
    /// Its name, or its number.
    registry: String,
    /// The edition that this is made from; refused if somebody has changed it since.
    #[arg(long, value_name = "N", default_value_t = 0)]
    edition: u64,
    /// What is not given takes its default, except for the provider's key.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    caller: Caller,
}

/// Does what was asked.
pub async fn run(asked: RegistryArgs) -> Result<ExitCode> {
    match asked.act {
        Act::List { caller } => list(&caller).await?,
        Act::Show(asked) => {
            let client = super::client(&asked.caller)?;
            let found = client.get_registry(&asked.registry).await.map_err(explain).context("show the registry")?;
            show(&found, asked.caller.output)?;
        }
        Act::Lookup(asked) => return lookup::run(asked).await,
        Act::Create(create) => self::create(*create).await?,
        Act::Update(update) => self::update(*update).await?,
        Act::Retire(asked) => {
            let client = super::client(&asked.caller)?;
            let retired = client.retire_registry(&asked.registry).await.map_err(explain);
            tell(&retired.context("retire the registry")?, asked.caller.output)?;
        }
        Act::Versions(act) => return super::versions::run(act).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(caller: &Caller) -> Result<()> {
    let client = super::client(caller)?;
    let answer = client.list_registries().await.map_err(explain).context("list the registries")?;
    match caller.output {
        Output::Json => output::json(&RegistriesShown::of(&answer)),
        Output::Text => table::all(&answer.registries),
    }
}

async fn create(asked: Create) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let mut settings = asked.settings.read()?;
    settings.jurisdiction.get_or_insert_with(|| "US".into());
    let request = CreateRegistryRequest {
        name: asked.name,
        r#type: asked.kind,
        owner: asked.owner,
        settings: Some(settings),
        ..CreateRegistryRequest::default()
    };
    let made = client.create_registry(request).await.map_err(explain).context("create the registry")?;
    tell(&made, asked.caller.output)
}

async fn update(asked: Update) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let settings = asked.settings.read()?;
    ensure!(asked.replace || settings != RegistrySettings::default(), "nothing to change is given");
    let (registry, edition, replace) = (asked.registry, asked.edition, asked.replace);
    let request = UpdateRegistryRequest { registry, edition, settings: Some(settings), replace };
    let changed = client.update_registry(request).await.map_err(explain).context("change the registry")?;
    tell(&changed, asked.caller.output)
}

/// One line about a registry that was changed.
fn tell(registry: &Registry, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(&RegistryShown::of(registry)),
        Output::Text => table::all(std::slice::from_ref(registry)),
    }
}

/// All about a registry.
fn show(registry: &Registry, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(&RegistryShown::of(registry)),
        Output::Text => table::whole(registry),
    }
}
