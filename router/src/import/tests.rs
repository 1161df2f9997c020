//! Whole imports against a cluster that fails on demand.

mod life;
mod model;

use dnc_core::catalog::{Change, Decision, Founding};
use dnc_core::ids::VersionId;
use dnc_core::number::PhoneNumber;
use dnc_core::registry::{RegistryKind, VersionState};
use dnc_proto::v1::import_request::Part;
use tokio::sync::mpsc;

use super::version::Loading;
use super::*;
use crate::failure::{Failure, Kind};
use crate::testing::{Fake, Lost, SHARDS, Written};

const FILE: &str = "2026-11-9_201_x.txt";

fn imports(fake: &Fake) -> Imports<Fake> {
    let mut options = Options::default();
    options.import.max_at_once = 1;
    options.import.max_bytes = 100_000;
    options.import.max_files = 3;
    options.import.verify_s = 2;
    Imports::new(fake.clone(), Arc::new(options), CancellationToken::new())
}

fn header() -> v1::ImportHeader {
    v1::ImportHeader { registry: "federal".into(), list_date: yesterday(), ..v1::ImportHeader::default() }
}

/// Lists of the tests stay fresh however late they run.
fn yesterday() -> String {
    today().yesterday().expect("there is one").to_string()
}

fn parts(header: v1::ImportHeader, files: &[(&str, &str)]) -> Vec<Result<v1::ImportRequest, Status>> {
    let mut parts = vec![Part::Header(header)];
    for (name, content) in files {
        parts.push(Part::File(v1::ImportFile { name: (*name).into() }));
        // Small pieces: lines are cut in the middle.
        for piece in content.as_bytes().chunks(7) {
            parts.push(Part::Chunk(piece.to_vec().into()));
        }
    }
    let request = |part| Ok(v1::ImportRequest { part: Some(part) });
    parts.into_iter().map(request).collect()
}

/// Runs an import whose caller stays; gives its progress too.
async fn run_parts(
    imports: &Imports<Fake>,
    parts: Vec<Result<v1::ImportRequest, Status>>,
) -> (Result<v1::ImportResult, Error>, Vec<v1::ImportProgress>) {
    let (sender, mut events) = mpsc::channel(1_000);
    let slot = imports.slot().expect("a free place");
    let progress = Progress::new(sender);
    let outcome = imports.run(slot, futures::stream::iter(parts), progress).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Some(v1::import_event::Event::Progress(now)) = event.expect("no error").event {
            told.push(now);
        }
    }
    (outcome, told)
}

async fn run(fake: &Fake, header: v1::ImportHeader, files: &[(&str, &str)]) -> Result<v1::ImportResult, Error> {
    run_parts(&imports(fake), parts(header, files)).await.0
}

fn numbers(fake: &Fake, registry: &str) -> Vec<u64> {
    let numbers = fake.numbers(registry);
    numbers.into_iter().map(PhoneNumber::to_u64).collect()
}

/// Whether no version of the registry is active or being made, and the shards were told to drop what there was.
fn nothing_changed(fake: &Fake) -> bool {
    let known = fake.known();
    let registry = known.catalog.registry_named("federal").expect("founded");
    registry.active.is_none()
        && registry.versions.values().all(|version| {
            version.state == VersionState::Discarded
                && fake.dropped().iter().filter(|(_, id)| *id == version.id).count() >= SHARDS as usize
        })
}

#[tokio::test]
async fn a_list_becomes_the_active_version_and_the_next_one_replaces_its_areas() {
    let fake = Fake::founded();
    let first = run(&fake, header(), &[(FILE, "201,5550100\n201,5550101\n201,0000201\n")]).await.expect("imported");
    assert_eq!((first.processed, first.added, first.numbers), (3, 3, 3));
    assert_eq!(first.files[0].covers, ["201"]);
    assert_eq!(first.files[0].format, "ftc_flat");
    let other = ("2026-11-9_818_x.txt", "818,5550100\n");
    let second = run(&fake, header(), &[other]).await.expect("imported");
    assert_eq!((second.added, second.dropped, second.numbers), (1, 0, 4));
    let third = run(&fake, header(), &[(FILE, "201,5550101\n201,5550102\n201,5550102\n")]).await.expect("imported");
    assert_eq!((third.added, third.dropped, third.unchanged), (1, 2, 1));
    assert_eq!((third.processed, third.numbers), (3, 3));
    assert_eq!(numbers(&fake, "federal"), [12_015_550_101, 12_015_550_102, 18_185_550_100]);
    assert_eq!(fake.barriers().last(), Some(&third.revision));
    let known = fake.known();
    let registry = known.catalog.registry_named("federal").expect("founded");
    let (_, content) = registry.active_version().expect("active");
    assert_eq!((content.coverage.areas(), content.numbers), (Some(2), 3));
}

#[tokio::test]
async fn before_the_shards_are_placed_a_list_is_refused_and_nothing_is_begun() {
    let fake = Fake::empty();
    fake.change(Change::Found(Founding {
        cluster: 1,
        log_key: [1; 32],
        shards: SHARDS,
        replication: 3,
        initial_nodes: 3,
    }));
    fake.registry("federal", RegistryKind::Federal);
    let error = run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect_err("nowhere to keep it");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(matches!(error, Error::NotReady), "{error}");
    assert!(fake.known().catalog.registry_named("federal").expect("made").versions.is_empty());
}

#[tokio::test]
async fn progress_goes_through_all_phases_in_their_order() {
    let fake = Fake::founded();
    let (outcome, told) = run_parts(&imports(&fake), parts(header(), &[(FILE, "201,5550100\n")])).await;
    outcome.expect("imported");
    let mut phases: Vec<_> = told.iter().map(|now| now.phase()).collect();
    phases.dedup();
    assert_eq!(
        phases,
        [
            v1::ImportPhase::Receiving,
            v1::ImportPhase::Reading,
            v1::ImportPhase::Staging,
            v1::ImportPhase::Sealing,
            v1::ImportPhase::Activating,
        ]
    );
    let staged = told.iter().rfind(|now| now.phase() == v1::ImportPhase::Staging);
    let staged = staged.expect("told");
    assert_eq!((staged.done, staged.total), (u64::from(SHARDS), u64::from(SHARDS)));
}

#[tokio::test]
async fn a_bad_line_is_reported_by_its_place_and_never_by_its_content() {
    let fake = Fake::founded();
    let content = "201,5550100\n201,555x1999\n";
    let error = run(&fake, header(), &[(FILE, content)]).await.expect_err("a bad line");
    assert_eq!(error.kind(), Kind::Invalid);
    let text = error.to_string();
    assert!(text.contains(FILE) && text.contains("line 2"), "{text}");
    assert!(!text.contains("x1999"), "{text}");
    assert!(fake.written().is_empty());
    let tolerant = v1::ImportHeader { max_bad_lines: 1, ..header() };
    let result = run(&fake, tolerant, &[(FILE, content)]).await.expect("put up with");
    assert_eq!((result.numbers, result.failed), (1, 1));
    assert_eq!(result.bad_lines[0].line, 2);
}

#[tokio::test]
async fn parts_in_a_wrong_order_or_beyond_a_limit_are_refused_before_anything_is_begun() {
    let fake = Fake::founded();
    let list = (FILE, "201,5550100\n");
    let whole = || parts(header(), &[list]);
    let mut no_header = whole();
    no_header.drain(..1);
    let mut no_name = whole();
    no_name.drain(1..2);
    let mut two_headers = whole();
    two_headers.push(Ok(v1::ImportRequest { part: Some(Part::Header(header())) }));
    let mut empty_part = whole();
    empty_part.push(Ok(v1::ImportRequest { part: None }));
    let mut broken = whole();
    broken.push(Err(Status::unknown("broken pipe")));
    let mut large_piece = whole();
    large_piece.push(Ok(v1::ImportRequest { part: Some(Part::Chunk(vec![b'0'; (1 << 20) + 1].into())) }));
    let long = "201,5550100\n".repeat(10_000);
    let cut_off = v1::ImportHeader { total_bytes: 1_000, ..header() };
    for (what, parts) in [
        ("nothing", Vec::new()),
        ("no header", no_header),
        ("no name", no_name),
        ("two headers", two_headers),
        ("an empty part", empty_part),
        ("a broken stream", broken),
        ("a large piece", large_piece),
        ("no file", parts(header(), &[])),
        ("too many files", parts(header(), &[list; 4])),
        ("too many bytes", parts(header(), &[(FILE, &long)])),
        ("fewer bytes than announced", parts(cut_off, &[list])),
        ("a folder in a name", parts(header(), &[("../x.txt", list.1)])),
        ("no numbers", parts(header(), &[(FILE, "")])),
    ] {
        let (outcome, _) = run_parts(&imports(&fake), parts).await;
        let error = outcome.expect_err(what);
        assert_eq!(error.kind(), Kind::Invalid, "{what}: {error}");
    }
    assert!(fake.written().is_empty());
    assert!(nothing_changed(&fake));
}

#[tokio::test(start_paused = true)]
async fn only_a_bulk_registry_that_exists_is_loaded_into() {
    let fake = Fake::founded();
    let into = |registry: &str| v1::ImportHeader { registry: registry.into(), ..header() };
    let list = [(FILE, "201,5550100\n")];
    let unknown = run(&fake, into("nowhere"), &list).await.expect_err("unknown");
    assert_eq!(unknown.kind(), Kind::NotFound);
    let live = run(&fake, into("internal"), &list).await.expect_err("live");
    assert_eq!(live.kind(), Kind::Precondition);
}

#[tokio::test]
async fn numbers_outside_of_what_the_operator_covers_are_refused() {
    let fake = Fake::founded();
    let covers = v1::ImportHeader { covers: vec!["201".into()], ..header() };
    let error = run(&fake, covers, &[("list.txt", "201,5550100\n202,5550100\n")]).await.expect_err("outside");
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("area 202"), "{error}");
    assert!(nothing_changed(&fake));
}

#[tokio::test]
async fn as_many_imports_run_as_may_and_no_more() {
    let imports = imports(&Fake::founded());
    let slot = imports.slot().expect("a free place");
    let refused = imports.slot().expect_err("none free");
    assert_eq!(refused.kind(), Kind::Exhausted);
    drop(slot);
    imports.slot().expect("free again");
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_activation_changes_nothing_and_is_cleaned_up() {
    let list = [(FILE, "201,5550100\n")];
    let fake = Fake::founded();
    fake.answer_writes(Written::NoStaging);
    let error = run(&fake, header(), &list).await.expect_err("no staging");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(nothing_changed(&fake));

    let fake = Fake::founded();
    fake.never_ready();
    let error = run(&fake, header(), &list).await.expect_err("never ready");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(nothing_changed(&fake));

    let fake = Fake::founded();
    let imports = imports(&fake);
    imports.stop.cancel();
    let (outcome, _) = run_parts(&imports, parts(header(), &list)).await;
    assert!(matches!(outcome, Err(Error::Stopping)));
    assert!(nothing_changed(&fake));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_ends_its_import_before_activation() {
    let fake = Fake::founded();
    let imports = imports(&fake);
    let (sender, events) = mpsc::channel(1);
    drop(events);
    let slot = imports.slot().expect("a free place");
    let never_ending = futures::stream::pending();
    let outcome = imports.run(slot, never_ending, Progress::new(sender)).await;
    assert!(matches!(outcome, Err(Error::CallerLeft)));
    assert!(nothing_changed(&fake));
}

#[tokio::test(start_paused = true)]
async fn a_silent_caller_is_not_waited_for_forever() {
    let fake = Fake::founded();
    let imports = imports(&fake);
    let (sender, _events) = mpsc::channel(1);
    let slot = imports.slot().expect("a free place");
    let silent = futures::stream::pending();
    let outcome = imports.run(slot, silent, Progress::new(sender)).await;
    assert!(matches!(outcome, Err(Error::Silent(60))));
}

#[tokio::test]
async fn of_two_loads_into_one_registry_the_second_to_activate_loses() {
    let fake = Fake::founded();
    let options = Options::default();
    let known = fake.known();
    let registry = known.catalog.registry_named("federal").expect("founded");
    let slow = Loading::begin(&fake, registry, 1, &options.import).await.expect("begun");
    run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect("the fast one");
    let (_, content) = fake.known().catalog.registries[&registry.id]
        .active_version()
        .map(|(id, content)| (id, content.clone()))
        .expect("active");
    slow.seal(&fake, content).await.expect("sealed");
    let error = slow.activate(&fake).await.expect_err("overtaken");
    assert_eq!(error.kind(), Kind::Aborted);
    assert!(error.to_string().contains("another version became active"), "{error}");
    assert_eq!(numbers(&fake, "federal"), [12_015_550_100]);
}

#[tokio::test(start_paused = true)]
async fn an_activation_whose_answer_is_lost_is_settled_either_way() {
    let list = [(FILE, "201,5550100\n")];
    let made = Fake::founded();
    made.lose_proposals(|change| matches!(change, Change::Activate { .. }).then_some(Lost::After));
    let result = run(&made, header(), &list).await.expect("it was made");
    assert_eq!(made.barriers(), [result.revision]);

    let not_made = Fake::founded();
    not_made.lose_proposals(|change| matches!(change, Change::Activate { .. }).then_some(Lost::Before));
    let error = run(&not_made, header(), &list).await.expect_err("it was not made");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(nothing_changed(&not_made));

    let dark = Fake::founded();
    dark.lose_proposals(|change| match change {
        Change::Activate { .. } | Change::Discard { .. } => Some(Lost::Before),
        _ => None,
    });
    let error = run(&dark, header(), &list).await.expect_err("nobody knows");
    assert!(matches!(error, Error::ActivationUnknown(_)), "{error}");
    assert!(!error.to_string().contains("nothing was changed"), "{error}");
}

#[tokio::test]
async fn a_version_that_not_every_shard_was_told_of_is_not_acknowledged() {
    let fake = Fake::founded();
    fake.lose_barriers();
    let error = run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect_err("not told");
    assert!(matches!(error, Error::NotTold { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn what_a_loader_abandoned_is_given_up_by_the_next() {
    let fake = Fake::founded();
    let known = fake.known();
    let registry = known.catalog.registry_named("federal").expect("founded").id;
    for load in 0..8 {
        let begun = fake.change(Change::BeginVersion { registry, load, now_ms: 1 });
        assert!(matches!(begun, Decision::Version { .. }));
    }
    run(&fake, header(), &[(FILE, "201,5550100\n")]).await.expect("imported");
    assert_eq!(fake.dropped().len(), 8 * SHARDS as usize);
}

#[tokio::test]
async fn a_load_of_everything_replaces_everything_and_not_the_other_way_round() {
    let fake = Fake::founded();
    fake.registry("people", dnc_core::registry::RegistryKind::Litigation);
    let header = v1::ImportHeader { registry: "people".into(), ..v1::ImportHeader::default() };
    let first = run(&fake, header.clone(), &[("a.txt", "2015550100\n8185550100\n")]);
    assert_eq!(first.await.expect("imported").numbers, 2);
    let second = run(&fake, header.clone(), &[("a.txt", "8185550101\n")]);
    assert_eq!(second.await.expect("imported").dropped, 2);
    assert_eq!(numbers(&fake, "people"), [18_185_550_101]);
    let part = v1::ImportHeader { covers: vec!["201".into()], ..header };
    let error = run(&fake, part, &[("a.txt", "2015550100\n")]).await.expect_err("a part");
    assert_eq!(error.kind(), Kind::Precondition);
}
