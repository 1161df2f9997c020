//! A replica against a plain model: whatever is written, in whatever order, with restarts in
//! between, it answers what the model answers.

use std::collections::{BTreeMap, BTreeSet};

mod common;

use common::Lone;
use dnc_core::block::{BlockId, BlockSetBuilder};
use dnc_core::command::{Changed, Origin, Run, ShardCommand, ShardRefusal, ShardReply, Suppression};
use dnc_core::ids::{RegistryId, RequestId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_core::view::{ActiveVersion, View, ViewRegistry};
use dnc_node::shard::Shard;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FEDERAL: RegistryId = RegistryId(1);
const INTERNAL: RegistryId = RegistryId(2);
/// The numbers of the model: 4 blocks of area code 201, a few lines of each.
const NUMBERS: u64 = 80;

fn number(i: u64) -> PhoneNumber {
    PhoneNumber::from_u64(12_015_550_000 + (i % 4) * 10_000 + i / 4).expect("a number")
}

fn suppression(id: u128) -> Suppression {
    Suppression {
        id: RequestId(id),
        origin: Origin::Consumer,
        reason: "asked".into(),
        added_by: "agent".into(),
        added_ms: 1,
    }
}

/// A run over area code 201 that holds these numbers and no others.
fn run(numbers: &BTreeSet<PhoneNumber>) -> Run {
    let mut blocks = BlockSetBuilder::new();
    for number in numbers {
        blocks.insert(*number).expect("few blocks");
    }
    Run { first: BlockId(1_201_000), last: BlockId(1_201_999), blocks: blocks.into_sorted() }
}

fn view(version: Option<VersionId>) -> View {
    let source = Source { list_date: jiff::civil::date(2026, 11, 9), file: "f".into(), sha256: [0; 32], numbers: 0 };
    View {
        revision: version.map_or(1, |version| version.0 + 1),
        registries: vec![ViewRegistry {
            id: FEDERAL,
            name: "federal".into(),
            kind: RegistryKind::Federal,
            max_age_days: 31,
            active: version.map(|id| ActiveVersion { id, coverage: Coverage::Everywhere(source) }),
        }],
    }
}

#[derive(Default)]
struct Model {
    live: BTreeMap<PhoneNumber, BTreeSet<RequestId>>,
    versions: Vec<(VersionId, BTreeSet<PhoneNumber>)>,
}

impl Model {
    fn ancestry(&self) -> Vec<VersionId> {
        self.versions.iter().rev().map(|(id, _)| *id).collect()
    }

    /// The replica answers as the model does, by every version there is.
    fn compare(&self, shard: &Shard) {
        let numbers: Vec<PhoneNumber> = (0..NUMBERS).map(number).collect();
        let known = self.versions.iter().map(|(id, listed)| (Some(*id), listed.clone()));
        for (version, listed) in known.chain([(None, BTreeSet::new())]) {
            let found = shard.answer(&numbers, Some(&view(version))).expect("answers");
            let hits: BTreeSet<PhoneNumber> = found.bulk.expect("resident").iter().map(|hit| numbers[hit.at]).collect();
            assert_eq!(hits, listed, "version {version:?}");
            let mut live: BTreeMap<PhoneNumber, BTreeSet<RequestId>> = BTreeMap::new();
            for entry in &found.live {
                assert_eq!(entry.registry, INTERNAL);
                live.entry(numbers[entry.at]).or_default().insert(entry.suppression.id);
            }
            assert_eq!(live, self.live);
            assert_eq!(found.live.len(), self.live.values().map(BTreeSet::len).sum::<usize>());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_answers_as_the_model_does_through_restarts() {
    let folder = tempfile::tempdir().expect("folder");
    let mut rng = StdRng::seed_from_u64(20_261_121);
    let mut model = Model::default();
    let mut next_id = 1u128;
    let mut checksum = None;
    for _ in 0..3 {
        let lone = Lone::start(folder.path()).await;
        model.compare(&lone.shard);
        if let Some(before) = checksum {
            assert_eq!(lone.shard.checksum().expect("checksum"), before, "a restart changed the state");
        }
        for _ in 0..150 {
            next_id += 1;
            let target = number(rng.random_range(0..NUMBERS));
            match rng.random_range(0..10) {
                0..5 => {
                    let command = ShardCommand::Suppress {
                        number: target,
                        registry: INTERNAL,
                        suppression: suppression(next_id),
                    };
                    let reply = ShardReply::Suppressed { id: RequestId(next_id) };
                    assert_eq!(lone.write(command.clone()).await, reply);
                    // The same request again changes nothing.
                    assert_eq!(lone.write(command).await, reply);
                    model.live.entry(target).or_default().insert(RequestId(next_id));
                }
                5..8 => {
                    let entries: Vec<RequestId> = model.live.remove(&target).unwrap_or_default().into_iter().collect();
                    let command = ShardCommand::Release {
                        request: RequestId(next_id),
                        number: target,
                        registry: INTERNAL,
                        entries: entries.clone(),
                    };
                    let reply = ShardReply::Released { removed: entries.len() as u64 };
                    assert_eq!(lone.write(command.clone()).await, reply);
                    assert_eq!(lone.write(command).await, reply);
                }
                _ => load(&lone, &mut model, &mut rng).await,
            }
        }
        model.compare(&lone.shard);
        checksum = Some(lone.shard.checksum().expect("checksum"));
        lone.stop().await;
    }
}

/// Stages and seals one more version, made from the newest.
async fn load(lone: &Lone, model: &mut Model, rng: &mut StdRng) {
    let listed: BTreeSet<PhoneNumber> = (0..NUMBERS).filter(|_| rng.random_bool(0.4)).map(number).collect();
    let ancestry = model.ancestry();
    let version = VersionId(ancestry.first().map_or(1, |newest| newest.0 + 1));
    let before = model.versions.last().map(|(_, listed)| listed.clone()).unwrap_or_default();
    let stage = |numbers: &BTreeSet<PhoneNumber>| ShardCommand::Stage {
        registry: FEDERAL,
        version,
        ancestry: ancestry.clone(),
        run: run(numbers),
    };
    // A first attempt with other content, as after an interruption, is replaced by the second.
    let other: BTreeSet<PhoneNumber> = (0..NUMBERS).filter(|_| rng.random_bool(0.4)).map(number).collect();
    lone.write(stage(&other)).await;
    let changed = Changed {
        added: listed.difference(&before).count() as u64,
        dropped: before.difference(&listed).count() as u64,
        unchanged: before.intersection(&listed).count() as u64,
    };
    assert_eq!(lone.write(stage(&listed)).await, ShardReply::Staged(changed));
    let seal = ShardCommand::Seal { registry: FEDERAL, version, ancestry: ancestry.clone() };
    let ShardReply::Sealed(sealed) = lone.write(seal.clone()).await else { panic!("not sealed") };
    assert_eq!(sealed.numbers, listed.len() as u64);
    assert_eq!(lone.write(seal).await, ShardReply::Sealed(sealed));
    assert_eq!(lone.write(stage(&listed)).await, ShardReply::Refused(ShardRefusal::Sealed));
    model.versions.push((version, listed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_belong_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let before = lone.shard.checksum().expect("checksum");
    let mut unordered = run(&(0..8).map(number).collect());
    unordered.blocks.reverse();
    let stage = |run| ShardCommand::Stage { registry: FEDERAL, version: VersionId(1), ancestry: vec![], run };
    assert_eq!(lone.write(stage(unordered)).await, ShardReply::Refused(ShardRefusal::BadRun));
    // A parent that is not complete here.
    let orphan = ShardCommand::Stage {
        registry: FEDERAL,
        version: VersionId(2),
        ancestry: vec![VersionId(1)],
        run: run(&BTreeSet::new()),
    };
    assert_eq!(lone.write(orphan).await, ShardReply::Refused(ShardRefusal::BadRun));
    assert_eq!(lone.shard.checksum().expect("checksum"), before);
    // A version that was given up takes nothing more.
    let drop_it = ShardCommand::Drop { registry: FEDERAL, version: VersionId(3) };
    assert_eq!(lone.write(drop_it).await, ShardReply::Done);
    let late = ShardCommand::Seal { registry: FEDERAL, version: VersionId(3), ancestry: vec![] };
    assert_eq!(lone.write(late).await, ShardReply::Refused(ShardRefusal::Dropped));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_suppression_is_never_one_that_another_request_made() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let suppress = |i| ShardCommand::Suppress { number: number(i), registry: INTERNAL, suppression: suppression(1) };
    assert_eq!(lone.write(suppress(1)).await, ShardReply::Suppressed { id: RequestId(1) });
    assert_eq!(lone.write(suppress(2)).await, ShardReply::Refused(ShardRefusal::RequestReused));
    lone.stop().await;
    // The requests are remembered through a restart.
    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.write(suppress(2)).await, ShardReply::Refused(ShardRefusal::RequestReused));
    assert_eq!(lone.write(suppress(1)).await, ShardReply::Suppressed { id: RequestId(1) });
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_is_known_as_soon_as_it_is_written_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    lone.write(ShardCommand::Barrier { revision: 9 }).await;
    lone.write(ShardCommand::Barrier { revision: 4 }).await;
    assert_eq!(lone.shard.barrier(), 9);
    lone.stop().await;
    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.shard.barrier(), 9);
    lone.stop().await;
}
