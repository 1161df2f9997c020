//! Reports against a cluster that answers on demand: every figure comes from what was counted and is held.

use std::time::Duration;

use dnc_core::catalog::{Change, Decision, NewRegistry};
use dnc_core::counts::Counts;
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::registry::{Claim, Content, Coverage, LoadReport, Outcome, RegistryKind, Source, SyncRecord, Trigger};
use dnc_core::tenant::{AreaSet, Holds, Requires, Terms};
use dnc_proto::internal::{Replica, ReplicasResponse, Warmed};
use jiff::civil::Date;

use super::*;
use crate::clock::{now_ms, today};
use crate::route::{NodeReplicas, NodeWarmed};
use crate::testing::{Fake, SHARDS, Written};

const DEFAULT: Whose = Whose::Tenant(DEFAULT_TENANT_ID);

fn reports(fake: &Fake) -> Reports<Fake> {
    Reports::new(fake.clone(), Counting::default(), Duration::from_secs(1))
}

fn counted() -> Counts {
    Counts {
        checks: 10,
        clear: 5,
        listed: 3,
        unknown: BTreeMap::from([("stale".into(), 1), ("not_covered".into(), 1)]),
        reasons: BTreeMap::from([("federal_dnc_registry".into(), 2), ("consumer_opt_out".into(), 2)]),
        exempted: 1,
        errors: 2,
        micros: 9_000,
        requests: 4,
        suppressions_added: 7,
        suppressions_removed: 6,
    }
}

/// Loads a list of this registry, with this date, and makes it active.
fn load(fake: &Fake, registry: RegistryId, list_date: Date, numbers: u64) {
    let begun = fake.change(Change::BeginVersion { registry, load: numbers.into(), now_ms: 0 });
    let Decision::Version { id: version, parent: from, .. } = begun else {
        panic!("not begun: {begun:?}");
    };
    let source = Source { list_date, file: "x.txt".into(), sha256: [0; 32], numbers };
    let content = Content {
        coverage: Coverage::Areas(BTreeMap::from([("201".parse().expect("an area"), source)])),
        numbers,
        by_area: BTreeMap::new(),
        checksum: 0,
        report: LoadReport::default(),
    };
    fake.change(Change::SealVersion { registry, version, content });
    let active = fake.change(Change::Activate { registry, version, from, now_ms: 0 });
    assert!(matches!(active, Decision::Done { .. }), "{active:?}");
}

fn synced(fake: &Fake, registry: RegistryId, sync: u128, started_ms: u64) {
    let record = SyncRecord {
        sync,
        trigger: Trigger::Schedule,
        started_ms,
        completed_ms: started_ms + 5,
        outcome: Outcome::Done,
        version: None,
        added: 3,
        removed: 2,
        unchanged: 1,
        message: String::new(),
    };
    fake.change(Change::EndSync { registry, record, next_ms: Some(started_ms + 1_000) });
}

fn made(decision: &Decision) -> RegistryId {
    match decision {
        Decision::Registry { id, .. } => *id,
        other => panic!("not made: {other:?}"),
    }
}

fn tenant(fake: &Fake, name: &str, holds: Holds) -> TenantId {
    let terms = Terms { holds, requires: Requires::default() };
    match fake.change(Change::CreateTenant { name: name.into(), terms }) {
        Decision::Tenant { id, .. } => id,
        other => panic!("not made: {other:?}"),
    }
}

#[tokio::test]
async fn a_period_sums_its_days_and_no_other() {
    let fake = Fake::founded();
    let reports = reports(&fake);
    reports.counting.add(DEFAULT_TENANT_ID, &counted());
    reports.counting.add(TenantId(9), &counted());
    let day = today();
    let report = reports.compliance(DEFAULT, Period::day(day)).await.expect("a report");
    assert_eq!((report.total_checks, report.violations_found, report.clear, report.unknown), (10, 3, 5, 2));
    assert_eq!(report.listed_by_reason["federal_dnc_registry"], 2);
    assert_eq!(report.unknown_by_cause["stale"], 1);
    assert_eq!((report.hit_rate, report.clear_rate, report.unknown_rate), (Some(0.3), Some(0.5), Some(0.2)));
    assert_eq!((report.avg_check_time_ms, report.requests), (Some(2.25), 4));
    assert_eq!((report.exempted, report.invalid_numbers), (1, 2));
    assert_eq!((report.tenant.as_str(), report.days.len()), ("default", 1));
    let suppressions = report.suppressions.expect("counted");
    assert_eq!((suppressions.added, suppressions.removed, suppressions.live), (7, 6, 0));

    let before = day.yesterday().expect("a day");
    let report = reports.compliance(DEFAULT, Period::day(before)).await.expect("a report");
    assert_eq!((report.total_checks, report.hit_rate, report.avg_check_time_ms), (0, None, None));
    let days = Period::parse(&before.to_string(), &day.to_string()).expect("a period");
    let report = reports.compliance(Whose::All, days).await.expect("a report");
    assert_eq!((report.total_checks, report.tenant.as_str()), (20, "all"));
}

#[tokio::test]
async fn a_report_survives_the_router_that_counted() {
    let fake = Fake::founded();
    let counting = Counting::default();
    counting.add(DEFAULT_TENANT_ID, &counted());
    assert!(counting.write(&fake, Instant::now() + Duration::from_secs(1)).await);
    drop(counting);
    let report = reports(&fake).compliance(DEFAULT, Period::day(today())).await.expect("a report");
    assert_eq!(report.total_checks, 10);
}

#[tokio::test]
async fn only_the_default_tenant_is_told_of_all() {
    assert!(matches!(Whose::asked(TenantId(2), true), Err(Error::NotTheirs)));
    assert_eq!(Whose::asked(TenantId(2), false).expect("its own"), Whose::Tenant(TenantId(2)));
    assert_eq!(Whose::asked(DEFAULT_TENANT_ID, true).expect("may"), Whose::All);
}

#[tokio::test]
async fn a_tenant_is_told_of_the_lists_that_it_holds_and_of_no_other() {
    let fake = Fake::founded();
    let federal = fake.known().catalog.registry_named("federal").expect("there").id;
    let acme = tenant(&fake, "acme", Holds::These(BTreeMap::from([(federal, AreaSet::All)])));
    let state = made(&fake.change(Change::CreateRegistry(NewRegistry::named("tx", RegistryKind::State))));
    let own = NewRegistry { owner: Some(acme), ..NewRegistry::named("acme-sues", RegistryKind::Litigation) };
    let own = made(&fake.change(Change::CreateRegistry(own)));
    let now = now_ms();
    for (sync, registry) in [(1, federal), (2, state), (3, own)] {
        load(&fake, registry, today(), 100 + u64::from(registry.0));
        synced(&fake, registry, sync, now);
    }
    let names = |report: &dnc_proto::v1::ComplianceReport| -> (Vec<String>, Vec<String>) {
        let ages = report.list_ages.iter().map(|age| age.registry.clone()).collect();
        (ages, report.sync_history.iter().map(|sync| sync.registry.clone()).collect())
    };
    // Two tenants share a registry of suppressions.
    fake.live(RegistryId(2), acme, 2);
    fake.live(RegistryId(2), DEFAULT_TENANT_ID, 3);
    let reports = reports(&fake);
    let period = Period::day(today());
    let report = reports.compliance(Whose::Tenant(acme), period).await.expect("a report");
    let expected: Vec<String> = vec!["federal".into(), "acme-sues".into()];
    assert_eq!(names(&report), (expected.clone(), expected));
    assert_eq!(report.suppressions.expect("counted").live, 2 * u64::from(SHARDS));
    let report = reports.compliance(DEFAULT, period).await.expect("a report");
    let expected: Vec<String> = vec!["federal".into(), "tx".into()];
    assert_eq!(names(&report), (expected.clone(), expected));
    assert_eq!(reports.compliance(Whose::All, period).await.expect("a report").list_ages.len(), 3);
    let stats = reports.stats(Whose::Tenant(acme)).await.expect("stats");
    assert_eq!(stats.total_numbers, 200 + u64::from(federal.0) + u64::from(own.0));
}

#[tokio::test]
async fn lists_tell_their_age_and_stats_what_they_hold() {
    let fake = Fake::founded();
    let federal = fake.known().catalog.registry_named("federal").expect("there").id;
    let old = today().checked_sub(jiff::Span::new().days(40)).expect("a day");
    load(&fake, federal, old, 1_234);
    synced(&fake, federal, 1, now_ms());
    let claim = Claim { sync: 2, router: "r".into(), since_ms: now_ms(), until_ms: now_ms() + 60_000 };
    fake.change(Change::ClaimSync { registry: federal, claim });
    fake.live(RegistryId(2), DEFAULT_TENANT_ID, 5);
    let reports = reports(&fake);
    let report = reports.compliance(DEFAULT, Period::day(today())).await.expect("a report");
    let age = &report.list_ages[0];
    assert_eq!((age.age_days, age.max_age_days, age.areas, age.stale_areas), (Some(40), 31, 1, 1));
    assert_eq!(age.oldest_list_date, Some(old.to_string()));
    assert_eq!(report.suppressions.expect("counted").live, 5 * u64::from(SHARDS));
    reports.counting.add(DEFAULT_TENANT_ID, &counted());
    let stats = reports.stats(DEFAULT).await.expect("stats");
    assert_eq!((stats.total_numbers, stats.numbers_by_type["federal"]), (1_234, 1_234));
    assert_eq!((stats.checks_today, stats.listed_today, stats.avg_check_time_ms), (10, 3, Some(2.25)));
    let list = stats.lists.iter().find(|list| list.registry == "federal").expect("listed");
    assert_eq!((list.state.as_str(), list.numbers), ("syncing", 1_234));
    assert_eq!(list.last_sync.as_ref().expect("synced").added, 3);
    assert!(list.next_sync_at.is_some());
}

#[tokio::test]
async fn a_sum_that_lacks_a_shard_is_an_error_and_not_a_smaller_sum() {
    let reports = reports(&Fake::empty());
    let failed = reports.compliance(DEFAULT, Period::day(today())).await.expect_err("nobody to ask");
    assert_eq!(failed.kind(), Kind::Unavailable);
    // What cannot be written now does not keep the rest from being told.
    let fake = Fake::founded();
    fake.answer_writes(Written::Fail);
    let reports = self::reports(&fake);
    reports.counting.add(DEFAULT_TENANT_ID, &counted());
    let report = reports.compliance(DEFAULT, Period::day(today())).await.expect("a report");
    assert_eq!(report.total_checks, 0);
}

#[tokio::test]
async fn filters_are_told_by_node_and_shard_and_a_silent_node_is_named() {
    let fake = Fake::founded();
    let replica = |shard| Replica {
        shard,
        filter_numbers: 10,
        filter_capacity: 100,
        filter_false_positives: 0.5,
        filter_misses: 6,
        filter_hits: 4,
        filter_false_hits: 2,
        filter_bytes: 64,
        ..Replica::default()
    };
    let response = ReplicasResponse { node: 1, replicas: vec![replica(0), replica(3)], ..Default::default() };
    fake.stand(vec![
        NodeReplicas { node: 1, result: Ok(response) },
        NodeReplicas { node: 2, result: Err("no answer in time".into()) },
    ]);
    let filters = reports(&fake).filters().await;
    let total = filters.total.expect("summed");
    assert_eq!((total.misses, total.hits, total.hit_rate), (12, 8, Some(0.4)));
    assert_eq!(total.false_positive_rate, Some(0.25));
    assert_eq!(filters.nodes[0].shards[1].shard, 3);
    assert_eq!((filters.nodes[0].shards[0].capacity, filters.nodes[0].shards[0].bytes), (100, 64));
    assert_eq!(filters.nodes[1].error, "no answer in time");
}

#[tokio::test]
async fn warming_sums_what_nodes_read_and_refuses_shards_that_are_not_there() {
    let fake = Fake::founded();
    let shard = |shard| Warmed { shard, suppressions: 2, bytes: 10, ..Warmed::default() };
    fake.warms(vec![
        NodeWarmed { node: 1, result: Ok(vec![shard(0), shard(1)]) },
        NodeWarmed { node: 2, result: Err("no answer in time".into()) },
    ]);
    let reports = reports(&fake);
    let report = reports.warm(vec![0, 1]).await.expect("shards that there are");
    assert_eq!((report.suppressions, report.bytes, report.failed_nodes), (4, 20, 1));
    assert_eq!((report.nodes[0].shards, report.nodes[1].error.as_str()), (2, "no answer in time"));
    assert_eq!(reports.warm(vec![SHARDS]).await.expect_err("no such shard").field, "shards");
}

#[test]
fn a_day_is_kept_by_one_shard_and_the_next_day_by_the_next() {
    assert_eq!(shard_of(date(1970, 1, 1), 16), ShardId(0));
    assert_eq!(shard_of(date(1970, 1, 18), 16), ShardId(1));
    assert_eq!(shard_of(date(2026, 11, 21), 4_096), ShardId(20_778 % 4_096));
}
