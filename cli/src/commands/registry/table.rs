//! Registries for people to read.

use anyhow::Result;
use dnc_proto::v1::{Percent, Registry, RegistrySettings, RegistryVersion, SyncRecord};
use jiff::Timestamp;

use crate::output;

/// Areas that are named before the rest is only counted.
const AREAS_SHOWN: usize = 4;

/// One line for each registry.
pub fn all(registries: &[Registry]) -> Result<()> {
    let rows: Vec<Vec<String>> = registries
        .iter()
        .map(|registry| {
            vec![
                registry.name.clone(),
                registry.r#type.clone(),
                registry.jurisdiction.clone(),
                registry.state.clone(),
                or_dash(&registry.owner),
                format!("{} days", registry.max_age_days),
                registry.stale_in_days.map_or_else(|| "-".into(), stale),
                if registry.active_version == 0 { "-".into() } else { registry.active_version.to_string() },
                output::thousands(registry.numbers),
                coverage(registry),
            ]
        })
        .collect();
    let head = ["NAME", "TYPE", "FOR", "STATE", "OWNER", "MAX AGE", "STALE", "VERSION", "NUMBERS", "COVERS"];
    output::table(&head, &rows)
}

/// All about one registry.
pub fn whole(registry: &Registry) -> Result<()> {
    all(std::slice::from_ref(registry))?;
    output::line("")?;
    let none = RegistrySettings::default();
    let settings = registry.settings.as_ref().unwrap_or(&none);
    let text = |text: &Option<String>| or_dash(text.as_deref().unwrap_or_default());
    let number = |number: Option<u32>| number.map_or_else(|| "-".into(), |number| number.to_string());
    let schedule = settings.schedule.as_ref().filter(|schedule| !schedule.cron.is_empty());
    let rows = [
        ("number", registry.id.to_string()),
        ("edition", registry.edition.to_string()),
        ("created", moment(registry.created_at.as_ref())),
        ("keeps versions", number(settings.keep_versions)),
        ("guard", format!("shrinks {}, grows {}", percent(settings.shrink), percent(settings.growth))),
        (
            "relationship",
            format!(
                "{} months, {} after an inquiry",
                number(settings.purchase_months),
                number(settings.inquiry_months)
            ),
        ),
        ("format", text(&settings.format)),
        ("mapping", text(&settings.mapping)),
        ("CSV column", text(&settings.csv_column)),
        ("default country", number(settings.default_country)),
        ("fetched from", text(&settings.url)),
        ("looked up at", text(&settings.lookup_url)),
        ("provider's key", if registry.has_key { "stored".into() } else { "-".into() }),
        (
            "schedule",
            schedule.map_or_else(|| "-".into(), |schedule| format!("{} ({})", schedule.cron, schedule.time_zone)),
        ),
        ("next sync", moment(registry.next_sync.as_ref())),
        ("last sync", registry.last_sync.as_ref().map_or_else(|| "-".into(), sync)),
        ("requests a second", number(settings.rate_limit)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.into(), value]).collect();
    output::table(&["SETTING", "VALUE"], &rows)?;
    if registry.versions.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let rows: Vec<Vec<String>> = registry.versions.iter().map(version).collect();
    output::table(&["VERSION", "STATE", "NUMBERS", "ADDED", "DROPPED", "LIST DATE", "COVERS", "ACTIVE SINCE"], &rows)
}

fn version(version: &RegistryVersion) -> Vec<String> {
    let report = |of: fn(&dnc_proto::v1::LoadReport) -> u64| {
        version.report.as_ref().map_or_else(|| "-".into(), |report| output::thousands(of(report)))
    };
    vec![
        version.id.to_string(),
        version.state.clone(),
        output::thousands(version.numbers),
        report(|report| report.added),
        report(|report| report.dropped),
        or_dash(&version.oldest_list_date),
        if version.covers_everywhere { "everywhere".into() } else { format!("{} areas", version.areas) },
        moment(version.activated_at.as_ref()),
    ]
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

fn sync(sync: &SyncRecord) -> String {
    let message = if sync.message.is_empty() { String::new() } else { format!(": {}", sync.message) };
    format!(
        "{} at {}, {} added, {} removed{message}",
        sync.outcome,
        moment(sync.completed_at.as_ref()),
        output::thousands(sync.added),
        output::thousands(sync.removed),
    )
}

fn stale(days: i32) -> String {
    if days < 0 { "yes".into() } else { format!("{days} days left") }
}

fn percent(given: Option<Percent>) -> String {
    let limit = given.and_then(|given| given.limit);
    limit.map_or_else(|| "any".into(), |limit| format!("{limit}%"))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

fn moment(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map_or_else(|| "-".into(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
