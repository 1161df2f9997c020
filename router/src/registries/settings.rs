//! What a request says of a registry's settings, laid over those that it is made from. Pure; every bad field is refused
//! by its name.

use dnc_core::exemption::Months;
use dnc_core::listfile::Mapping;
use dnc_core::registry::{Fetch, Guard, Reading, RegistryKind, Schedule as Stored, Settings};
use dnc_proto::v1;

use crate::failure::Invalid;
use crate::import::asked;
use crate::schedule::{self, BadSchedule, Schedule};

/// Longest jurisdiction, bytes.
const MAX_JURISDICTION: usize = 64;
/// Longest name of a column, bytes.
const MAX_COLUMN: usize = 128;
/// Longest URL, bytes.
const MAX_URL: usize = 2_048;
/// Most days that a list may be old.
const MAX_AGE_DAYS: u16 = 366;
/// Most versions that are kept.
const MAX_KEPT: u8 = 20;
/// Most months that a business relationship lasts.
const MAX_MONTHS: u8 = 120;
/// Most percent that a list can grow before a guard stops it.
const MAX_GROWTH: u32 = 1_000_000;
/// Most requests a second to where a list comes from.
const MAX_RATE: u16 = 1_000;
/// What stands for a number in a look-up's URL.
const NUMBER: &str = "{number}";
/// Where lists can be fetched from.
const SCHEMES: [&str; 5] = ["file", "http", "https", "s3", "sftp"];
/// Where numbers can be looked up.
const LOOKUP_SCHEMES: [&str; 2] = ["http", "https"];

/// Lays what is given over the settings that it is made from. A provider's key stays what it is; whoever calls takes
/// care of a new one.
pub fn lay_over(base: &Settings, given: &v1::RegistrySettings, kind: RegistryKind) -> Result<Settings, Invalid> {
    let jurisdiction = given.jurisdiction.clone().unwrap_or_else(|| base.jurisdiction.clone());
    Invalid::limit("jurisdiction", &jurisdiction, MAX_JURISDICTION)?;
    let fetch = fetch(base.fetch.as_ref(), given)?;
    if fetch.is_some() && kind.is_live() {
        return Err(Invalid::new(
            "url",
            format!("a registry of type {kind} changes entry by entry, nothing is fetched"),
        ));
    }
    Ok(Settings {
        schedule: schedule(base, given, fetch.as_ref(), kind, &jurisdiction)?,
        jurisdiction,
        enabled: given.enabled.unwrap_or(base.enabled),
        max_age_days: bounded("max_age_days", given.max_age_days, base.max_age_days, 1, MAX_AGE_DAYS)?,
        keep_versions: bounded("keep_versions", given.keep_versions, base.keep_versions, 1, MAX_KEPT)?,
        guard: Guard {
            shrink_percent: percent("guard.shrink_percent", given.shrink, base.guard.shrink_percent, 100)?,
            growth_percent: percent("guard.growth_percent", given.growth, base.guard.growth_percent, MAX_GROWTH)?,
        },
        exemption_months: Months {
            purchase: bounded(
                "exemption_months.purchase",
                given.purchase_months,
                base.exemption_months.purchase,
                0,
                MAX_MONTHS,
            )?,
            inquiry: bounded(
                "exemption_months.inquiry",
                given.inquiry_months,
                base.exemption_months.inquiry,
                0,
                MAX_MONTHS,
            )?,
        },
        reading: reading(&base.reading, given)?,
        fetch,
        rate_limit: bounded("rate_limit", given.rate_limit, base.rate_limit, 1, MAX_RATE)?,
    })
}

/// Whether a key that was given for one place would now be sent to another one.
pub fn moves(before: &Fetch, after: &Fetch) -> bool {
    let elsewhere = |old: &str, new: &str| !new.is_empty() && place(old) != place(new);
    // Keys are for the list's place; a look-up may be at that place too, or where it was before.
    elsewhere(&before.url, &after.url)
        || (elsewhere(&before.lookup_url, &after.lookup_url) && elsewhere(&after.url, &after.lookup_url))
}

/// Scheme and host of a URL.
fn place(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

fn reading(base: &Reading, given: &v1::RegistrySettings) -> Result<Reading, Invalid> {
    let format = match given.format.as_deref() {
        None => base.format,
        Some("") => None,
        Some(word) => Some(word.parse().map_err(|why| Invalid::new("reading.format", format!("{why}")))?),
    };
    let mapping = match given.mapping.as_deref() {
        None => base.mapping.clone(),
        Some("") => String::new(),
        Some(text) => normal(&asked::mapping("reading.mapping", text)?),
    };
    let csv_column = given.csv_column.clone().unwrap_or_else(|| base.csv_column.clone());
    Invalid::limit("reading.csv_column", &csv_column, MAX_COLUMN)?;
    let national_digits = match given.national_digits {
        None => base.national_digits,
        Some(0) => None,
        Some(_) => Some(bounded("reading.national_digits", given.national_digits, 0, 4, 14)?),
    };
    let default_country = bounded("reading.default_country", given.default_country, base.default_country, 1, 999)?;
    Ok(Reading { format, mapping, csv_column, default_country, national_digits })
}

/// The same mapping is always the same text.
fn normal(mapping: &Mapping) -> String {
    serde_json::to_string(mapping).expect("a mapping has only text for keys")
}

fn fetch(base: Option<&Fetch>, given: &v1::RegistrySettings) -> Result<Option<Fetch>, Invalid> {
    let before = |of: fn(&Fetch) -> &String| base.map(of).cloned().unwrap_or_default();
    let url = given.url.clone().unwrap_or_else(|| before(|fetch| &fetch.url));
    if url.is_empty() {
        for (field, said) in [("lookup_url", &given.lookup_url), ("api_key", &given.api_key)] {
            if said.as_ref().is_some_and(|text| !text.is_empty()) {
                return Err(Invalid::new(field, "means nothing without a url"));
            }
        }
        return Ok(None);
    }
    check_url("url", &url, &SCHEMES)?;
    let lookup_url = given.lookup_url.clone().unwrap_or_else(|| before(|fetch| &fetch.lookup_url));
    if !lookup_url.is_empty() {
        check_url("lookup_url", &lookup_url, &LOOKUP_SCHEMES)?;
        if lookup_url.matches(NUMBER).count() != 1 || place(&lookup_url).contains(NUMBER) {
            return Err(Invalid::new("lookup_url", format!("must contain {NUMBER} once, after the host")));
        }
    }
    Ok(Some(Fetch { url, lookup_url, key: base.and_then(|fetch| fetch.key.clone()) }))
}

fn check_url(field: &'static str, url: &str, schemes: &[&str]) -> Result<(), Invalid> {
    Invalid::limit(field, url, MAX_URL)?;
    let named = || Invalid::new(field, format!("must begin with one of {}://", schemes.join("://, ")));
    let (scheme, rest) = url.split_once("://").ok_or_else(named)?;
    if !schemes.contains(&scheme) {
        return Err(named());
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Invalid::new(field, "holds a character that no URL has"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme == "file" {
        if !authority.is_empty() || rest.len() < 2 {
            return Err(Invalid::new(field, "a folder is named from the root, such as file:///lists"));
        }
        return Ok(());
    }
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() || host.starts_with(':') {
        return Err(Invalid::new(field, "names no host"));
    }
    if user.contains(':') {
        return Err(Invalid::new(
            field,
            "a password does not belong here: give it as api_key, which is stored encrypted",
        ));
    }
    Ok(())
}

fn schedule(
    base: &Settings,
    given: &v1::RegistrySettings,
    fetch: Option<&Fetch>,
    kind: RegistryKind,
    jurisdiction: &str,
) -> Result<Option<Stored>, Invalid> {
    let asked = given.schedule.as_ref().map(|asked| (asked.cron.trim(), asked.time_zone.trim()));
    match (asked, fetch) {
        (Some(("", "")), _) => Ok(None),
        (Some(_), None) => Err(Invalid::new("schedule", "means nothing without a url")),
        (Some((cron, time_zone)), Some(_)) => {
            Schedule::parse(cron, time_zone).map_err(|why| {
                let field = if why == BadSchedule::Zone { "schedule.time_zone" } else { "schedule.cron" };
                Invalid::new(field, why.to_string())
            })?;
            Ok(Some(Stored { cron: cron.into(), time_zone: time_zone.into() }))
        }
        (None, None) => Ok(None),
        // What begins to be fetched is fetched at the usual time.
        (None, Some(_)) if base.fetch.is_none() => Ok(Some(schedule::usual(kind, jurisdiction))),
        (None, Some(_)) => Ok(base.schedule.clone()),
    }
}

fn bounded<T>(field: &'static str, given: Option<u32>, base: T, min: T, max: T) -> Result<T, Invalid>
where
    T: Copy + PartialOrd + std::fmt::Display + TryFrom<u32>,
{
    let Some(given) = given else {
        return Ok(base);
    };
    let fits = T::try_from(given).ok().filter(|value| min <= *value && *value <= max);
    fits.ok_or_else(|| Invalid::new(field, format!("{min} to {max}")))
}

fn percent(
    field: &'static str,
    given: Option<v1::Percent>,
    base: Option<u32>,
    max: u32,
) -> Result<Option<u32>, Invalid> {
    match given {
        None => Ok(base),
        Some(v1::Percent { limit: None }) => Ok(None),
        Some(v1::Percent { limit }) => bounded(field, limit, 0, 0, max).map(Some),
    }
}

#[cfg(test)]
mod tests;
