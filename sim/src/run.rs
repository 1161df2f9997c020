//! One run: a cluster is founded, things break while clients work, all is healed, and what was promised is looked at.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use dnc_consensus::Workbench;
use dnc_core::catalog::Catalog;
use dnc_core::ids::ShardId;
use tokio::time::sleep;

use crate::client::{Caller, Client};
use crate::faults::Storm;
use crate::model::Counts;
use crate::plan::{Plan, Plant, ROUTERS, VOTERS};
use crate::raft::Rt;
use crate::trace::Trace;
use crate::world::{EPOCH_S, World};
use crate::{follow, lists, meta, node, operator, router};

/// What a tick of the simulation takes: time passes in these.
const TICK: Duration = Duration::from_millis(2);
/// The fastest that a message is.
const LATENCY: Duration = Duration::from_micros(500);
/// When things begin to break.
const CALM: Duration = Duration::from_secs(4);
/// How long after the storm everything may take to come to rest.
const REST: Duration = Duration::from_secs(90);
/// Messages that wait at a host.
const QUEUE: usize = 65_536;

/// How one run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// Ticks of simulated time.
    pub steps: u64,
    /// The hash over the trace.
    pub hash: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// What clients did.
    pub counts: Counts,
    /// What was wrong. Nothing, if all is well.
    pub violations: Vec<String>,
    /// The trace's last lines.
    pub last: Vec<String>,
}

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A bug to plant in the shell.
    pub plant: Option<Plant>,
    /// Lines of the trace to keep.
    pub keep: usize,
    /// Print every line.
    pub aloud: bool,
}

/// Runs one seed. `workbench` is where machines keep their state; it can be used for many runs.
pub fn one(seed: u64, options: Options, workbench: &Arc<Workbench>) -> Outcome {
    let plan = Plan::of(seed);
    let trace = Trace::new(options.keep, options.aloud);
    let world = World::new(plan.clone(), options.plant, trace.clone(), workbench.clone());
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .enable_random_order()
        .epoch(std::time::UNIX_EPOCH + Duration::from_secs(EPOCH_S))
        .tick_duration(TICK)
        .simulation_duration(CALM + plan.storm + REST + REST)
        .min_message_latency(LATENCY)
        .max_message_latency(plan.latency)
        .udp_capacity(QUEUE)
        .fail_rate(plan.loss)
        .repair_rate(0.3);
    let mut sim = builder.build();
    inhabit(&mut sim, &world);
    let mut storm = Storm::new(world.clone(), CALM);
    let mut steps = 0;
    let mut failure = None;
    loop {
        let now = sim.elapsed();
        trace.set_now(now);
        if !world.is_healed() {
            if now < CALM + plan.storm {
                storm.blow(&mut sim, now);
            } else {
                storm.end(&mut sim);
            }
        }
        steps += 1;
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
        if !broken(&world).is_empty() {
            break;
        }
    }
    let mut violations = broken(&world);
    violations.extend(failure);
    drop(sim);
    world.end();
    Outcome {
        plan,
        steps,
        hash: trace.hash(),
        lines: trace.lines(),
        counts: world.model().counts(),
        violations,
        last: trace.last(),
    }
}

fn broken(world: &World) -> Vec<String> {
    let mut violations = world.model().violations();
    violations.extend(world.watch().violations());
    violations
}

/// All hosts of a run.
fn inhabit(sim: &mut turmoil::Sim<'_>, world: &World) {
    for id in 1..=u64::from(VOTERS) {
        let world = world.clone();
        let name = follow::voter(id);
        sim.host(name.clone(), move || seeded(&world, &name, meta::run(world.clone(), id)));
    }
    let plan = world.plan().clone();
    for ordinal in 1..=plan.nodes + plan.joining {
        let world = world.clone();
        let name = node::name(ordinal);
        let late = ordinal.saturating_sub(plan.nodes);
        let joins = if late > 0 { CALM + plan.storm / 4 * late } else { Duration::ZERO };
        sim.host(name.clone(), move || seeded(&world, &name, node::run(world.clone(), ordinal, joins)));
    }
    for ordinal in 1..=ROUTERS {
        let world = world.clone();
        let name = router::name(ordinal);
        sim.host(name.clone(), move || seeded(&world, &name, router::run(world.clone(), ordinal)));
    }
    for ordinal in 1..=plan.clients {
        sim.client(format!("c{ordinal}"), seeded(world, "client", Client::run(world.clone(), ordinal)));
    }
    sim.client("lists", seeded(world, "lists", lists::keep_loading(world.clone())));
    sim.client("ops", seeded(world, "ops", operator::run(world.clone())));
    sim.client("audit", seeded(world, "audit", audit(world.clone())));
}

/// Runs one life of a host with random numbers of its own for Raft.
fn seeded<F>(world: &World, name: &str, life: F) -> impl Future<Output = turmoil::Result> + use<F>
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let seed = world.raft_seed(name);
    let scope = Rt::scope(seed, life);
    async move { scope.await.map_err(|error| format!("{error:#}").into()) }
}

/// Waits until all is at rest, and looks whether all is as it should be.
async fn audit(world: World) -> anyhow::Result<()> {
    let caller = Caller::open(&world, "audit").await?;
    while !world.is_healed() || world.working() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    crate::note!(world.trace(), "audit", "begins");
    let mut last = String::new();
    for _ in 0..REST.as_millis() / 100 {
        match look(&world, &caller).await {
            Ok(()) => {
                crate::note!(world.trace(), "audit", "all is as it should be");
                return Ok(());
            }
            Err(why) => {
                let why = why.to_string();
                if why != last {
                    crate::note!(world.trace(), "audit", "waits: {why}");
                    last = why;
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    world.watch().broken(format!("all was healed, and not as it should be: {last}"));
    Ok(())
}

async fn look(world: &World, caller: &Caller) -> anyhow::Result<()> {
    let catalog = world.catalog();
    if let Some(plan) = &catalog.moves.plan {
        return Err(anyhow!("the plan has not ended: {} moves left", plan.left.len()));
    }
    for shard in (0..catalog.shard_map.shards()).map(ShardId) {
        at_rest(world, &catalog, shard)?;
    }
    let numbers = world.model().numbers(world.plan());
    // More than once: any majority must say the same.
    for _ in 0..4 {
        let answer = caller.check(&numbers).await.ok_or_else(|| anyhow!("no answer"))?;
        let wrong = world.model().audit(&numbers, &answer);
        if let Some(first) = wrong.first() {
            return Err(anyhow!("{} answers are wrong, the first: {first}", wrong.len()));
        }
    }
    Ok(())
}

/// A shard's replicas are where the catalog says, agree, and are equal.
fn at_rest(world: &World, catalog: &Catalog, shard: ShardId) -> anyhow::Result<()> {
    let wanted: BTreeSet<u64> = catalog.shard_map.replicas(shard).iter().copied().collect();
    let replicas = world.replicas(node::group_of(shard));
    if replicas.len() != wanted.len() {
        return Err(anyhow!("shard {shard} has {} replicas that run, wanted {}", replicas.len(), wanted.len()));
    }
    let mut states = BTreeSet::new();
    for (host, running) in &replicas {
        let tail = running.group.tail();
        let membership = tail.membership.unwrap_or_default();
        if membership.configs != [wanted.clone()] || !membership.learners.is_empty() {
            return Err(anyhow!("shard {shard} on {host} has members {:?}", membership.configs));
        }
        if running.group.leader().is_none() || running.group.applied() != tail.last {
            return Err(anyhow!("shard {shard} on {host} is behind"));
        }
        states.insert((tail.last, running.shard.checksum()?));
    }
    if states.len() != 1 {
        return Err(anyhow!("the replicas of shard {shard} differ: {states:?}"));
    }
    Ok(())
}

// === impl Outcome ===

impl Outcome {
    /// Nothing was wrong.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { judged, unjudged, written, lists } = self.counts;
        write!(
            f,
            "seed {}: {} steps, {judged} numbers judged, {unjudged} not, {written} writes, {lists} lists, \
             {} lines, trace {:016x}: {}",
            self.plan.seed,
            self.steps,
            self.lines,
            self.hash,
            if self.is_well() { "well" } else { "VIOLATION" }
        )
    }
}
