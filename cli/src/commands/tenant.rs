//! `dnc tenant`: who asks, which lists they are answered from, and which must cover a number.

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use dnc_proto::v1::{CreateTenantRequest, Holds, RegistryAreas, Requires, Tenant, UpdateTenantRequest};
use dnc_router::shown::tenant::{TenantShown, TenantsShown};

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc tenant`.
#[derive(clap::Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Show all tenants.
    List {
        #[command(flatten)]
        caller: Caller,
    },
    /// Show one tenant.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Create a tenant. Unless told, it holds nothing and requires a federal registry.
    Create(Create),
    /// Change what a tenant holds, what it requires, or both; what is given replaces what was there.
    Update(Update),
}

#[derive(clap::Args)]
struct Create {
    /// Its name: small letters, digits, '-', '_', '.'.
    name: String,
    #[command(flatten)]
    terms: TermFlags,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Update {
    /// Its name.
    name: String,
    /// The edition that this is made from; refused if somebody has changed it since.
    #[arg(long, value_name = "N", default_value_t = 0)]
    edition: u64,
    #[command(flatten)]
    terms: TermFlags,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args, Default)]
struct TermFlags {
    /// A shared registry that it is answered from: federal=all, federal=201,202; or everything, or nothing. Repeatable.
    #[arg(long, value_name = "REGISTRY=AREAS")]
    holds: Vec<String>,
    /// A registry that must cover a number in these areas before it is CLEAR: tx=all, tx=214,512; or nothing. Repeatable.
    #[arg(long, value_name = "REGISTRY=AREAS")]
    requires: Vec<String>,
    /// Whether a federal registry must cover every number.
    #[arg(long, value_name = "true|false", num_args = 1)]
    requires_federal: Option<bool>,
}

/// Does what was asked.
pub async fn run(asked: TenantArgs) -> Result<ExitCode> {
    match asked.act {
        Act::List { caller } => list(&caller).await?,
        Act::Show { name, caller } => {
            let client = super::client(&caller)?;
            tell(&client.get_tenant(&name).await.map_err(explain).context("show the tenant")?, caller.output)?;
        }
        Act::Create(create) => self::create(create).await?,
        Act::Update(update) => self::update(update).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(caller: &Caller) -> Result<()> {
    let client = super::client(caller)?;
    let answer = client.list_tenants().await.map_err(explain).context("list the tenants")?;
    match caller.output {
        Output::Json => output::json(&TenantsShown::of(&answer)),
        Output::Text => table(&answer.tenants),
    }
}

async fn create(asked: Create) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let holds = asked.terms.holds()?;
    let requires = asked.terms.requires(&Requires { federal: true, registries: Vec::new() })?;
    let request = CreateTenantRequest { name: asked.name, holds, requires };
    let made = client.create_tenant(request).await.map_err(explain).context("create the tenant")?;
    tell(&made, asked.caller.output)
}

async fn update(asked: Update) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let mut edition = asked.edition;
    let mut before = Requires::default();
    if asked.terms.gives_part_of_requires() {
        // The other part stays as it is now, and must still be so when this arrives.
        let now = client.get_tenant(&asked.name).await.map_err(explain).context("read the tenant")?;
        before = now.requires.unwrap_or_default();
        edition = if edition == 0 { now.edition } else { edition };
    }
    let (holds, requires) = (asked.terms.holds()?, asked.terms.requires(&before)?);
    ensure!(
        holds.is_some() || requires.is_some(),
        "nothing to change is given: --holds, --requires, --requires-federal"
    );
    let request = UpdateTenantRequest { name: asked.name, edition, holds, requires };
    let changed = client.update_tenant(request).await.map_err(explain).context("change the tenant")?;
    tell(&changed, asked.caller.output)
}

fn tell(tenant: &Tenant, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(&TenantShown::of(tenant)),
        Output::Text => table(std::slice::from_ref(tenant)),
    }
}

fn table(tenants: &[Tenant]) -> Result<()> {
    let row = |tenant: &Tenant| {
        let requires = tenant.requires.clone().unwrap_or_default();
        let federal = requires.federal.then(|| "a federal registry".to_owned());
        let required: Vec<String> = federal.into_iter().chain(requires.registries.iter().map(shown)).collect();
        vec![tenant.name.clone(), tenant.edition.to_string(), holds(tenant.holds.as_ref()), or_nothing(&required)]
    };
    let rows: Vec<_> = tenants.iter().map(row).collect();
    output::table(&["NAME", "EDITION", "HOLDS", "REQUIRES"], &rows)
}

fn holds(holds: Option<&Holds>) -> String {
    match holds {
        Some(holds) if holds.everything => "everything".into(),
        Some(holds) => or_nothing(&holds.registries.iter().map(shown).collect::<Vec<_>>()),
        None => "nothing".into(),
    }
}

fn shown(areas: &RegistryAreas) -> String {
    let these = if areas.all { "all".into() } else { areas.areas.join(",") };
    format!("{}={these}", areas.registry)
}

fn or_nothing(parts: &[String]) -> String {
    if parts.is_empty() { "nothing".into() } else { parts.join(" ") }
}

// === impl TermFlags ===

impl TermFlags {
    fn holds(&self) -> Result<Option<Holds>> {
        Ok(match self.holds.as_slice() {
            [] => None,
            [one] if one == "everything" => Some(Holds { everything: true, registries: Vec::new() }),
            given => Some(Holds { everything: false, registries: registries("--holds", given)? }),
        })
    }

    /// Whether the flags say one thing of what is required, and not the other.
    fn gives_part_of_requires(&self) -> bool {
        self.requires.is_empty() != self.requires_federal.is_none()
    }

    fn requires(&self, before: &Requires) -> Result<Option<Requires>> {
        if self.requires.is_empty() && self.requires_federal.is_none() {
            return Ok(None);
        }
        let registries = match self.requires.as_slice() {
            [] => before.registries.clone(),
            given => registries("--requires", given)?,
        };
        Ok(Some(Requires { federal: self.requires_federal.unwrap_or(before.federal), registries }))
    }
}

fn registries(flag: &str, given: &[String]) -> Result<Vec<RegistryAreas>> {
    if matches!(given, [one] if one == "nothing") {
        return Ok(Vec::new());
    }
    let read = |text: &String| {
        let Some((registry, areas)) = text.split_once('=') else {
            bail!("{flag} needs a registry and its areas, such as federal=all or federal=201,202");
        };
        let all = areas == "all";
        let areas = if all { Vec::new() } else { areas.split(',').map(|area| area.trim().to_owned()).collect() };
        Ok(RegistryAreas { registry: registry.into(), all, areas })
    };
    given.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(holds: &[&str], requires: &[&str], requires_federal: Option<bool>) -> TermFlags {
        let owned = |given: &[&str]| given.iter().map(|text| text.to_string()).collect();
        TermFlags { holds: owned(holds), requires: owned(requires), requires_federal }
    }

    #[test]
    fn registries_are_read_with_their_areas() {
        assert_eq!(flags(&[], &[], None).holds().unwrap(), None);
        assert!(flags(&["everything"], &[], None).holds().unwrap().unwrap().everything);
        assert_eq!(flags(&["nothing"], &[], None).holds().unwrap(), Some(Holds::default()));
        let holds = flags(&["federal=201,202", "tx=all"], &[], None).holds().unwrap().unwrap();
        let read: Vec<String> = holds.registries.iter().map(shown).collect();
        assert_eq!(read, ["federal=201,202", "tx=all"]);
        assert!(flags(&["federal"], &[], None).holds().is_err());
    }

    #[test]
    fn what_the_flags_do_not_say_of_requirements_stays() {
        let before = Requires { federal: true, registries: registries("", &["tx=all".into()]).unwrap() };
        assert_eq!(flags(&[], &[], None).requires(&before).unwrap(), None);
        let federal = flags(&[], &[], Some(false)).requires(&before).unwrap().unwrap();
        assert_eq!(federal, Requires { federal: false, ..before.clone() });
        let nothing = flags(&[], &["nothing"], None);
        assert!(nothing.gives_part_of_requires());
        assert_eq!(nothing.requires(&before).unwrap(), Some(Requires { federal: true, registries: Vec::new() }));
    }
}
