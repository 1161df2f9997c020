//! What the catalog holds, as messages: registries, their versions and syncs, tenants, rules. Once, for both APIs; REST
//! shows the same messages under the names of [`crate::shown`].

use dnc_core::catalog::Catalog;
use dnc_core::ids::TenantId;
use dnc_core::registry::{Coverage, LoadReport, Registry, Settings, SyncRecord, Version, VersionState};
use dnc_core::rule::Rule;
use dnc_core::tenant::{AreaSet, Holds, Tenant};
use dnc_core::verdict::Now;
use dnc_proto::v1;
use jiff::Timestamp;
use jiff::civil::Date;

use super::answer::{hex, moment};
use crate::clock;
use crate::schedule::Schedule;

/// How much is told of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Versions without the areas that each covers: for lists of registries.
    Brief,
    /// All there is.
    Whole,
}

/// All registries.
pub fn registries(catalog: &Catalog) -> v1::ListRegistriesResponse {
    let told = |found| registry(catalog, found, Detail::Brief);
    v1::ListRegistriesResponse {
        registries: catalog.registries.values().map(told).collect(),
        revision: catalog.revision,
    }
}

/// All tenants.
pub fn tenants(catalog: &Catalog) -> v1::ListTenantsResponse {
    v1::ListTenantsResponse {
        tenants: catalog.tenants.values().map(|found| tenant(catalog, found)).collect(),
        revision: catalog.revision,
    }
}

/// Rules of a catalog.
pub fn rules(catalog: &Catalog, rules: &[Rule]) -> v1::ListRulesResponse {
    v1::ListRulesResponse {
        rules: rules.iter().map(|found| rule(catalog, found)).collect(),
        revision: catalog.revision,
    }
}

/// A registry.
pub fn registry(catalog: &Catalog, registry: &Registry, detail: Detail) -> v1::Registry {
    registry_at(catalog, registry, detail, clock::now())
}

fn registry_at(catalog: &Catalog, registry: &Registry, detail: Detail, now: Now) -> v1::Registry {
    let active = registry.active_version().map(|(_, content)| content);
    let oldest = active.and_then(|content| content.coverage.oldest());
    let settings = &registry.settings;
    v1::Registry {
        id: registry.id.0,
        name: registry.name.clone(),
        r#type: registry.kind.as_str().into(),
        jurisdiction: settings.jurisdiction.clone(),
        max_age_days: settings.max_age_days.into(),
        active_version: registry.active.map_or(0, |id| id.0),
        numbers: active.map_or(0, |content| content.numbers),
        coverage: active.map_or_else(Vec::new, |content| coverage(&content.coverage)),
        covers_everywhere: active.is_some_and(|content| content.coverage.areas().is_none()),
        owner: registry.owner.map_or_else(String::new, |owner| tenant_name(catalog, owner)),
        state: registry.state_at(now.ms).as_str().into(),
        settings: Some(self::settings(settings)),
        has_key: settings.fetch.as_ref().is_some_and(|fetch| fetch.key.is_some()),
        edition: registry.edition,
        created_at: at(registry.created_ms),
        oldest_list_date: oldest.map_or_else(String::new, |date| date.to_string()),
        stale_in_days: oldest.map(|date| days(i64::from(settings.max_age_days) - age_days(date, now.today))),
        last_sync: registry.sync.last().map(sync),
        next_sync: next_sync(registry, now.ms).and_then(at),
        versions: registry.versions.values().rev().map(|found| version(registry, found, detail, now.today)).collect(),
    }
}

fn settings(settings: &Settings) -> v1::RegistrySettings {
    let fetch = settings.fetch.as_ref();
    let schedule = settings.schedule.clone();
    v1::RegistrySettings {
        jurisdiction: Some(settings.jurisdiction.clone()),
        enabled: Some(settings.enabled),
        max_age_days: Some(settings.max_age_days.into()),
        keep_versions: Some(settings.keep_versions.into()),
        shrink: Some(v1::Percent { limit: settings.guard.shrink_percent }),
        growth: Some(v1::Percent { limit: settings.guard.growth_percent }),
        purchase_months: Some(settings.exemption_months.purchase.into()),
        inquiry_months: Some(settings.exemption_months.inquiry.into()),
        format: Some(settings.reading.format.map_or_else(String::new, |format| format.as_str().into())),
        mapping: Some(settings.reading.mapping.clone()),
        csv_column: Some(settings.reading.csv_column.clone()),
        default_country: Some(settings.reading.default_country.into()),
        national_digits: Some(settings.reading.national_digits.unwrap_or(0).into()),
        url: Some(fetch.map_or_else(String::new, |fetch| fetch.url.clone())),
        lookup_url: Some(fetch.map_or_else(String::new, |fetch| fetch.lookup_url.clone())),
        // Stored for fetching, and for nobody to read.
        api_key: None,
        schedule: Some(schedule.map_or_else(v1::Schedule::default, |schedule| v1::Schedule {
            cron: schedule.cron,
            time_zone: schedule.time_zone,
        })),
        rate_limit: Some(settings.rate_limit.into()),
    }
}

/// How a version stands, in the word that callers read.
pub fn version_state(registry: &Registry, version: &Version) -> &'static str {
    match &version.state {
        _ if registry.active == Some(version.id) => "active",
        VersionState::Staging => "staging",
        VersionState::Sealed(_) if version.activated_ms == 0 => "held",
        VersionState::Sealed(_) => "kept",
        VersionState::Discarded => "discarded",
    }
}

fn version(registry: &Registry, version: &Version, detail: Detail, today: Date) -> v1::RegistryVersion {
    let content = version.content();
    let covers = content.map(|content| &content.coverage);
    let oldest = covers.and_then(Coverage::oldest);
    let areas = covers.and_then(Coverage::areas).unwrap_or(0);
    v1::RegistryVersion {
        id: version.id.0,
        state: version_state(registry, version).into(),
        active: registry.active == Some(version.id),
        parent: version.parent().map_or(0, |id| id.0),
        begun_at: at(version.begun_ms),
        activated_at: at(version.activated_ms),
        numbers: content.map_or(0, |content| content.numbers),
        covers_everywhere: matches!(covers, Some(Coverage::Everywhere(_))),
        areas: u32::try_from(areas).unwrap_or(u32::MAX),
        coverage: match (detail, covers) {
            (Detail::Whole, Some(covers)) => coverage(covers),
            _ => Vec::new(),
        },
        oldest_list_date: oldest.map_or_else(String::new, |date| date.to_string()),
        age_days: oldest.map(|date| days(age_days(date, today))),
        report: content.map(|content| report(&content.report)),
    }
}

fn report(report: &LoadReport) -> v1::LoadReport {
    v1::LoadReport {
        processed: report.processed,
        added: report.added,
        dropped: report.dropped,
        unchanged: report.unchanged,
        failed: report.failed,
        duration_ms: report.duration_ms,
        forced: report.forced,
    }
}

/// When a registry is due: as the catalog says, or by its schedule as long as that says nothing.
pub fn next_sync(registry: &Registry, now_ms: u64) -> Option<u64> {
    let scheduled = registry.settings.schedule.as_ref().filter(|_| registry.is_consulted());
    let by_schedule = || Schedule::of(scheduled?).ok()?.next_after(now_ms);
    registry.sync.next_ms.or_else(by_schedule)
}

/// What came of a sync.
pub fn sync(record: &SyncRecord) -> v1::SyncRecord {
    v1::SyncRecord {
        id: format!("{:032x}", record.sync),
        trigger: record.trigger.as_str().into(),
        started_at: at(record.started_ms),
        completed_at: at(record.completed_ms),
        outcome: record.outcome.as_str().into(),
        version: record.version.map_or(0, |id| id.0),
        added: record.added,
        removed: record.removed,
        unchanged: record.unchanged,
        message: record.message.clone(),
    }
}

fn coverage(coverage: &Coverage) -> Vec<v1::AreaCoverage> {
    let Coverage::Areas(areas) = coverage else {
        return Vec::new();
    };
    areas
        .iter()
        .map(|(area, source)| v1::AreaCoverage {
            area: area.to_string(),
            list_date: source.list_date.to_string(),
            file: source.file.clone(),
            numbers: source.numbers,
            file_sha256: hex(&source.sha256),
        })
        .collect()
}

/// A tenant, its registries by their names.
pub fn tenant(catalog: &Catalog, tenant: &Tenant) -> v1::Tenant {
    let named = |registries: &std::collections::BTreeMap<_, AreaSet>| {
        registries
            .iter()
            .map(|(id, areas)| {
                let registry = catalog.registries.get(id);
                let areas = match areas {
                    AreaSet::All => None,
                    AreaSet::These(areas) => Some(areas.iter().map(ToString::to_string).collect()),
                };
                v1::RegistryAreas {
                    registry: registry.map_or_else(|| id.to_string(), |registry| registry.name.clone()),
                    all: areas.is_none(),
                    areas: areas.unwrap_or_default(),
                }
            })
            .collect()
    };
    v1::Tenant {
        id: tenant.id.0,
        name: tenant.name.clone(),
        holds: Some(match &tenant.terms.holds {
            Holds::Everything => v1::Holds { everything: true, registries: Vec::new() },
            Holds::These(registries) => v1::Holds { everything: false, registries: named(registries) },
        }),
        requires: Some(v1::Requires {
            federal: tenant.terms.requires.federal,
            registries: named(&tenant.terms.requires.registries),
        }),
        edition: tenant.edition,
    }
}

/// A rule.
pub fn rule(catalog: &Catalog, rule: &Rule) -> v1::Rule {
    v1::Rule {
        id: rule.id.to_string(),
        r#type: rule.pattern.kind().into(),
        pattern: rule.pattern.to_string(),
        tenant: rule.tenant.map_or_else(String::new, |tenant| tenant_name(catalog, tenant)),
        description: rule.description.clone(),
        author: rule.author.clone(),
        created_at: at(rule.created_ms),
    }
}

fn tenant_name(catalog: &Catalog, id: TenantId) -> String {
    catalog.tenants.get(&id).map_or_else(|| id.to_string(), |tenant| tenant.name.clone())
}

/// A time; none for 0, which stands for never.
/// A moment, given in milliseconds since 1970; none for 0.
pub fn at(ms: u64) -> Option<prost_types::Timestamp> {
    let ms = i64::try_from(ms).ok().filter(|ms| *ms > 0)?;
    Timestamp::from_millisecond(ms).ok().map(moment)
}

fn age_days(date: Date, today: Date) -> i64 {
    today.since(date).map_or(i64::MAX, |span| i64::from(span.get_days()).max(0))
}

fn days(days: i64) -> i32 {
    i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dnc_core::catalog::{Change, Decision};
    use dnc_core::registry::{Content, Source};
    use jiff::civil::date;

    use super::*;
    use crate::cluster::Cluster;
    use crate::testing::Fake;

    fn source(list_date: Date) -> Source {
        Source { list_date, file: "x.txt".into(), sha256: [1; 32], numbers: 5 }
    }

    #[test]
    fn a_registry_says_when_its_oldest_list_is_too_old() {
        let fake = Fake::founded();
        let id = fake.known().catalog.registry_named("federal").expect("there").id;
        let Decision::Version { id: version, .. } =
            fake.change(Change::BeginVersion { registry: id, load: 1, now_ms: 5 })
        else {
            panic!("no version");
        };
        let areas = [("201", date(2026, 11, 1)), ("202", date(2026, 10, 22))];
        let areas = areas.map(|(area, list_date)| (area.parse().expect("an area"), source(list_date)));
        let content = Content {
            coverage: Coverage::Areas(areas.into()),
            numbers: 10,
            by_area: BTreeMap::new(),
            checksum: 0,
            report: LoadReport { added: 10, ..LoadReport::default() },
        };
        fake.change(Change::SealVersion { registry: id, version, content });
        fake.change(Change::Activate { registry: id, version, from: None, now_ms: 9 });
        let known = fake.known();
        let found = &known.catalog.registries[&id];
        for (today, stale_in) in [(date(2026, 11, 21), 1), (date(2026, 11, 22), 0), (date(2026, 11, 25), -3)] {
            let told = registry_at(&known.catalog, found, Detail::Whole, Now { today, ms: 10 });
            assert_eq!(told.stale_in_days, Some(stale_in), "{today}");
            assert_eq!(told.oldest_list_date, "2026-10-22");
        }
        let now = Now { today: date(2026, 11, 21), ms: 10 };
        let whole = registry_at(&known.catalog, found, Detail::Whole, now);
        assert_eq!((whole.state.as_str(), whole.versions.len(), whole.coverage.len()), ("active", 1, 2));
        let told = &whole.versions[0];
        assert!(told.active && told.state == "active" && told.areas == 2 && told.coverage.len() == 2);
        assert_eq!((told.age_days, told.report.map(|report| report.added)), (Some(30), Some(10)));
        let brief = registry_at(&known.catalog, found, Detail::Brief, now);
        assert!(brief.versions[0].coverage.is_empty() && brief.coverage.len() == 2);
        let empty = known.catalog.registry_named("internal").expect("there");
        assert_eq!(registry_at(&known.catalog, empty, Detail::Whole, now).stale_in_days, None);
    }
}
