//! Counts what was checked, and writes it to the shards every few seconds.
//!
//! What is counted waits here by day and tenant until it is written as one addition to the day's record. An addition has
//! one request id for as long as it takes: it is repeated until it is confirmed, and what is counted meanwhile waits for
//! the next one. So nothing is counted twice, and however long a shard is away there are two sums of each day and tenant
//! at most. A router that is killed loses what it counted in the last few seconds, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::ids::{RequestId, TenantId};
use futures::StreamExt;
use jiff::civil::Date;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::today;
use crate::cluster::{Cluster, can_answer};

/// How often it is written.
const EVERY: Duration = Duration::from_secs(5);
/// Time for one writing of all that there is.
const LIMIT: Duration = Duration::from_secs(4);
/// Threads that count seldom meet in one of these.
const STRIPES: usize = 8;
/// Additions that are written at a time.
const AT_ONCE: usize = 8;
/// Sums that wait at most: a week of all tenants that there can be. The oldest are given up first.
const MAX_WAITING: usize = 7 * dnc_core::catalog::MAX_TENANTS;

/// Whose checks, and of which day.
type Key = (Date, TenantId);

/// Counts. Clones share it.
#[derive(Clone, Default)]
pub struct Counting {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    stripes: [Mutex<BTreeMap<Key, Counts>>; STRIPES],
    turn: AtomicUsize,
    unwritten: tokio::sync::Mutex<Unwritten>,
}

/// What is counted and not confirmed yet.
#[derive(Default)]
struct Unwritten {
    /// Waits for an addition of its own.
    waiting: BTreeMap<Key, Counts>,
    /// Additions that were begun, with the ids of their requests.
    begun: BTreeMap<Key, (RequestId, Counts)>,
}

// === impl Counting ===

impl Counting {
    /// Adds what was counted of a tenant's requests just now.
    pub fn add(&self, tenant: TenantId, counts: &Counts) {
        if counts.is_empty() {
            return;
        }
        let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        let mut stripe = self.inner.stripes[turn % STRIPES].lock();
        stripe.entry((today(), tenant)).or_default().add(counts);
    }

    /// So many suppressions of a tenant were added and removed.
    pub fn suppressions(&self, tenant: TenantId, added: u64, removed: u64) {
        let counts = Counts { suppressions_added: added, suppressions_removed: removed, ..Counts::default() };
        self.add(tenant, &counts);
    }

    /// Writes every few seconds until `stop`. What is counted after that takes a last [`Counting::write`].
    pub async fn run<C: Cluster>(self, cluster: C, stop: CancellationToken) {
        let writing = async {
            loop {
                sleep(EVERY).await;
                self.write(&cluster, Instant::now() + LIMIT).await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(writing).await;
    }

    /// Writes what there is; whether all of it is confirmed.
    pub async fn write<C: Cluster>(&self, cluster: &C, deadline: Instant) -> bool {
        let Ok(mut unwritten) = tokio::time::timeout_at(deadline, self.inner.unwritten.lock()).await else {
            return false;
        };
        for stripe in &self.inner.stripes {
            let counted = std::mem::take(&mut *stripe.lock());
            counted.iter().for_each(|(key, counts)| unwritten.waiting.entry(*key).or_default().add(counts));
        }
        unwritten.bound();
        let shards = cluster.known().catalog.shard_map.shards();
        if !can_answer(&cluster.known().catalog) {
            return unwritten.is_empty();
        }
        unwritten.begin();
        let additions: Vec<(Key, ShardCommand)> =
            unwritten.begun.iter().map(|(key, (request, counts))| (*key, command(*key, *request, counts))).collect();
        let ended: Vec<Key> = futures::stream::iter(additions)
            .map(|(key, command)| async move {
                let shard = super::shard_of(key.0, shards);
                match cluster.write(shard, &command, deadline).await {
                    Ok(ShardReply::Done) => Some(key),
                    Ok(other) => {
                        tracing::error!(day = %key.0, ?other, "counters were refused, they are lost");
                        Some(key)
                    }
                    Err(error) => {
                        tracing::debug!(day = %key.0, %error, "counters wait");
                        None
                    }
                }
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(async |key| key)
            .collect()
            .await;
        for key in ended {
            unwritten.begun.remove(&key);
        }
        unwritten.is_empty()
    }
}

// === impl Unwritten ===

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.begun.is_empty()
    }

    /// Gives up the oldest of too many sums.
    fn bound(&mut self) {
        while self.waiting.len() > MAX_WAITING {
            if let Some(((day, tenant), lost)) = self.waiting.pop_first() {
                tracing::error!(%day, tenant = tenant.0, checks = lost.checks, "counters could not be written for too long");
                metrics::counter!("dnc_counts_lost_total").increment(lost.checks);
            }
        }
    }

    /// Begins an addition of each sum of which none is under way.
    fn begin(&mut self) {
        let free: Vec<Key> = self.waiting.keys().filter(|key| !self.begun.contains_key(key)).copied().collect();
        for key in free {
            if let Some(counts) = self.waiting.remove(&key) {
                self.begun.insert(key, (RequestId(Uuid::now_v7().as_u128()), counts));
            }
        }
    }
}

fn command((day, tenant): Key, request: RequestId, counts: &Counts) -> ShardCommand {
    ShardCommand::Count { request, tenant, day, counts: Box::new(counts.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, Written};

    fn checks(checks: u64) -> Counts {
        Counts { checks, requests: 1, ..Counts::default() }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    /// Checks counted of one tenant, over all that was written.
    fn sum(fake: &Fake, tenant: TenantId) -> u64 {
        fake.counted().iter().filter(|(whose, ..)| *whose == tenant).map(|(_, _, counts)| counts.checks).sum()
    }

    fn requests(fake: &Fake) -> Vec<RequestId> {
        let id = |(_, command)| match command {
            ShardCommand::Count { request, .. } => Some(request),
            _ => None,
        };
        fake.written().into_iter().filter_map(id).collect()
    }

    #[tokio::test]
    async fn what_was_counted_by_many_is_written_once_for_each_tenant() {
        let (fake, counting) = (Fake::founded(), Counting::default());
        for _ in 0..100 {
            counting.add(TenantId(1), &checks(2));
            counting.add(TenantId(2), &checks(1));
        }
        assert!(counting.write(&fake, soon()).await);
        assert_eq!((sum(&fake, TenantId(1)), sum(&fake, TenantId(2))), (200, 100));
        assert_eq!(fake.written().len(), 2);
        let shard = super::super::shard_of(today(), crate::testing::SHARDS);
        assert!(fake.written().iter().all(|(at, _)| *at == shard));
        // Nothing new, nothing to write.
        assert!(counting.write(&fake, soon()).await);
        assert_eq!(fake.written().len(), 2);
    }

    #[tokio::test]
    async fn an_addition_whose_answer_is_lost_is_repeated_under_its_id_and_counts_once() {
        let (fake, counting) = (Fake::founded(), Counting::default());
        counting.add(TenantId(1), &checks(3));
        fake.lose_writes(2);
        assert!(!counting.write(&fake, soon()).await);
        // What is counted meanwhile does not get into an addition that may have been done.
        counting.add(TenantId(1), &checks(4));
        assert!(!counting.write(&fake, soon()).await);
        assert_eq!(sum(&fake, TenantId(1)), 3);
        counting.add(TenantId(1), &checks(5));
        assert!(!counting.write(&fake, soon()).await);
        assert!(counting.write(&fake, soon()).await);
        assert_eq!(sum(&fake, TenantId(1)), 12);
        let ids = requests(&fake);
        assert_eq!(ids.len(), 4);
        assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3]);
    }

    #[tokio::test]
    async fn while_the_shards_are_away_what_waits_is_one_sum() {
        let (fake, counting) = (Fake::founded(), Counting::default());
        fake.answer_writes(Written::Fail);
        for _ in 0..50 {
            counting.add(TenantId(1), &checks(1));
            assert!(!counting.write(&fake, soon()).await);
        }
        fake.answer_writes(Written::Well);
        while !counting.write(&fake, soon()).await {}
        assert_eq!(sum(&fake, TenantId(1)), 50);
        assert_eq!(requests(&fake).len(), 2);
    }

    #[tokio::test]
    async fn a_router_that_knows_no_cluster_yet_keeps_what_it_counted() {
        let counting = Counting::default();
        counting.add(TenantId(1), &checks(1));
        assert!(!counting.write(&Fake::empty(), soon()).await);
        let fake = Fake::founded();
        assert!(counting.write(&fake, soon()).await);
        assert_eq!(sum(&fake, TenantId(1)), 1);
    }

    #[tokio::test]
    async fn suppressions_are_counted_beside_the_checks() {
        let (fake, counting) = (Fake::founded(), Counting::default());
        counting.suppressions(TenantId(1), 3, 0);
        counting.suppressions(TenantId(1), 0, 2);
        counting.suppressions(TenantId(1), 0, 0);
        assert!(counting.write(&fake, soon()).await);
        let counted = fake.counted();
        assert_eq!((counted[0].2.suppressions_added, counted[0].2.suppressions_removed), (3, 2));
    }

    #[test]
    fn too_many_sums_lose_the_oldest() {
        let mut unwritten = Unwritten::default();
        let day = |day| jiff::civil::date(2026, 11, day);
        unwritten.waiting.insert((day(1), TenantId(0)), checks(1));
        for tenant in 0..u32::try_from(MAX_WAITING).expect("small") {
            unwritten.waiting.insert((day(2), TenantId(tenant)), checks(1));
        }
        unwritten.bound();
        assert_eq!(unwritten.waiting.len(), MAX_WAITING);
        assert!(unwritten.waiting.keys().all(|(of, _)| *of == day(2)));
    }
}
