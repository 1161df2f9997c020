//! Loads of the federal list: staged on every shard, sealed, made active when the replicas have it, confirmed by barriers.
//!
//! The order of the steps is that of the router's import; what each waits for is the router's own code
//! (`dnc_router::ready`, `propose`, `confirm`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail};
use dnc_core::block::{Block, BlockBuilder, BlockId};
use dnc_core::catalog::{Change, Decision};
use dnc_core::codec;
use dnc_core::command::{Run, Seal, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, ShardId};
use dnc_core::number::PhoneNumber;
use dnc_core::registry::{Content, Coverage, LoadReport, Source};
use dnc_router::ready::{self, Expected};
use dnc_router::{Cluster, confirm, propose};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::client::Caller;
use crate::note;
use crate::router::{LOADS, Reach};
use crate::world::{World, now, now_ms};

/// The federal registry: the first that a cluster has.
pub const FEDERAL: RegistryId = RegistryId(1);
/// Time for a whole load.
const LOAD: Duration = Duration::from_secs(20);
/// Time for the replicas to have a version.
const READY: Duration = Duration::from_secs(10);

/// A list to be loaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Names it.
    pub id: u128,
    /// All numbers in it.
    pub numbers: BTreeSet<PhoneNumber>,
}

/// Loads a list and makes it active. Repeating it goes on where it ended.
pub async fn load(reach: &Reach, load: &Load) -> anyhow::Result<()> {
    let deadline = Instant::now() + LOAD;
    if reach.known().catalog.shard_map.shards() == 0 {
        bail!("the shards are not placed yet");
    }
    let begin = Change::BeginVersion { registry: FEDERAL, load: load.id, now_ms: now_ms() };
    let (begun, known) = propose(reach, &begin, deadline).await.context("begin the version")?;
    let Decision::Version { id: version, .. } = begun else { bail!("an unexpected decision: {begun:?}") };
    reach.world().model().list_begins(version, &load.numbers);
    let registry = known.catalog.registries.get(&FEDERAL).context("there is no federal registry")?;
    let ancestry = registry.versions.get(&version).context("the version is not known")?.ancestry.clone();
    let from = ancestry.first().copied();
    let shards = known.catalog.shard_map.shards();
    let mut seals = Vec::new();
    for shard in (0..shards).map(ShardId) {
        let blocks = blocks_of(&load.numbers, shard, shards);
        let run = Run { first: BlockId(0), last: BlockId(u64::MAX / 10_000), blocks };
        let stage = ShardCommand::Stage { registry: FEDERAL, version, ancestry: ancestry.clone(), run };
        match reach.write(shard, &stage, deadline).await? {
            ShardReply::Staged(_) | ShardReply::Refused(ShardRefusal::Sealed) => {}
            other => bail!("staging gave {other:?}"),
        }
        let seal = ShardCommand::Seal { registry: FEDERAL, version, ancestry: ancestry.clone() };
        match reach.write(shard, &seal, deadline).await? {
            ShardReply::Sealed(seal) => seals.push(seal),
            other => bail!("sealing gave {other:?}"),
        }
    }
    let seal = Change::SealVersion { registry: FEDERAL, version, content: content(load, &seals) };
    propose(reach, &seal, deadline).await.context("seal the version")?;
    let until = Instant::now() + READY;
    ready::wait(reach, (FEDERAL, version), Expected::Seals(&seals), until).await.context("wait for replicas")?;
    reach.world().model().list_called(version);
    let activate = Change::Activate { registry: FEDERAL, version, from, now_ms: now_ms() };
    let (_, known) = propose(reach, &activate, deadline).await.context("activate the version")?;
    confirm(reach, &known, deadline).await.context("confirm the version")?;
    Ok(())
}

fn blocks_of(numbers: &BTreeSet<PhoneNumber>, shard: ShardId, shards: u32) -> Vec<(BlockId, Block)> {
    let mut builders: BTreeMap<BlockId, BlockBuilder> = BTreeMap::new();
    for number in numbers.iter().filter(|number| number.block().shard(shards) == shard.0) {
        builders.entry(number.block()).or_default().insert_number(*number);
    }
    builders.into_iter().map(|(id, builder)| (id, builder.build())).collect()
}

fn content(load: &Load, seals: &[Seal]) -> Content {
    let mut by_area = BTreeMap::new();
    for number in &load.numbers {
        *by_area.entry(number.area()).or_insert(0) += 1;
    }
    let numbers = load.numbers.len() as u64;
    let list = Source { list_date: now().today, file: "federal.txt".to_owned(), sha256: [0; 32], numbers };
    Content {
        coverage: Coverage::Everywhere(list),
        numbers,
        by_area,
        checksum: seals.iter().fold(0, |sum, seal| sum.wrapping_add(seal.checksum)),
        report: LoadReport::default(),
    }
}

/// Loads one list after another until all is healed.
pub async fn keep_loading(world: World) -> anyhow::Result<()> {
    let _work = world.works();
    let caller = Caller::open(&world, "lists").await?;
    let numbers = world.model().numbers(world.plan());
    let mut loads = 0u128;
    while loads == 0 || !world.is_healed() {
        loads += 1;
        let half: BTreeSet<PhoneNumber> =
            numbers.iter().copied().filter(|_| caller.dice().draw(|rng| rng.random_bool(0.5))).collect();
        let load = Load { id: loads, numbers: half };
        loop {
            match caller.ask(LOADS, codec::encode(&load), LOAD + READY).await {
                Ok(_) => break,
                Err(why) => note!(world.trace(), "lists", "load {loads} failed, again: {why}"),
            }
            sleep(caller.dice().time(Duration::from_millis(100), Duration::from_millis(600))).await;
        }
        world.model().list_acknowledged(load.numbers.clone());
        note!(world.trace(), "lists", "load {loads} of {} numbers answers checks", load.numbers.len());
        sleep(caller.dice().time(Duration::from_millis(100), Duration::from_secs(2))).await;
    }
    Ok(())
}
