//! Which replicas run here: as many as the catalog places on this node.
//!
//! Each has a task of its own that starts it, watches over it, and starts it again when it has failed
//! ([`tend`]). This room keeps those tasks alive, says what must be resident, and when the node is ready.

mod tend;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dnc_consensus::{Group, GroupId, Host};
use dnc_core::ids::{NodeId, ShardId};
use dnc_meta::CatalogCache;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::tend::Tender;
use self::wishes::Wishes;
use crate::shard::Shard;

/// How often it is looked at whether all is as it should be.
const TICK: Duration = Duration::from_millis(250);

/// Replicas that read their state at a time.
const STARTS_AT_ONCE: usize = 64;

/// A replica that could not be started so often does not keep the node from being ready: waiting brings nothing more.
const TRIES: u32 = 3;

/// The replicas that run here.
#[derive(Clone, Default)]
pub struct Hosting {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    slots: RwLock<BTreeMap<ShardId, Slot>>,
    /// Counts the replicas that were started: a new one may not know the newest wishes.
    started: AtomicU64,
}

/// A replica that is placed here.
#[derive(Default)]
struct Slot {
    /// If it runs.
    replica: Option<Replica>,
    /// Whether its group has members.
    founded: bool,
    /// How often it has failed since it last was well.
    failures: u32,
    /// Why it failed last.
    why: String,
}

/// A replica and its Raft group.
#[derive(Clone)]
pub struct Replica {
    /// The replica.
    pub shard: Arc<Shard>,
    /// Its group.
    pub group: Group,
}

// === impl Hosting ===

impl Hosting {
    /// A replica that runs here.
    pub fn replica(&self, shard: ShardId) -> Option<Replica> {
        self.inner.slots.read().get(&shard)?.replica.clone()
    }

    /// All replicas that run here.
    pub fn all(&self) -> Vec<Replica> {
        self.inner.slots.read().values().filter_map(|slot| slot.replica.clone()).collect()
    }

    /// The shards of which a replica is placed here that has failed and does not run.
    pub fn failed(&self) -> Vec<ShardId> {
        let slots = self.inner.slots.read();
        slots.iter().filter(|(_, slot)| slot.replica.is_none() && slot.failures > 0).map(|(shard, _)| *shard).collect()
    }

    /// Runs what the catalog places here, and keeps resident what checks may ask for, for as long as the
    /// node runs. `ready` becomes true once every replica that is placed here runs or has failed
    /// repeatedly (then it is among [`Self::failed`]), and one at least runs.
    pub async fn follow(
        self,
        host: Host,
        node: NodeId,
        cache: CatalogCache,
        ready: watch::Sender<bool>,
        stop: CancellationToken,
    ) {
        let tender = Tender {
            hosting: self.clone(),
            host,
            cache: cache.clone(),
            starts: Arc::new(Semaphore::new(STARTS_AT_ONCE)),
        };
        let mut changed = cache.subscribe();
        let mut tasks = JoinSet::new();
        let mut tended: HashMap<Id, ShardId> = HashMap::new();
        let mut wishes = Wishes::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                more = changed.changed() => if more.is_err() { return },
                Some(ended) = tasks.join_next_with_id() => forget(&mut tended, ended),
                _ = ticks.tick() => {}
            }
            let known = cache.get();
            let placed: Vec<ShardId> = known.catalog.shard_map.shards_of(node).collect();
            for shard in &placed {
                if !tended.values().any(|known| known == shard) {
                    let task = tasks.spawn(tender.clone().tend(*shard));
                    tended.insert(task.id(), *shard);
                }
            }
            wishes.make(&self, &known.catalog).await;
            if !known.catalog.shard_map.replicas.is_empty() && self.is_ready(&placed) {
                ready.send_replace(true);
            }
        }
    }

    fn is_ready(&self, placed: &[ShardId]) -> bool {
        let slots = self.inner.slots.read();
        let well = |slot: &Slot| slot.replica.is_some() && slot.founded;
        let settled = |shard| slots.get(shard).is_some_and(|slot| well(slot) || slot.failures >= TRIES);
        placed.iter().all(settled) && (placed.is_empty() || slots.values().any(well))
    }

    /// A replica runs, and can be asked.
    fn runs(&self, replica: Replica) {
        let shard = replica.shard.id();
        let mut slots = self.inner.slots.write();
        slots.entry(shard).or_default().replica = Some(replica);
        self.inner.started.fetch_add(1, Ordering::Release);
    }

    /// A replica's group has members.
    fn founded(&self, shard: ShardId) {
        self.inner.slots.write().entry(shard).or_default().founded = true;
    }

    /// A replica has run for a while.
    fn well(&self, shard: ShardId) {
        let failed = {
            let mut slots = self.inner.slots.write();
            let slot = slots.entry(shard).or_default();
            slot.why.clear();
            std::mem::take(&mut slot.failures)
        };
        if failed > 0 {
            tracing::info!(shard = shard.0, failed, "the replica runs again");
        }
    }

    /// A replica has failed, and is asked no more. Logged once, as long as it is for the same reason.
    fn fails(&self, shard: ShardId, why: String) {
        let mut slots = self.inner.slots.write();
        let slot = slots.entry(shard).or_default();
        slot.replica = None;
        slot.founded = false;
        slot.failures = slot.failures.saturating_add(1);
        if slot.why == why {
            tracing::debug!(shard = shard.0, failures = slot.failures, why, "the replica failed again");
        } else {
            tracing::error!(
                shard = shard.0,
                failures = slot.failures,
                why,
                "the replica failed, it will be started again"
            );
            slot.why = why;
        }
    }
}

/// The Raft group of a shard; group 0 is the meta group's.
fn group_of(shard: ShardId) -> GroupId {
    GroupId(u64::from(shard.0) + 1)
}

/// A replica's task has ended, which it does only by a panic: the next look starts another one.
fn forget(tended: &mut HashMap<Id, ShardId>, ended: Result<(Id, ()), JoinError>) {
    let (id, why) = match ended {
        Ok((id, ())) => (id, "it returned".to_owned()),
        Err(error) => (error.id(), error.to_string()),
    };
    if let Some(shard) = tended.remove(&id) {
        tracing::error!(shard = shard.0, why, "the task of a replica has ended");
    }
}

/// An error with its causes, for a log line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
