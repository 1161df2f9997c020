//! What a check costs inside a replica: bloom miss, record hit, block hit and miss with 50 million
//! numbers resident, and a bulk of 1,000.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::Lone;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dnc_core::block::{BlockBuilder, BlockId};
use dnc_core::command::{Addition, Run, ShardCommand, ShardReply};
use dnc_core::exemption::Months;
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Search, ShardQuery};
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_core::suppression::{Origin, Suppression};
use dnc_core::view::{ActiveVersion, View, ViewRegistry};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const FEDERAL: RegistryId = RegistryId(1);
const INTERNAL: RegistryId = RegistryId(2);
const TENANT: TenantId = TenantId(1);
const VERSION: VersionId = VersionId(1);
/// Blocks resident: with every second number listed they hold 50 million.
const BLOCKS: u64 = 10_000;
const FIRST_BLOCK: u64 = 1_201_000;
/// Blocks in one run: dense ones of 1,250 bytes each.
const RUN_BLOCKS: u64 = 200;
/// The time of the checks.
const NOW_MS: u64 = 1_800_000_000_000;
/// Numbers with a live entry.
const RECORDS: u64 = 20_000;

/// The `i`th number of the resident blocks; even lines are listed.
fn number(i: u64) -> PhoneNumber {
    PhoneNumber::from_u64(FIRST_BLOCK * 10_000 + i).expect("a number")
}

/// Numbers with live entries lie outside the resident blocks.
fn suppressed(i: u64) -> PhoneNumber {
    PhoneNumber::from_u64(14_152_000_000 + i * 7).expect("a number")
}

fn view(bulk: bool) -> View {
    let source = Source { list_date: jiff::civil::date(2026, 11, 9), file: "f".into(), sha256: [0; 32], numbers: 0 };
    let active = ActiveVersion { id: VERSION, coverage: Coverage::Everywhere(source) };
    View {
        revision: if bulk { 2 } else { 1 },
        registries: vec![ViewRegistry {
            id: FEDERAL,
            name: "federal".into(),
            kind: RegistryKind::Federal,
            owner: None,
            max_age_days: 31,
            exemption_months: Months::default(),
            active: bulk.then_some(active),
        }],
        tenants: Vec::new(),
        rules: Default::default(),
    }
}

async fn fill(lone: &Lone) {
    let mut builder = BlockBuilder::new();
    for line in (0..10_000u16).step_by(2) {
        builder.insert(line).expect("a line");
    }
    let half = builder.build();
    for first in (FIRST_BLOCK..FIRST_BLOCK + BLOCKS).step_by(RUN_BLOCKS as usize) {
        let last = first + RUN_BLOCKS - 1;
        let run = Run {
            first: BlockId(first),
            last: BlockId(last),
            blocks: (first..=last).map(|id| (BlockId(id), half.clone())).collect(),
        };
        let reply =
            lone.write(ShardCommand::Stage { registry: FEDERAL, version: VERSION, ancestry: vec![], run }).await;
        assert!(matches!(reply, ShardReply::Staged(_)), "{reply:?}");
    }
    let reply = lone.write(ShardCommand::Seal { registry: FEDERAL, version: VERSION, ancestry: vec![] }).await;
    let ShardReply::Sealed(seal) = reply else { panic!("{reply:?}") };
    assert_eq!(seal.numbers, 50_000_000);
    let writes = (0..RECORDS).map(|i| {
        let id = RequestId(u128::from(i) + 1);
        let suppression = Suppression {
            reason: "asked on a call".into(),
            added_by: "bench".into(),
            ..Suppression::new(id, TENANT, Origin::Consumer, 1)
        };
        lone.write(ShardCommand::Suppress(Addition { number: suppressed(i), registry: INTERNAL, suppression }))
    });
    // Together, so that they share fsyncs.
    futures::future::join_all(writes).await;
}

fn bench(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let lone = runtime.block_on(async {
        let lone = Lone::start(folder.path()).await;
        fill(&lone).await;
        lone
    });
    let shard = &lone.shard;
    let (plain, bulk) = (view(false), view(true));
    let mut rng = StdRng::seed_from_u64(1);
    let mut group = c.benchmark_group("shard");

    group.bench_function("bloom miss", |b| {
        b.iter_batched(
            || number(rng.random_range(0..BLOCKS * 10_000)),
            |n| black_box(shard.answer(&[n], Some(&plain), NOW_MS).expect("answers")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("record hit", |b| {
        b.iter_batched(
            || suppressed(rng.random_range(0..RECORDS)),
            |n| black_box(shard.answer(&[n], Some(&plain), NOW_MS).expect("answers")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("block hit, 50 million resident", |b| {
        b.iter_batched(
            || number(rng.random_range(0..BLOCKS * 5_000) * 2),
            |n| black_box(shard.answer(&[n], Some(&bulk), NOW_MS).expect("answers")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("block miss, 50 million resident", |b| {
        b.iter_batched(
            || number(rng.random_range(0..BLOCKS * 5_000) * 2 + 1),
            |n| black_box(shard.answer(&[n], Some(&bulk), NOW_MS).expect("answers")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("search, a page of 100 by number", |b| {
        b.iter_batched(
            || suppressed(rng.random_range(0..RECORDS - 100)).to_u64(),
            |first| {
                let by = By::Number { first, last: u64::MAX };
                let search = Search { tenant: TENANT, by, registry: None, after: None, limit: 100 };
                black_box(lone.ask(&ShardQuery::Search(search)))
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("bulk of 1,000, half of them hits", |b| {
        b.iter_batched(
            || (0..1_000).map(|_| number(rng.random_range(0..BLOCKS * 10_000))).collect::<Vec<_>>(),
            |numbers| black_box(shard.answer(&numbers, Some(&bulk), NOW_MS).expect("answers")),
            BatchSize::SmallInput,
        );
    });
    group.finish();
    runtime.block_on(lone.stop());
}

criterion_group!(benches, bench);
criterion_main!(benches);
