//! Who syncs, when, and what happens to those who cannot go on.

use dnc_core::registry::{Claim, Schedule, VersionState};

use super::*;
use crate::testing::Lost;

/// A cluster whose registry has a folder with one list.
fn bench(folder: &tempfile::TempDir) -> Bench {
    std::fs::write(folder.path().join(list_name("201")), LIST).expect("written");
    Bench::new(&format!("file://{}", folder.path().display()), options())
}

/// The same registry, each night at two.
fn each_night(bench: &Bench) {
    let registry = bench.registry();
    let schedule = Some(Schedule { cron: "0 2 * * *".into(), time_zone: "America/New_York".into() });
    let settings = Settings { schedule, ..registry.settings.clone() };
    bench.fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
}

async fn ended(bench: &Bench) -> SyncRecord {
    let limit = Duration::from_secs(300);
    let known = bench.fake.wait_for(limit, |catalog| {
        catalog.registry_named("federal").is_some_and(|registry| registry.sync.last().is_some())
    });
    let known = known.await.expect("ended");
    known.catalog.registry_named("federal").and_then(|registry| registry.sync.last().cloned()).expect("ended")
}

#[tokio::test]
async fn what_is_due_is_synced_and_due_again_by_its_schedule() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&folder);
    each_night(&bench);
    let now_ms = clock::now_ms();
    bench.syncs.tick(now_ms).await;
    let next_ms = bench.registry().sync.next_ms.expect("scheduled");
    assert!(next_ms > now_ms && next_ms <= now_ms + 25 * 3_600_000);
    bench.syncs.tick(next_ms - 1).await;
    assert_eq!(bench.registry().sync.claim, None);
    bench.syncs.tick(next_ms).await;
    let record = ended(&bench).await;
    assert_eq!((record.outcome, record.trigger, record.added), (Outcome::Done, Trigger::Schedule, 2), "{record:?}");
    let registry = bench.registry();
    assert_eq!(registry.sync.claim, None);
    assert!(registry.sync.next_ms.is_some_and(|next_ms| next_ms > now_ms));
}

#[tokio::test]
async fn a_router_that_is_not_to_sync_by_schedule_leaves_it_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(list_name("201")), LIST).expect("written");
    let url = format!("file://{}", folder.path().display());
    let bench = Bench::new(&url, SyncOptions { by_schedule: false, ..options() });
    each_night(&bench);
    let id = bench.registry().id;
    bench.fake.change(Change::ScheduleSync { registry: id, next_ms: 1 });
    bench.syncs.tick(clock::now_ms()).await;
    assert_eq!(bench.registry().sync.claim, None);
}

#[tokio::test(start_paused = true)]
async fn one_router_at_a_time_syncs_and_the_other_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = bench(&folder);
    first.fake.never_ready();
    let url = format!("file://{}", folder.path().display());
    let second = Bench::on(first.fake.clone(), &url, options());
    let second = second.syncs.on_router("r2:2");
    let started = first.syncs.start("federal").await.expect("started");
    let refused = second.start("federal").await.expect_err("it runs");
    assert!(matches!(&refused, Error::Syncing(router) if router == "r1:1"), "{refused}");
    let here = first.syncs.running(&first.registry()).expect("runs");
    assert_eq!((here.sync, here.router.as_str(), here.progress.is_some()), (started.sync, "r1:1", true));
    let there = second.running(&first.registry()).expect("runs");
    assert_eq!((there.sync, there.progress), (started.sync, None));
}

#[tokio::test(start_paused = true)]
async fn a_router_that_loses_its_claim_stops_before_it_activates() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&folder);
    bench.fake.never_ready();
    bench.syncs.start("federal").await.expect("started");
    bench.fake.lose_proposals(|change| matches!(change, Change::ClaimSync { .. }).then_some(Lost::Before));
    let record = ended(&bench).await;
    assert_eq!(record.outcome, Outcome::Failed);
    assert!(record.message.contains("claim"), "{}", record.message);
    let registry = bench.registry();
    assert_eq!(registry.active, None);
    assert!(registry.versions.values().all(|version| version.state == VersionState::Discarded));
}

#[tokio::test(start_paused = true)]
async fn a_router_that_stops_ends_its_sync_and_leaves_it_due_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&folder);
    each_night(&bench);
    let id = bench.registry().id;
    bench.fake.change(Change::ScheduleSync { registry: id, next_ms: 1 });
    bench.fake.never_ready();
    bench.syncs.tick(clock::now_ms()).await;
    bench.syncs.stop.cancel();
    let record = ended(&bench).await;
    assert_eq!(record.outcome, Outcome::Failed);
    assert!(record.message.contains("stops"), "{}", record.message);
    let registry = bench.registry();
    assert_eq!((registry.sync.next_ms, registry.active), (Some(1), None));
    bench.syncs.finish(Instant::now() + Duration::from_secs(1)).await;
}

#[tokio::test]
async fn the_sync_of_a_router_that_is_gone_is_closed_and_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&folder);
    each_night(&bench);
    let id = bench.registry().id;
    bench.fake.change(Change::ScheduleSync { registry: id, next_ms: 1 });
    let now_ms = clock::now_ms();
    let claim = Claim { sync: 7, router: "gone:1".into(), since_ms: now_ms - 60_001, until_ms: now_ms - 1 };
    bench.fake.change(Change::ClaimSync { registry: id, claim });
    bench.syncs.tick(now_ms).await;
    let known = bench.fake.wait_for(MAX_WAIT, |catalog| catalog.registries[&id].sync.history.len() == 2);
    let known = known.await.expect("taken over");
    let outcomes: Vec<_> = known.catalog.registries[&id].sync.history.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Done]);
    assert!(known.catalog.registries[&id].sync.history[0].message.contains("gone:1"));
}
