//! `dnc exempt`: why a number may be called although a federal or state registry lists it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use dnc_proto::v1::{GrantExemptionRequest, ListExemptionsRequest, RevokeExemptionRequest};
use dnc_router::entries::ExemptionShown;
use serde_json::json;

use super::{client, explain, plain};
use crate::args::{Caller, Output};
use crate::output;

/// Arguments of `dnc exempt`.
#[derive(clap::Args)]
pub struct ExemptArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Exempt a number.
    Grant(Grant),
    /// End a number's exemptions: once this is answered, no check is lifted by them.
    Revoke(Revoke),
    /// Show a number's exemptions, ended ones included.
    List(List),
}

#[derive(clap::Args)]
struct Grant {
    /// The number.
    number: String,
    /// What it rests on.
    #[arg(long, value_enum)]
    ground: Ground,
    /// The day of it.
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: String,
    /// When it ends at the latest, such as 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "")]
    expires_at: String,
    /// Where the proof is kept: an order number, a recording, a signed form.
    #[arg(long, value_name = "TEXT", default_value = "")]
    proof: String,
    /// SHA-256 of the proof.
    #[arg(long, value_name = "HEX", default_value = "")]
    proof_sha256: String,
    /// Anything else, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// Who enters it.
    #[arg(long, value_name = "WHO")]
    granted_by: String,
    /// Repeats a grant of which it is not known whether it was done.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Revoke {
    /// The number.
    number: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who ends them.
    #[arg(long, value_name = "WHO", default_value = "")]
    revoked_by: String,
    /// End these exemptions only; may be repeated.
    #[arg(long, value_name = "ID")]
    exemption: Vec<String>,
    /// Repeats a revocation of which it is not known whether it was done.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct List {
    /// The number.
    number: String,
    #[command(flatten)]
    caller: Caller,
}

/// What an exemption rests on.
#[derive(Clone, Copy, ValueEnum)]
enum Ground {
    /// The person bought something: 18 months.
    Purchase,
    /// The person asked about something: 3 months.
    Inquiry,
    /// The person agreed in writing.
    Consent,
}

/// Does what was asked.
pub async fn run(asked: ExemptArgs) -> Result<ExitCode> {
    match asked.act {
        Act::Grant(grant) => self::grant(grant).await?,
        Act::Revoke(revoke) => self::revoke(revoke).await?,
        Act::List(list) => self::list(list).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn grant(asked: Grant) -> Result<()> {
    let ground = match asked.ground {
        Ground::Purchase => "purchase",
        Ground::Inquiry => "inquiry",
        Ground::Consent => "consent",
    };
    let request = GrantExemptionRequest {
        phone_number: asked.number,
        ground: ground.into(),
        since: asked.since,
        expires_at: asked.expires_at,
        proof: asked.proof,
        proof_sha256: asked.proof_sha256,
        notes: asked.notes,
        granted_by: asked.granted_by,
        request_id: asked.request_id,
    };
    let granted = client(&asked.caller)?.grant_exemption(request).await;
    let granted = ExemptionShown::from(granted.map_err(explain).context("grant the exemption")?);
    match asked.caller.output {
        Output::Json => output::json(&granted),
        Output::Text => output::line(format_args!(
            "{} is exempt for {} of {}, exemption {}",
            granted.phone_number, granted.ground, granted.since, granted.exemption_id
        )),
    }
}

async fn revoke(asked: Revoke) -> Result<()> {
    let request = RevokeExemptionRequest {
        phone_number: asked.number,
        exemption_ids: asked.exemption,
        reason: asked.reason,
        revoked_by: asked.revoked_by,
        request_id: asked.request_id,
    };
    let answer = client(&asked.caller)?.revoke_exemption(request).await;
    let answer = answer.map_err(explain).context("revoke the exemption")?;
    let (revoked, number) = (answer.revoked, answer.phone_number);
    match asked.caller.output {
        Output::Json => output::json(&json!({ "revoked": revoked, "phone_number": number })),
        Output::Text if revoked == 0 => output::line(format_args!("{number} has no exemption")),
        Output::Text => {
            let exemptions = if revoked == 1 { "exemption" } else { "exemptions" };
            output::line(format_args!("{revoked} {exemptions} of {number} ended"))
        }
    }
}

async fn list(asked: List) -> Result<()> {
    let request = ListExemptionsRequest { phone_number: asked.number };
    let answer = client(&asked.caller)?.list_exemptions(request).await;
    let answer = answer.map_err(explain).context("list the exemptions")?;
    let found: Vec<ExemptionShown> = answer.exemptions.into_iter().map(Into::into).collect();
    match asked.caller.output {
        Output::Json => output::json(&json!({ "phone_number": answer.phone_number, "exemptions": found })),
        Output::Text if found.is_empty() => output::line(format_args!("{} has no exemption", answer.phone_number)),
        Output::Text => {
            let row = |one: &ExemptionShown| {
                let ended = one.removal.as_ref().map_or_else(
                    || "-".to_owned(),
                    |removal| {
                        format!("{} {}: {}", removal.removed_at, plain(&removal.removed_by), plain(&removal.reason))
                    },
                );
                vec![
                    one.exemption_id.clone(),
                    one.ground.clone(),
                    one.since.clone(),
                    one.expires_at.clone().unwrap_or_else(|| "-".into()),
                    plain(&one.granted_by),
                    plain(&one.proof),
                    ended,
                ]
            };
            let head = ["EXEMPTION", "GROUND", "SINCE", "EXPIRES", "BY", "PROOF", "ENDED"];
            output::table(&head, &found.iter().map(row).collect::<Vec<_>>())
        }
    }
}
