//! One number: added, removed, verified.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use dnc_proto::v1::{AddSuppressionRequest, RemoveSuppressionRequest, VerifySuppressionRequest};
use serde_json::json;

use super::Origin;
use crate::args::{Caller, Output};
use crate::commands::{client, explain};
use crate::output;

/// What a new entry says, besides its number.
#[derive(clap::Args)]
pub struct Says {
    /// Where it came in: a call, a web form, another system.
    #[arg(long, value_name = "TEXT", default_value = "")]
    source: String,
    /// Which registry; it must be of type internal.
    #[arg(long, value_name = "NAME", default_value = "internal")]
    registry: String,
    /// Whose wish it is.
    #[arg(long, value_enum, default_value_t = Origin::Consumer)]
    origin: Origin,
    /// The person, as far as known.
    #[arg(long, value_name = "NAME", default_value = "")]
    consumer_name: String,
    /// Anything else, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// When it ends, such as 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "", conflicts_with = "expires_in")]
    expires_at: String,
    /// In how many seconds it ends.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
    /// It holds for calls for this brand only.
    #[arg(long, value_name = "NAME", conflicts_with = "campaign")]
    brand: Option<String>,
    /// It holds for calls of this campaign only.
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// A field of your own; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

#[derive(clap::Args)]
pub struct Add {
    /// The number.
    number: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who enters it.
    #[arg(long, value_name = "WHO")]
    added_by: String,
    #[command(flatten)]
    says: Says,
    /// Repeats an addition of which it is not known whether it was done.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
pub struct Remove {
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
    /// Remove these entries only; may be repeated.
    #[arg(long, value_name = "ID")]
    entry: Vec<String>,
    /// Repeats a removal of which it is not known whether it was done.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
pub struct Verify {
    /// The number.
    number: String,
    /// Which registry.
    #[arg(long, value_name = "NAME", default_value = "internal")]
    registry: String,
    #[command(flatten)]
    caller: Caller,
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

// === impl Says ===

impl Says {
    /// An entry that says this, of a number that is still to be named.
    pub fn request(&self, reason: String, added_by: String) -> AddSuppressionRequest {
        let scope = match (&self.brand, &self.campaign) {
            (Some(brand), _) => format!("brand {brand}"),
            (None, Some(campaign)) => format!("campaign {campaign}"),
            (None, None) => String::new(),
        };
        AddSuppressionRequest {
            phone_number: String::new(),
            registry: self.registry.clone(),
            reason,
            added_by,
            origin: self.origin.word(),
            request_id: String::new(),
            source: self.source.clone(),
            consumer_name: self.consumer_name.clone(),
            notes: self.notes.clone(),
            expires_at: self.expires_at.clone(),
            expires_in: self.expires_in,
            scope,
            metadata: self.metadata.iter().cloned().collect::<HashMap<_, _>>(),
        }
    }
}

// === impl Add ===

impl Add {
    pub async fn run(self) -> Result<ExitCode> {
        let request = AddSuppressionRequest {
            phone_number: self.number,
            // If it is empty the client makes one, so that its retries are recognised.
            request_id: self.request_id,
            ..self.says.request(self.reason, self.added_by)
        };
        let answer = client(&self.caller)?.add_suppression(request).await;
        let answer = answer.map_err(explain).context("add the suppression")?;
        let (id, number, registry) = (answer.suppression_id, answer.phone_number, answer.registry);
        match self.caller.output {
            Output::Json => {
                output::json(&json!({ "suppression_id": id, "phone_number": number, "registry": registry }))
            }
            Output::Text => output::line(format_args!("{number} is listed in {registry}, entry {id}")),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

// === impl Remove ===

impl Remove {
    pub async fn run(self) -> Result<ExitCode> {
        let request = RemoveSuppressionRequest {
            phone_number: self.number,
            registry: self.registry,
            reason: self.reason,
            removed_by: self.removed_by,
            request_id: self.request_id,
            entry_ids: self.entry,
        };
        let answer = client(&self.caller)?.remove_suppression(request).await;
        let answer = answer.map_err(explain).context("remove the suppression")?;
        let (removed, kept) = (answer.removed, answer.kept);
        let (number, registry) = (answer.phone_number, answer.registry);
        match self.caller.output {
            Output::Json => output::json(
                &json!({ "removed": removed, "kept": kept, "phone_number": number, "registry": registry }),
            )?,
            Output::Text if removed == 0 && kept == 0 => {
                output::line(format_args!("{number} has no entry in {registry}"))?;
            }
            Output::Text => {
                let entries = if removed == 1 { "entry" } else { "entries" };
                output::line(format_args!("{removed} {entries} of {number} removed from {registry}"))?;
            }
        }
        if kept > 0 {
            output::note(format_args!("{kept} stand: they were added after this request was made"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

// === impl Verify ===

impl Verify {
    pub async fn run(self) -> Result<ExitCode> {
        let request =
            VerifySuppressionRequest { phone_number: self.number, registry: self.registry, request_id: String::new() };
        let answer = client(&self.caller)?.verify_suppression(request).await;
        let answer = answer.map_err(explain).context("verify the suppression")?;
        let (verified, number, registry) = (answer.verified, answer.phone_number, answer.registry);
        match self.caller.output {
            Output::Json => output::json(&json!({
                "verified": verified, "phone_number": number, "registry": registry,
                "last_verified_at": answer.last_verified_at,
            })),
            Output::Text if verified == 0 => output::line(format_args!("{number} has no entry in {registry}")),
            Output::Text => {
                let entries = if verified == 1 { "entry" } else { "entries" };
                output::line(format_args!("{verified} {entries} of {number} in {registry} verified"))
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_a_key_and_a_value() {
        assert_eq!(key_value("crm=a=b"), Ok(("crm".into(), "a=b".into())));
        assert!(key_value("crm").is_err());
    }
}
