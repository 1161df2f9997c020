//! Versions through their life: change lists, guards, activation by request, rollback, pruning.

use dnc_core::registry::{Coverage, Outcome, Registry};

use super::*;
use crate::import::prune::{self, Pruned};

fn registry(fake: &Fake) -> Registry {
    fake.known().catalog.registry_named("federal").expect("founded").clone()
}

fn coverage_date(fake: &Fake, area: &str) -> String {
    let registry = registry(fake);
    let (_, content) = registry.active_version().expect("active");
    let area = area.parse().expect("an area");
    content.coverage.source(area).expect("covered").list_date.to_string()
}

/// A list of so many numbers in area 201.
fn list_of(count: u64) -> String {
    (0..count).map(|line| format!("201,555{line:04}\n")).collect()
}

#[tokio::test]
async fn a_change_list_changes_what_it_names_and_dates_its_areas() {
    let fake = Fake::founded();
    let files = [(FILE, "201,5550100\n201,5550101\n"), ("2026-11-9_818_x.txt", "818,5550100\n")];
    run(&fake, header(), &files).await.expect("imported");
    let base = coverage_date(&fake, "201");
    let today = today().to_string();
    let changes = format!(
        "2015550101,{today}T08:00:00,D\n2015550102,{today}T08:00:00,A\n2015550100,{today}T08:00:00,A\n\
         2015550103,{today}T09:00:00,D\n"
    );
    let header = v1::ImportHeader { list_date: today.clone(), covers: vec!["201".into()], ..header() };
    let result = run(&fake, header.clone(), &[("changes.txt", &changes)]).await.expect("amended");
    assert_eq!(result.kind, "changes");
    assert_eq!((result.processed, result.added, result.dropped, result.unchanged), (4, 1, 1, 2));
    assert_eq!(numbers(&fake, "federal"), [12_015_550_100, 12_015_550_102, 18_185_550_100]);
    assert_eq!(coverage_date(&fake, "201"), today);
    assert_eq!(coverage_date(&fake, "818"), base, "an area without changes is as old as before");
    let (_, content) = registry(&fake).active_version().map(|(id, content)| (id, content.clone())).expect("active");
    assert_eq!(content.by_area.values().sum::<u64>(), content.numbers);
    // Again: nothing changes. Of an area that is not loaded, or together with a full list: refused.
    let again = run(&fake, header.clone(), &[("changes.txt", &changes)]).await.expect("amended");
    assert_eq!((again.added, again.dropped, again.unchanged), (0, 0, 4));
    let other = v1::ImportHeader { covers: vec!["202".into()], ..header.clone() };
    let moved = changes.replace("201555", "202555");
    assert_eq!(run(&fake, other, &[("changes.txt", &moved)]).await.expect_err("not loaded").kind(), Kind::Precondition);
    let mixed = [("changes.txt", changes.as_str()), ("full.txt", "201,5550100\n")];
    let error = run(&fake, header.clone(), &mixed).await.expect_err("mixed");
    assert!(matches!(error, Error::MixedKinds(_)), "{error}");
    let old = v1::ImportHeader { list_date: "2026-01-01".into(), ..header };
    let error = run(&fake, old, &[("changes.txt", &changes)]).await.expect_err("older");
    assert!(matches!(&error, Error::DoesNotFit(why) if why.contains("newer")), "{error}");
}

#[tokio::test]
async fn changes_need_something_to_change_and_the_areas_that_they_are_for() {
    let fake = Fake::founded();
    let changes = format!("2015550101,{}T08:00:00,A\n", yesterday());
    let covered = v1::ImportHeader { covers: vec!["201".into()], ..header() };
    let error = run(&fake, covered, &[("changes.txt", &changes)]).await.expect_err("no version");
    assert!(matches!(error, Error::DoesNotFit(_)), "{error}");
    let error = run(&fake, header(), &[("changes.txt", &changes)]).await.expect_err("no areas");
    assert!(matches!(error, Error::Coverage(_)), "{error}");
    assert!(registry(&fake).versions.is_empty());
}

#[tokio::test]
async fn a_load_beyond_its_guard_is_held_until_somebody_forces_it() {
    let fake = Fake::founded();
    run(&fake, header(), &[(FILE, &list_of(200))]).await.expect("imported");
    let before = registry(&fake).active.expect("active");
    let error = run(&fake, header(), &[(FILE, &list_of(100))]).await.expect_err("half of it");
    let Error::Held { version, stopped, .. } = &error else {
        panic!("held: {error}");
    };
    assert_eq!(error.kind(), Kind::Precondition);
    assert_eq!((stopped[0].before, stopped[0].after), (200, 100));
    let text = error.to_string();
    assert!(text.contains("area 201 from 200 to 100") && text.contains(&version.to_string()), "{text}");
    let held = registry(&fake);
    assert_eq!((held.active, held.summoned), (Some(before), None));
    assert_eq!(numbers(&fake, "federal").len(), 200);
    assert_eq!(held.sync.last().expect("recorded").outcome, Outcome::Held);
    let details = error.details().expect("details");
    assert_eq!((details.held_version, details.stopped.len()), (version.0, 2));

    let imports = imports(&fake);
    let refused = imports.activate("federal", *version, false).await.expect_err("not forced");
    assert!(matches!(refused, Error::Held { .. }));
    let done = imports.activate("federal", *version, true).await.expect("forced");
    assert_eq!((done.version, done.before, done.numbers), (*version, Some(before), 100));
    assert_eq!(fake.barriers().last(), Some(&done.revision));
    assert_eq!(numbers(&fake, "federal").len(), 100);
    let again = imports.activate("federal", *version, false).await.expect("it is active");
    assert_eq!(again.version, *version);

    let forced = v1::ImportHeader { force: true, ..header() };
    let result = run(&fake, forced, &[(FILE, &list_of(300))]).await.expect("forced");
    assert!(result.forced && result.areas.iter().any(|area| area.stopped));
}

#[tokio::test]
async fn a_held_version_whose_parent_is_not_active_any_more_stays_held() {
    let fake = Fake::founded();
    run(&fake, header(), &[(FILE, &list_of(200))]).await.expect("imported");
    let Err(Error::Held { version, .. }) = run(&fake, header(), &[(FILE, &list_of(100))]).await else {
        panic!("held");
    };
    run(&fake, header(), &[(FILE, &list_of(201))]).await.expect("imported");
    let refused = imports(&fake).activate("federal", version, true).await.expect_err("outdated");
    assert!(matches!(refused, Error::Outdated(_)));
    assert_eq!(numbers(&fake, "federal").len(), 201);
}

#[tokio::test]
async fn rolling_back_goes_to_the_version_before_once_however_often_it_is_asked() {
    let fake = Fake::founded();
    let imports = imports(&fake);
    assert!(matches!(imports.roll_back("federal", None).await, Err(Error::NoWayBack(_))));
    let first = run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect("imported");
    let second = run(&fake, header(), &[(FILE, "201,5550101\n")]).await.expect("imported");
    let from = Some(VersionId(second.version));
    for _ in 0..2 {
        let back = imports.roll_back("federal", from).await.expect("rolled back");
        assert_eq!(back.version.0, first.version);
        assert_eq!(numbers(&fake, "federal"), [12_015_550_100]);
    }
    assert!(matches!(imports.roll_back("federal", None).await, Err(Error::NoWayBack(_))));
    let forward = imports.activate("federal", VersionId(second.version), false).await.expect("kept");
    assert_eq!(forward.before, Some(VersionId(first.version)));
    assert_eq!(numbers(&fake, "federal"), [12_015_550_101]);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_or_is_not_ready_is_not_activated() {
    let fake = Fake::founded();
    let imports = imports(&fake);
    let first = run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect("imported");
    run(&fake, header(), &[(FILE, "201,5550101\n")]).await.expect("imported");
    run(&fake, header(), &[(FILE, "201,5550102\n")]).await.expect("imported");
    let unknown = imports.activate("federal", VersionId(99), false).await.expect_err("unknown");
    assert_eq!(unknown.kind(), Kind::NotFound);
    fake.never_ready();
    let not_ready = imports.activate("federal", VersionId(first.version), false).await.expect_err("not ready");
    assert!(matches!(not_ready, Error::NotVerified(_)), "{not_ready}");
    assert_eq!(registry(&fake).summoned, None);
    fake.change(Change::Discard { registry: registry(&fake).id, version: VersionId(first.version) });
    let given_up = imports.activate("federal", VersionId(first.version), true).await.expect_err("given up");
    assert_eq!(given_up.kind(), Kind::Aborted);
    assert_eq!(numbers(&fake, "federal"), [12_015_550_102]);
}

#[tokio::test(start_paused = true)]
async fn pruning_deletes_what_no_kept_version_needs_and_the_catalog_forgets_it() {
    let fake = Fake::founded();
    let mut versions = Vec::new();
    for line in 0..6 {
        let list = format!("201,555010{line}\n");
        versions.push(run(&fake, header(), &[(FILE, &list)]).await.expect("imported").version);
    }
    let id = registry(&fake).id;
    let pruned = prune::prune(&fake, id).await.expect("pruned");
    assert_eq!(pruned.versions, 3);
    let after = registry(&fake);
    assert_eq!(after.versions.keys().map(|id| id.0).collect::<Vec<_>>(), versions[3..]);
    for old in &versions[..3] {
        assert_eq!(fake.blocks(VersionId(*old)), 0);
        assert!(after.versions.values().all(|version| !version.ancestry.contains(&VersionId(*old))));
    }
    assert_eq!(numbers(&fake, "federal"), [12_015_550_105]);
    assert_eq!(prune::prune(&fake, id).await.expect("nothing to do"), Pruned::default());
}

#[tokio::test(start_paused = true)]
async fn a_held_version_outlives_pruning_and_one_begun_meanwhile_too() {
    let fake = Fake::founded();
    for count in 200..204 {
        run(&fake, header(), &[(FILE, &list_of(count))]).await.expect("imported");
    }
    let Err(Error::Held { version: held, .. }) = run(&fake, header(), &[(FILE, &list_of(10))]).await else {
        panic!("held");
    };
    let slow = Loading::begin(&fake, &registry(&fake), 7, &Options::default().import).await.expect("begun");
    prune::prune(&fake, registry(&fake).id).await.expect("pruned");
    assert!(fake.blocks(held) > 0);
    assert!(registry(&fake).versions.contains_key(&slow.version));
    imports(&fake).activate("federal", held, true).await.expect("it is whole");
    assert_eq!(numbers(&fake, "federal").len(), 10);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_writes_nothing() {
    let fake = Fake::founded();
    run(&fake, header(), &[(FILE, &list_of(200))]).await.expect("imported");
    let (writes, revision) = (fake.written().len(), fake.known().catalog.revision);
    let header = v1::ImportHeader { dry_run: true, ..header() };
    let result = run(&fake, header.clone(), &[(FILE, &list_of(100))]).await.expect("read");
    assert!(result.dry_run && result.areas.iter().all(|area| area.stopped));
    assert_eq!((result.areas[0].before, result.areas[0].after, result.numbers), (200, 100, 100));
    assert_eq!((result.files[0].format.as_str(), result.previews[0].rows.len()), ("ftc_flat", 5));
    assert_eq!(result.previews[0].rows[0].phone_number, "+12015550000");
    let changes = format!("2015550000,{}T08:00:00,D\n", today());
    let header = v1::ImportHeader { covers: vec!["201".into()], list_date: today().to_string(), ..header };
    let result = run(&fake, header, &[("changes.txt", &changes)]).await.expect("read");
    assert_eq!((result.kind.as_str(), result.areas[0].after), ("changes", 199));
    assert_eq!(result.previews[0].rows[0].action, "delete");
    assert_eq!((fake.written().len(), fake.known().catalog.revision), (writes, revision));
}

#[tokio::test]
async fn every_load_is_kept_in_the_history_and_bad_lines_are_told_by_place() {
    let fake = Fake::founded();
    run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect("imported");
    let error = run(&fake, header(), &[(FILE, "201,5550100\n201,555x100\n")]).await.expect_err("a bad line");
    let details = error.details().expect("details");
    assert_eq!((details.bad_lines[0].file.as_str(), details.bad_lines[0].line), (FILE, 2));
    let registry = registry(&fake);
    let outcomes: Vec<_> = registry.sync.history.iter().map(|record| (record.trigger, record.outcome)).collect();
    assert_eq!(outcomes, [(Trigger::Import, Outcome::Done), (Trigger::Import, Outcome::Failed)]);
    assert_eq!((registry.sync.history[0].added, registry.sync.history[0].version), (1, registry.active));
}

#[tokio::test(start_paused = true)]
async fn a_version_whose_begin_was_not_answered_is_found_again() {
    let fake = Fake::founded();
    let known = registry(&fake);
    fake.lose_next(Lost::After);
    let loading = Loading::begin(&fake, &known, 7, &Options::default().import).await.expect("found again");
    let registry = registry(&fake);
    assert_eq!(registry.versions.keys().copied().collect::<Vec<_>>(), [loading.version]);
}

#[tokio::test]
async fn a_registry_that_is_disabled_or_retired_takes_no_lists() {
    let fake = Fake::founded();
    let known = registry(&fake);
    let settings = dnc_core::registry::Settings { enabled: false, ..known.settings.clone() };
    fake.change(Change::UpdateRegistry { registry: known.id, edition: known.edition, settings });
    let list = [(FILE, "201,5550100\n")];
    let error = run(&fake, header(), &list).await.expect_err("disabled");
    assert_eq!(error.kind(), Kind::Precondition);
    let fake = Fake::founded();
    fake.registry("old", dnc_core::registry::RegistryKind::Partner);
    let id = fake.known().catalog.registry_named("old").expect("made").id;
    fake.change(Change::RetireRegistry { registry: id });
    let header = v1::ImportHeader { registry: "old".into(), ..header() };
    let error = run(&fake, header, &list).await.expect_err("retired");
    assert!(matches!(error, Error::Refused(Refusal::Retired)), "{error}");
}

#[tokio::test]
async fn files_that_a_router_fetched_are_loaded_like_those_that_came() {
    let fake = Fake::founded();
    let imports = imports(&fake);
    let spool = imports.spool(FILE.into()).expect("a file");
    let file = spool.write(b"201,5550100\n").and_then(receive::Spool::finish).expect("kept");
    let (sender, _events) = mpsc::channel(10);
    let slot = imports.slot().expect("free");
    let result = imports.run_files(slot, header(), vec![file], Progress::new(sender)).await.expect("imported");
    assert_eq!(result.numbers, 1);
    assert!(registry(&fake).sync.history.is_empty(), "its caller keeps the history");
    assert!(matches!(registry(&fake).active_version().expect("active").1.coverage, Coverage::Areas(_)));
}
