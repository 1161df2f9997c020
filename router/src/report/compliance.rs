//! What was checked in a period: the record that an auditor asks for.

use dnc_core::counts::Counts;
use dnc_proto::v1;

use super::lists::{age, count, syncs, told};
use super::{Error, Period, Reports, Whose, mean_ms, share};
use crate::clock::today;
use crate::cluster::Cluster;

// === impl Reports ===

impl<C: Cluster> Reports<C> {
    /// What was checked in a period, and how old the lists are now.
    pub async fn compliance(&self, whose: Whose, period: Period) -> Result<v1::ComplianceReport, Error> {
        let deadline = self.deadline();
        let days = self.counts(whose, period, deadline).await?;
        let live = self.live(whose, deadline).await?;
        let known = self.cluster.known();
        let catalog = &known.catalog;
        let mut sum = Counts::default();
        days.values().for_each(|counts| sum.add(counts));
        let unknown = unknown(&sum);
        Ok(v1::ComplianceReport {
            period: Some(v1::Period {
                start_date: period.first().to_string(),
                end_date: period.last().to_string(),
                days: count(usize::try_from(period.len()).unwrap_or(usize::MAX)),
            }),
            tenant: whose.name(catalog),
            total_checks: sum.checks,
            violations_found: sum.listed,
            clear: sum.clear,
            unknown,
            hit_rate: share(sum.listed, sum.checks),
            clear_rate: share(sum.clear, sum.checks),
            unknown_rate: share(unknown, sum.checks),
            avg_check_time_ms: mean_ms(&sum),
            requests: sum.requests,
            exempted: sum.exempted,
            invalid_numbers: sum.errors,
            suppressions: Some(v1::SuppressionCounts {
                added: sum.suppressions_added,
                removed: sum.suppressions_removed,
                live,
            }),
            listed_by_reason: sum.reasons,
            unknown_by_cause: sum.unknown,
            sync_history: syncs(catalog, whose, period),
            list_ages: told(catalog, whose)
                .filter(|registry| !registry.kind.is_live() && !registry.retired)
                .map(|registry| age(registry, today()))
                .collect(),
            days: days
                .iter()
                .map(|(day, counts)| v1::DayCounts {
                    date: day.to_string(),
                    checks: counts.checks,
                    listed: counts.listed,
                    clear: counts.clear,
                    unknown: self::unknown(counts),
                })
                .collect(),
        })
    }
}

/// Numbers judged UNKNOWN, whatever the cause.
fn unknown(counts: &Counts) -> u64 {
    counts.unknown.values().sum()
}
