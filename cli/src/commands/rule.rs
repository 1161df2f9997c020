//! `dnc rule`: patterns that list numbers without naming them.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use dnc_proto::v1::{AddRuleRequest, Rule};
use dnc_router::shown::rule::{RuleShown, RulesShown};

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc rule`.
#[derive(clap::Args)]
pub struct RuleArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Add a rule: once this is answered, no check says CLEAR against it.
    Add(Add),
    /// Show the rules that hold for the tenant: its own, and the global ones.
    List {
        /// Only rules of this type.
        #[arg(long = "type", value_enum, value_name = "TYPE")]
        kind: Option<Kind>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Remove a rule of the tenant; global ones are removed by the tenant `default`.
    Remove {
        /// Its id.
        id: String,
        #[command(flatten)]
        caller: Caller,
    },
}

#[derive(clap::Args)]
struct Add {
    /// What the pattern is.
    #[arg(value_enum)]
    kind: Kind,
    /// 201 (area code), 555 (exchange, in any area code), 201555 (prefix), or a regular expression over + and the digits.
    pattern: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Who makes it.
    #[arg(long, value_name = "WHO", default_value = "")]
    author: String,
    /// It holds for all tenants. Only the tenant `default` makes such rules.
    #[arg(long)]
    global: bool,
    /// A UUID by which a repeated request is recognised; made unless given.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

/// What a pattern is.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    AreaCode,
    Exchange,
    Prefix,
    Regex,
}

/// Does what was asked.
pub async fn run(asked: RuleArgs) -> Result<ExitCode> {
    match asked.act {
        Act::Add(add) => self::add(add).await?,
        Act::List { kind, caller } => list(kind, &caller).await?,
        Act::Remove { id, caller } => remove(&id, &caller).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(asked: Add) -> Result<()> {
    let client = super::client(&asked.caller)?;
    let request = AddRuleRequest {
        r#type: asked.kind.word().into(),
        pattern: asked.pattern,
        description: asked.description,
        author: asked.author,
        global: asked.global,
        request_id: asked.request_id,
    };
    let rule = client.add_rule(request).await.map_err(explain).context("add the rule")?;
    match asked.caller.output {
        Output::Json => output::json(&RuleShown::of(&rule)),
        Output::Text => output::line(format_args!("rule {} is in force for {}", rule.id, holds_for(&rule))),
    }
}

async fn list(kind: Option<Kind>, caller: &Caller) -> Result<()> {
    let client = super::client(caller)?;
    let answer = client.list_rules(kind.map_or("", Kind::word)).await.map_err(explain).context("list the rules")?;
    match caller.output {
        Output::Json => output::json(&RulesShown::of(&answer)),
        Output::Text => {
            let row = |rule: &Rule| {
                vec![
                    rule.id.clone(),
                    rule.r#type.clone(),
                    rule.pattern.clone(),
                    holds_for(rule),
                    rule.author.clone(),
                    rule.description.clone(),
                ]
            };
            let rows: Vec<_> = answer.rules.iter().map(row).collect();
            output::table(&["ID", "TYPE", "PATTERN", "FOR", "AUTHOR", "DESCRIPTION"], &rows)
        }
    }
}

async fn remove(id: &str, caller: &Caller) -> Result<()> {
    let client = super::client(caller)?;
    let removed = client.remove_rule(id).await.map_err(explain).context("remove the rule")?;
    let rule = removed.rule.unwrap_or_default();
    match caller.output {
        Output::Json => output::json(&RuleShown::of(&rule)),
        Output::Text => output::line(format_args!("rule {} ({} {}) is removed", rule.id, rule.r#type, rule.pattern)),
    }
}

fn holds_for(rule: &Rule) -> String {
    if rule.tenant.is_empty() { "all tenants".into() } else { rule.tenant.clone() }
}

// === impl Kind ===

impl Kind {
    /// The word for it in requests.
    fn word(self) -> &'static str {
        match self {
            Kind::AreaCode => "area_code",
            Kind::Exchange => "exchange",
            Kind::Prefix => "prefix",
            Kind::Regex => "regex",
        }
    }
}
