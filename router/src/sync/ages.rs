//! How old lists are: told every minute by each router, with a warning before one becomes too old to answer from.

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::registry::Coverage;
use jiff::civil::Date;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::today;
use crate::cluster::Cluster;
use crate::telemetry;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// Days before a list becomes too old from which on there are warnings.
const WARN_DAYS: i64 = 5;

/// How old the oldest part of a registry's active version is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// The registry's name.
    pub registry: String,
    /// Days since the date of that list.
    pub days: i64,
    /// Days after which it is too old: on the last of them it still answers. Negative if it is.
    pub stale_in: i64,
    /// How many of the areas that it covers are too old within [`WARN_DAYS`] days.
    pub areas: usize,
}

/// The ages of all lists that checks are answered from.
pub fn ages(catalog: &Catalog, today: Date) -> Vec<Age> {
    let consulted = catalog.registries.values().filter(|registry| registry.is_consulted());
    consulted
        .filter_map(|registry| {
            let (_, content) = registry.active_version()?;
            let max = i64::from(registry.settings.max_age_days);
            let days: Vec<i64> = match &content.coverage {
                Coverage::Everywhere(source) => vec![source.age_days(today)],
                Coverage::Areas(areas) => areas.values().map(|source| source.age_days(today)).collect(),
            };
            let oldest = days.iter().copied().max()?;
            let areas = days.iter().filter(|days| max - **days <= WARN_DAYS).count();
            Some(Age { registry: registry.name.clone(), days: oldest, stale_in: max - oldest, areas })
        })
        .collect()
}

/// Tells the ages every minute, and warns once a day, until `stop`.
pub async fn keep_telling<C: Cluster>(cluster: C, stop: CancellationToken) {
    let mut told: BTreeMap<String, Option<Date>> = BTreeMap::new();
    loop {
        let today = today();
        let ages = ages(&cluster.known().catalog, today);
        // A registry that is not consulted any more has no age.
        for gone in told.keys().filter(|name| ages.iter().all(|age| age.registry != **name)) {
            telemetry::list_age(gone, f64::NAN, f64::NAN);
        }
        told.retain(|name, _| ages.iter().any(|age| age.registry == *name));
        for age in ages {
            // Days are few, so the conversion is exact.
            telemetry::list_age(&age.registry, age.days as f64, age.stale_in as f64);
            let warned = told.entry(age.registry.clone()).or_default();
            if age.stale_in <= WARN_DAYS && *warned != Some(today) {
                *warned = Some(today);
                warn!(
                    registry = age.registry,
                    age_days = age.days,
                    stale_in_days = age.stale_in,
                    areas = age.areas,
                    "a list is about to be too old to answer from, or is"
                );
            }
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Change, Decision};
    use dnc_core::registry::{Content, LoadReport, Source};
    use jiff::civil::date;

    use super::*;
    use crate::testing::Fake;

    #[test]
    fn the_oldest_area_counts_and_a_list_answers_on_its_last_day() {
        let fake = Fake::founded();
        let catalog = fake.known().catalog.clone();
        assert_eq!(ages(&catalog, date(2026, 11, 21)), []);
        let registry = catalog.registry_named("federal").expect("founded").id;
        let Decision::Version { id, .. } = fake.change(Change::BeginVersion { registry, load: 1, now_ms: 1 }) else {
            panic!("a version");
        };
        let source = |list_date| Source { list_date, file: "x".into(), sha256: [1; 32], numbers: 1 };
        let areas = [("201", date(2026, 10, 21)), ("202", date(2026, 11, 20))];
        let areas = areas.map(|(area, day)| (area.parse().expect("an area"), source(day)));
        let coverage = Coverage::Areas(BTreeMap::from(areas));
        let content =
            Content { coverage, numbers: 2, by_area: BTreeMap::new(), checksum: 0, report: LoadReport::default() };
        fake.change(Change::SealVersion { registry, version: id, content });
        fake.change(Change::Activate { registry, version: id, from: None, now_ms: 1 });
        let catalog = fake.known().catalog.clone();
        let age = |days, stale_in, areas| vec![Age { registry: "federal".into(), days, stale_in, areas }];
        assert_eq!(ages(&catalog, date(2026, 11, 10)), age(20, 11, 0));
        assert_eq!(ages(&catalog, date(2026, 11, 16)), age(26, 5, 1));
        assert_eq!(ages(&catalog, date(2026, 11, 21)), age(31, 0, 1));
        assert_eq!(ages(&catalog, date(2026, 11, 22)), age(32, -1, 1));
    }
}
