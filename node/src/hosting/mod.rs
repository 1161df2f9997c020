//! Which replicas run here: those that the catalog places on this node, or that are on their way to it.
//!
//! Each has a task of its own that starts it, watches over it, and starts it again when it has failed
//! ([`tend`]). This room keeps those tasks alive, says what must be resident, and when the node is ready.

mod handover;
mod placements;
mod tend;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dnc_consensus::{Group, GroupId, Host, HostError, StoreError};
use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_meta::CatalogCache;
use dnc_planted::Bug;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use self::placements::Placements;
use self::tend::Tender;
use self::wishes::Wishes;
pub use self::wishes::wanted;
use crate::shard::Shard;
use crate::threads::heavily;

/// How often it is looked at whether all is as it should be.
const TICK: Duration = Duration::from_millis(250);

/// Time for a replica to be discarded before other things are seen to.
const DISCARD: Duration = Duration::from_secs(1);

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
    /// Revision of the catalog that placed it here.
    placed: u64,
}

/// What takes care of a replica.
struct Tended {
    shard: ShardId,
    /// Cancelled when the replica is not to be here any more.
    leave: CancellationToken,
}

/// The replicas that run here, as the task sees them that keeps them in step with the catalog.
struct Following {
    tender: Tender,
    /// Read at the first look.
    placements: Option<Placements>,
    tasks: JoinSet<()>,
    tended: HashMap<Id, Tended>,
}

/// Why a node is not in step with the catalog.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("write down which replicas are placed here")]
    Placements(#[from] StoreError),
    #[error("delete a replica that has moved away")]
    Discard(#[source] HostError),
}

/// A replica and its Raft group.
#[derive(Clone)]
pub struct Replica {
    /// The replica.
    pub shard: Arc<Shard>,
    /// Its group.
    pub group: Group,
    /// Until it stops or moves away; the same for all clones.
    asked: Arc<AtomicBool>,
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

    /// Revision of the catalog that placed a replica here.
    pub fn placed(&self, shard: ShardId) -> u64 {
        self.inner.slots.read().get(&shard).map_or(0, |slot| slot.placed)
    }

    /// The shards of which a replica is placed here that has failed and does not run.
    pub fn failed(&self) -> Vec<ShardId> {
        let slots = self.inner.slots.read();
        slots.iter().filter(|(_, slot)| slot.replica.is_none() && slot.failures > 0).map(|(shard, _)| *shard).collect()
    }

    /// Runs what the catalog places here, gives up what it does not place here any more, and keeps resident what checks
    /// may ask for, for as long as the node runs. `ready` becomes true once every replica that checks may need here runs
    /// or has failed repeatedly (then it is among [`Self::failed`]), and one at least runs.
    pub async fn follow(
        self,
        host: Host,
        node: NodeId,
        cache: CatalogCache,
        ready: watch::Sender<bool>,
        stop: CancellationToken,
    ) {
        let mut following = Following {
            tender: Tender {
                hosting: self.clone(),
                host,
                node,
                cache: cache.clone(),
                starts: Arc::new(Semaphore::new(STARTS_AT_ONCE)),
            },
            placements: None,
            tasks: JoinSet::new(),
            tended: HashMap::new(),
        };
        let mut changed = cache.subscribe();
        let mut wishes = Wishes::default();
        let mut was_ready = false;
        let mut failing = String::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                more = changed.changed() => if more.is_err() { return },
                Some(ended) = following.tasks.join_next_with_id() => following.ended(ended),
                _ = ticks.tick() => {}
            }
            let known = cache.get();
            let hosted = known.catalog.hosted_by(node);
            let failed = following.follow(&known.catalog, &hosted).await.err().map_or_else(String::new, |e| chain(&e));
            if failed != failing && !failed.is_empty() {
                tracing::error!(error = failed, "not in step with the catalog; trying again");
            }
            failing = failed;
            following
                .tender
                .host
                .throttle_snapshots(known.catalog.moves.plan.as_ref().map_or(0, |plan| plan.purpose.throttle));
            wishes.make(&self, &known.catalog).await;
            let needed: Vec<ShardId> = known.catalog.shard_map.shards_of(node).collect();
            if !was_ready && !known.catalog.shard_map.replicas.is_empty() && self.is_ready(&needed) {
                // Once: a node that is about to stop says that it is not any more.
                was_ready = true;
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

    fn set_placed(&self, shard: ShardId, revision: u64) {
        self.inner.slots.write().entry(shard).or_default().placed = revision;
    }

    /// A replica is not asked any more, because it stops.
    fn leaves(&self, shard: ShardId) {
        if let Some(slot) = self.inner.slots.write().get_mut(&shard) {
            slot.clear();
        }
    }

    /// A replica is not here any more.
    fn gone(&self, shard: ShardId) {
        self.inner.slots.write().remove(&shard);
    }

    /// A replica runs, and can be asked.
    fn runs(&self, replica: Replica) {
        let shard = replica.shard.id();
        let mut slots = self.inner.slots.write();
        let slot = slots.entry(shard).or_default();
        slot.clear();
        slot.replica = Some(replica);
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
        slot.clear();
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

// === impl Slot ===

impl Slot {
    /// Whatever ran here is not asked any more, and whoever reads it now is not believed.
    fn clear(&mut self) {
        if let Some(replica) = self.replica.take() {
            replica.asked.store(false, Ordering::SeqCst);
        }
        self.founded = false;
    }
}

// === impl Replica ===

impl Replica {
    /// A replica that is asked from now on.
    fn new(shard: Arc<Shard>, group: Group) -> Replica {
        Replica { shard, group, asked: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether what was just read of it counts: it is still asked. One that has moved away meanwhile may have been read
    /// while it was being deleted.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

// === impl Following ===

impl Following {
    /// Starts what was placed here, and ends what is not placed here any more.
    async fn follow(&mut self, catalog: &Catalog, hosted: &[ShardId]) -> Result<(), FollowError> {
        let placements = match &mut self.placements {
            Some(placements) => placements,
            none => {
                let store = self.tender.host.store().clone();
                none.insert(blocking(move || Placements::read(store)).await?)
            }
        };
        if catalog.recoveries.gave_up(self.tender.node) {
            // Nothing that it holds counts any more. It is not deleted: others may have lost it.
            self.tended.values().for_each(|tended| tended.leave.cancel());
            return Ok(());
        }
        let moving_in = catalog.moves.plan.as_ref().map_or(0, |plan| plan.since);
        for shard in hosted {
            let needed = if catalog.incoming(*shard) == Some(self.tender.node) { moving_in } else { 0 };
            if placements.of(*shard).is_none_or(|placed| placed < needed) {
                // On disk before the replica can become a member by this placement.
                heavily(|| placements.record(*shard, catalog.revision))?;
            }
            self.tender.hosting.set_placed(*shard, placements.of(*shard).unwrap_or(0));
            if !self.tended.values().any(|tended| tended.shard == *shard) {
                let leave = CancellationToken::new();
                let task = self.tasks.spawn(self.tender.clone().tend(*shard, leave.clone()));
                self.tended.insert(task.id(), Tended { shard: *shard, leave });
            }
        }
        let left: Vec<ShardId> = placements.before(catalog.revision).filter(|shard| !hosted.contains(shard)).collect();
        if dnc_planted::is(Bug::RemovedReplicaStays) {
            return Ok(());
        }
        for shard in left {
            match self.tended.values().find(|tended| tended.shard == shard) {
                // It stops, and is discarded at a later look, once its task has ended.
                Some(tended) => tended.leave.cancel(),
                None => {
                    // If its task has panicked it may be asked yet.
                    self.tender.hosting.leaves(shard);
                    // Nobody is told of it any more, and who was asking it before is not believed (see `Replica::is_asked`).
                    match timeout(DISCARD, self.tender.host.discard_group(group_of(shard))).await {
                        Ok(Ok(())) => {}
                        // It is on its way up or down yet, or the disk is slow: at a later look.
                        Ok(Err(HostError::Busy(_))) | Err(_) => continue,
                        Ok(Err(error)) => return Err(FollowError::Discard(error)),
                    }
                    heavily(|| placements.forget(shard))?;
                    self.tender.hosting.gone(shard);
                    tracing::info!(shard = shard.0, "the replica has moved away, its data is deleted");
                }
            }
        }
        Ok(())
    }

    /// A replica's task has ended: it was told to leave, or it panicked and the next look starts another one.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, why) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let tended = self.tended.remove(&id);
        if let (Some(tended), Some(why)) = (tended, why) {
            tracing::error!(shard = tended.shard.0, why, "the task of a replica has ended");
        }
    }
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Closed),
    }
}

/// The Raft group of a shard; group 0 is the meta group's.
fn group_of(shard: ShardId) -> GroupId {
    GroupId(u64::from(shard.0) + 1)
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
