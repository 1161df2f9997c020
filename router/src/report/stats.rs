//! What is held now, and what was checked today.

use dnc_core::catalog::Catalog;
use dnc_core::registry::Registry;
use dnc_proto::v1;

use super::filters::total;
use super::lists::{sync, told};
use super::{Error, Period, Reports, Whose, mean_ms, share};
use crate::clock::{now_ms, time, today};
use crate::cluster::Cluster;

// === impl Reports ===

impl<C: Cluster> Reports<C> {
    /// What is held now, and what was checked today.
    pub async fn stats(&self, whose: Whose) -> Result<v1::Stats, Error> {
        let deadline = self.deadline();
        let counts = self.counts(whose, Period::day(today()), deadline).await?.remove(&today()).unwrap_or_default();
        let live = self.live(whose, deadline).await?;
        let filter = total(&self.cluster.replicas(deadline).await);
        let known = self.cluster.known();
        Ok(v1::Stats {
            suppressions: Some(v1::SuppressionCounts {
                added: counts.suppressions_added,
                removed: counts.suppressions_removed,
                live,
            }),
            checks_today: counts.checks,
            listed_today: counts.listed,
            hit_rate: share(counts.listed, counts.checks),
            avg_check_time_ms: mean_ms(&counts),
            filter: Some(filter),
            revision: known.catalog.revision,
            ..held(&known.catalog, whose, now_ms())
        })
    }
}

/// What the lists hold.
fn held(catalog: &Catalog, whose: Whose, now_ms: u64) -> v1::Stats {
    let mut held = v1::Stats::default();
    for registry in told(catalog, whose) {
        let list = list(registry, now_ms);
        held.total_numbers += list.numbers;
        *held.numbers_by_type.entry(list.r#type.clone()).or_default() += list.numbers;
        held.lists.push(list);
    }
    held
}

fn list(registry: &Registry, now_ms: u64) -> v1::ListStats {
    let active = registry.active_version();
    v1::ListStats {
        registry: registry.name.clone(),
        r#type: registry.kind.as_str().into(),
        state: registry.state_at(now_ms).as_str().into(),
        numbers: active.map_or(0, |(_, content)| content.numbers),
        version: active.map(|(version, _)| version.0),
        oldest_list_date: active.and_then(|(_, content)| content.coverage.oldest()).map(|date| date.to_string()),
        last_sync: registry.sync.last().map(|record| sync(registry, record)),
        next_sync_at: registry.sync.next_ms.map(time),
    }
}
