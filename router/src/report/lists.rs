//! Lists and their syncs, as a tenant may know of them.

use dnc_core::catalog::Catalog;
use dnc_core::registry::{Coverage, Registry, SyncRecord};
use dnc_core::tenant::{AreaSet, Holds};
use dnc_proto::v1;
use jiff::civil::Date;

use super::{Period, Whose};
use crate::clock::time;

/// The registries that somebody is told of: for a tenant its own, and those that it holds for some area.
pub fn told<'a>(catalog: &'a Catalog, whose: Whose) -> impl Iterator<Item = &'a Registry> + 'a {
    let tenant = whose.tenant().and_then(|id| catalog.tenants.get(&id));
    catalog.registries.values().filter(move |registry| match (whose, registry.owner) {
        (Whose::All, _) => true,
        (Whose::Tenant(id), Some(owner)) => id == owner,
        (Whose::Tenant(_), None) => tenant.is_some_and(|tenant| match &tenant.terms.holds {
            Holds::Everything => true,
            Holds::These(held) => held.get(&registry.id).is_some_and(|areas| match areas {
                AreaSet::All => true,
                AreaSet::These(areas) => !areas.is_empty(),
            }),
        }),
    })
}

/// How old a bulk registry's lists are.
pub fn age(registry: &Registry, today: Date) -> v1::ListAge {
    let max = i64::from(registry.settings.max_age_days);
    let mut age = v1::ListAge {
        registry: registry.name.clone(),
        r#type: registry.kind.as_str().into(),
        max_age_days: registry.settings.max_age_days.into(),
        ..v1::ListAge::default()
    };
    let Some((version, content)) = registry.active_version() else {
        return age;
    };
    age.version = Some(version.0);
    let sources: Vec<_> = match &content.coverage {
        Coverage::Everywhere(source) => {
            age.covers_everywhere = true;
            vec![source]
        }
        Coverage::Areas(areas) => {
            age.areas = count(areas.len());
            areas.values().collect()
        }
    };
    let dates = || sources.iter().map(|source| source.list_date);
    age.oldest_list_date = dates().min().map(|date| date.to_string());
    age.newest_list_date = dates().max().map(|date| date.to_string());
    age.age_days = sources.iter().map(|source| source.age_days(today)).max();
    if !age.covers_everywhere {
        age.stale_areas = count(sources.iter().filter(|source| source.age_days(today) > max).count());
    }
    age
}

/// What came of the syncs and loads that began in a period, oldest first.
pub fn syncs(catalog: &Catalog, whose: Whose, period: Period) -> Vec<v1::SyncShown> {
    let mut records: Vec<(&Registry, &SyncRecord)> = told(catalog, whose)
        .flat_map(|registry| registry.sync.history.iter().map(move |record| (registry, record)))
        .filter(|(_, record)| period.contains_ms(record.started_ms))
        .collect();
    records.sort_by_key(|(registry, record)| (record.started_ms, registry.id));
    records.into_iter().map(|(registry, record)| sync(registry, record)).collect()
}

/// One of them.
pub fn sync(registry: &Registry, record: &SyncRecord) -> v1::SyncShown {
    v1::SyncShown {
        registry: registry.name.clone(),
        trigger: record.trigger.as_str().into(),
        started_at: time(record.started_ms),
        completed_at: time(record.completed_ms),
        status: record.outcome.as_str().into(),
        added: record.added,
        removed: record.removed,
        unchanged: record.unchanged,
        version: record.version.map(|version| version.0),
        message: record.message.clone(),
    }
}

/// How many: registries have far fewer areas than this can hold.
pub fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
