//! `dnc report` and `dnc stats`: what was checked, and what is held.

use std::process::ExitCode;

use anyhow::{Context, Result};
use dnc_proto::v1::{ComplianceReport, ComplianceRequest, ListAge, ListStats, Stats, StatsRequest, SyncShown};
use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

use super::explain;
use crate::args::{Caller, Output};
use crate::output::{self, thousands};

/// Days that a report is about, today included, unless told.
const DAYS: i64 = 30;

/// Arguments of `dnc report`.
#[derive(clap::Args)]
pub struct Report {
    /// The first day (UTC), YYYY-MM-DD; 29 days before the last one if not given.
    #[arg(long, value_name = "DATE")]
    start_date: Option<Date>,
    /// The last day (UTC), YYYY-MM-DD; today if not given.
    #[arg(long, value_name = "DATE")]
    end_date: Option<Date>,
    /// All tenants together. Only the default tenant may ask so.
    #[arg(long)]
    all_tenants: bool,
    #[command(flatten)]
    caller: Caller,
}

/// Arguments of `dnc stats`.
#[derive(clap::Args)]
pub struct StatsArgs {
    /// All tenants together. Only the default tenant may ask so.
    #[arg(long)]
    all_tenants: bool,
    #[command(flatten)]
    caller: Caller,
}

/// Shows what was checked in a period.
pub async fn report(asked: Report) -> Result<ExitCode> {
    let last = asked.end_date.unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC).date());
    let first = match asked.start_date {
        Some(first) => first,
        None => last.checked_sub(Span::new().days(DAYS - 1)).context("a first day before the last one")?,
    };
    let request =
        ComplianceRequest { start_date: first.to_string(), end_date: last.to_string(), all_tenants: asked.all_tenants };
    let report = super::client(&asked.caller)?.compliance(request).await.map_err(explain).context("make the report")?;
    match asked.caller.output {
        Output::Json => output::json(&report)?,
        Output::Text => show_report(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what is held now.
pub async fn stats(asked: StatsArgs) -> Result<ExitCode> {
    let request = StatsRequest { all_tenants: asked.all_tenants };
    let stats =
        super::client(&asked.caller)?.stats(request).await.map_err(explain).context("ask for the statistics")?;
    match asked.caller.output {
        Output::Json => output::json(&stats)?,
        Output::Text => show_stats(&stats)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_report(report: &ComplianceReport) -> Result<()> {
    if let Some(period) = &report.period {
        output::line(format_args!(
            "tenant {}, {} to {} ({} days)\n",
            report.tenant, period.start_date, period.end_date, period.days
        ))?;
    }
    let suppressions = report.suppressions.unwrap_or_default();
    let mut rows = vec![
        row("numbers checked", report.total_checks, None),
        row("listed (calls that would have been violations)", report.violations_found, report.hit_rate),
        row("clear", report.clear, report.clear_rate),
        row("unknown", report.unknown, report.unknown_rate),
    ];
    rows.extend(report.listed_by_reason.iter().map(|(reason, count)| row(&format!("reason {reason}"), *count, None)));
    rows.extend(report.unknown_by_cause.iter().map(|(cause, count)| row(&format!("unknown {cause}"), *count, None)));
    rows.extend([
        row("lifted by an exemption", report.exempted, None),
        row("not a phone number", report.invalid_numbers, None),
        row("requests", report.requests, None),
        vec!["mean time of a request".into(), milliseconds(report.avg_check_time_ms), String::new()],
        row("suppressions added", suppressions.added, None),
        row("suppressions removed", suppressions.removed, None),
        vec!["suppressions live".into(), thousands(suppressions.live), String::new()],
    ]);
    output::table(&["WHAT", "COUNT", "SHARE"], &rows)?;
    if !report.list_ages.is_empty() {
        output::line("")?;
        let rows: Vec<Vec<String>> = report.list_ages.iter().map(age_row).collect();
        output::table(&["LIST", "TYPE", "VERSION", "OLDEST DATE", "AGE", "ALLOWED", "TOO OLD"], &rows)?;
    }
    if !report.sync_history.is_empty() {
        output::line("")?;
        let rows: Vec<Vec<String>> = report.sync_history.iter().map(sync_row).collect();
        output::table(&["SYNC", "BY", "STARTED", "STATUS", "ADDED", "REMOVED", "MESSAGE"], &rows)?;
    }
    Ok(())
}

fn show_stats(stats: &Stats) -> Result<()> {
    let suppressions = stats.suppressions.unwrap_or_default();
    let filter = stats.filter.unwrap_or_default();
    let mut rows = vec![row("numbers on active lists", stats.total_numbers, None)];
    rows.extend(stats.numbers_by_type.iter().map(|(kind, count)| row(&format!("of type {kind}"), *count, None)));
    rows.extend([
        vec!["suppressions live".into(), thousands(suppressions.live), String::new()],
        row("checked today", stats.checks_today, None),
        row("listed today", stats.listed_today, stats.hit_rate),
        vec!["mean time of a request today".into(), milliseconds(stats.avg_check_time_ms), String::new()],
        row("let through by the filters", filter.hits, filter.hit_rate),
        row("of these without a record", filter.false_hits, filter.false_positive_rate),
    ]);
    output::table(&["WHAT", "COUNT", "SHARE"], &rows)?;
    output::line("")?;
    let rows: Vec<Vec<String>> = stats.lists.iter().map(list_row).collect();
    output::table(&["LIST", "TYPE", "STATE", "NUMBERS", "VERSION", "OLDEST DATE", "LAST SYNC", "NEXT SYNC"], &rows)
}

fn row(what: &str, count: u64, share: Option<f64>) -> Vec<String> {
    vec![what.into(), thousands(count), share.map_or_else(String::new, percent)]
}

fn age_row(age: &ListAge) -> Vec<String> {
    vec![
        age.registry.clone(),
        age.r#type.clone(),
        age.version.map_or_else(dash, |version| version.to_string()),
        age.oldest_list_date.clone().unwrap_or_else(dash),
        age.age_days.map_or_else(dash, |days| format!("{days} days")),
        format!("{} days", age.max_age_days),
        match age.age_days {
            Some(days) if age.covers_everywhere => {
                if days > age.max_age_days.into() {
                    "everywhere".into()
                } else {
                    dash()
                }
            }
            _ => format!("{} of {} areas", age.stale_areas, age.areas),
        },
    ]
}

fn sync_row(sync: &SyncShown) -> Vec<String> {
    vec![
        sync.registry.clone(),
        sync.trigger.clone(),
        sync.started_at.clone(),
        sync.status.clone(),
        thousands(sync.added),
        thousands(sync.removed),
        sync.message.clone(),
    ]
}

fn list_row(list: &ListStats) -> Vec<String> {
    vec![
        list.registry.clone(),
        list.r#type.clone(),
        list.state.clone(),
        thousands(list.numbers),
        list.version.map_or_else(dash, |version| version.to_string()),
        list.oldest_list_date.clone().unwrap_or_else(dash),
        list.last_sync.as_ref().map_or_else(dash, |sync| format!("{} {}", sync.status, sync.completed_at)),
        list.next_sync_at.clone().unwrap_or_else(dash),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn milliseconds(mean: Option<f64>) -> String {
    mean.map_or_else(dash, |mean| format!("{mean:.2} ms"))
}

fn dash() -> String {
    "-".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_old_is_told_by_areas_or_as_a_whole() {
        let age = |age_days, covers_everywhere, stale_areas| {
            let age =
                ListAge { age_days, max_age_days: 31, covers_everywhere, stale_areas, areas: 3, ..ListAge::default() };
            age_row(&age).pop().expect("a column")
        };
        assert_eq!(age(Some(40), true, 0), "everywhere");
        assert_eq!(age(Some(31), true, 0), "-");
        assert_eq!(age(Some(40), false, 2), "2 of 3 areas");
    }

    #[test]
    fn shares_and_times_are_shown_only_where_there_are_any() {
        assert_eq!(row("x", 1_500, Some(0.125)), ["x", "1,500", "12.50 %"]);
        assert_eq!(row("x", 0, None), ["x", "0", ""]);
        assert_eq!((milliseconds(None), milliseconds(Some(1.234))), ("-".into(), "1.23 ms".into()));
    }
}
