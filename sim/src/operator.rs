//! An operator: drains nodes and lets them serve again, has replicas moved, and changes their mind.
//!
//! Which moves are made is the product's planner's word.

use std::collections::BTreeSet;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Duty, Purpose};
use dnc_core::ids::RequestId;
use dnc_core::moving::plan;
use dnc_meta::CatalogCache;
use rand::Rng;
use rand::seq::IteratorRandom;
use tokio::time::sleep;

use crate::client::Caller;
use crate::world::{World, now_ms};
use crate::{follow, note};

/// Time for one proposal.
const PROPOSE: Duration = Duration::from_secs(3);
/// What the operator is called.
const NAME: &str = "ops";

/// Works until all is healed.
pub async fn run(world: World) -> anyhow::Result<()> {
    let _work = world.works();
    let caller = Caller::open(&world, NAME).await?;
    let cache = CatalogCache::new();
    let works = async {
        while !world.is_healed() {
            sleep(caller.dice().time(Duration::from_millis(300), Duration::from_millis(1_800))).await;
            let known = cache.get();
            if let Some(change) = next(&caller, &known.catalog) {
                let decided = follow::propose(caller.port(), caller.dice(), &change, PROPOSE).await;
                note!(world.trace(), NAME, "{change:?} -> {decided:?}");
            }
        }
    };
    tokio::select! {
        biased;
        () = works => {}
        () = follow::follow(caller.port(), caller.dice(), &cache, |_| ()) => {}
    }
    Ok(())
}

fn next(caller: &Caller, catalog: &Catalog) -> Option<Change> {
    if catalog.shard_map.shards() == 0 {
        return None;
    }
    let dice = caller.dice();
    if let Some(running) = &catalog.moves.plan {
        let changes_mind = dice.draw(|rng| rng.random_bool(0.15)) && !running.cancelled;
        return changes_mind.then_some(Change::CancelPlan { id: running.id });
    }
    if dice.draw(|rng| rng.random_bool(0.5)) {
        let node = dice.draw(|rng| catalog.nodes.keys().copied().choose(rng))?;
        let duty = if catalog.duty(node) == Duty::Serving { Duty::Draining } else { Duty::Serving };
        return Some(Change::SetDuty { node, duty });
    }
    let sites = plan::sites(catalog, &BTreeSet::new());
    let moves = plan::plan(&catalog.shard_map.replicas, &sites).ok().filter(|moves| !moves.is_empty())?;
    let purpose = Purpose { why: "the operator says so".to_owned(), throttle: 0, made_ms: now_ms() };
    Some(Change::AdoptPlan { id: RequestId(dice.draw(|rng| rng.random())), purpose, moves })
}
