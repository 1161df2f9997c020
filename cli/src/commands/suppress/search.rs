//! Entries by what they say.

use std::process::ExitCode;

use anyhow::{Context, Result};
use dnc_proto::v1::SearchSuppressionsRequest;
use dnc_router::entries::SuppressionShown;
use serde_json::json;

use crate::args::{Caller, Output};
use crate::commands::{client, explain, plain};
use crate::output;

/// Entries of one page while all are asked for.
const PAGE: u32 = 1_000;

#[derive(clap::Args)]
pub struct Search {
    /// Entries of this number.
    #[arg(long, value_name = "NUMBER", default_value = "")]
    number: String,
    /// Entries of numbers that begin so: +4420, 1201, 201555.
    #[arg(long, value_name = "DIGITS", default_value = "")]
    prefix: String,
    /// Entries with this very reason.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Entries that this person entered.
    #[arg(long, value_name = "WHO", default_value = "")]
    added_by: String,
    /// Entries added (with --removed: removed) at this time or later, such as 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "")]
    from: String,
    /// At this time or earlier.
    #[arg(long, value_name = "TIME", default_value = "")]
    until: String,
    /// Entries last verified before this time.
    #[arg(long, value_name = "TIME", default_value = "")]
    not_verified_since: String,
    /// Entries that were removed or have ended.
    #[arg(long)]
    removed: bool,
    /// Only entries of this registry.
    #[arg(long, value_name = "NAME", default_value = "")]
    registry: String,
    /// Entries to show, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "all")]
    limit: u32,
    /// Go on from here: the cursor that the page before ended with.
    #[arg(long, value_name = "CURSOR", default_value = "")]
    cursor: String,
    /// Show all of them.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    caller: Caller,
}

// === impl Search ===

impl Search {
    pub async fn run(self) -> Result<ExitCode> {
        let client = client(&self.caller)?;
        let mut request = SearchSuppressionsRequest {
            number: self.number,
            prefix: self.prefix,
            reason: self.reason,
            added_by: self.added_by,
            from: self.from,
            until: self.until,
            not_verified_since: self.not_verified_since,
            removed: self.removed,
            registry: self.registry,
            limit: if self.all { PAGE } else { self.limit },
            cursor: self.cursor,
        };
        loop {
            let page = client.search_suppressions(request.clone()).await.map_err(explain).context("search")?;
            let found: Vec<SuppressionShown> = page.suppressions.into_iter().map(Into::into).collect();
            let is_last = page.cursor.is_empty();
            match self.caller.output {
                Output::Json => {
                    let cursor = (!is_last).then_some(&page.cursor);
                    output::json(&json!({ "suppressions": found, "cursor": cursor }))?;
                }
                Output::Text => table(&found)?,
            }
            if is_last {
                return Ok(ExitCode::SUCCESS);
            }
            if !self.all {
                if self.caller.output == Output::Text {
                    output::note(format_args!("there are more; go on with --cursor {}", page.cursor));
                }
                return Ok(ExitCode::SUCCESS);
            }
            request.cursor = page.cursor;
        }
    }
}

fn table(found: &[SuppressionShown]) -> Result<()> {
    let is_removed = found.iter().any(|entry| entry.removal.is_some());
    let mut head = vec!["NUMBER", "REGISTRY", "SCOPE", "ADDED", "BY", "EXPIRES", "VERIFIED", "ENTRY"];
    head.extend(if is_removed { vec!["REMOVED", "BY", "WHY"] } else { vec!["REASON"] });
    let row = |entry: &SuppressionShown| {
        let mut row = vec![
            entry.phone_number.clone(),
            entry.registry.clone(),
            plain(&entry.scope),
            entry.added_at.clone(),
            plain(&entry.added_by),
            entry.expires_at.clone().unwrap_or_else(|| "-".into()),
            entry.last_verified_at.clone(),
            entry.suppression_id.clone(),
        ];
        match &entry.removal {
            Some(removal) => {
                row.extend([removal.removed_at.clone(), plain(&removal.removed_by), plain(&removal.reason)]);
            }
            None => row.push(plain(&entry.reason)),
        }
        row
    };
    output::table(&head, &found.iter().map(row).collect::<Vec<_>>())
}
