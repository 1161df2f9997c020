//! Numbers that must not be cleared: every router is asked for them all the time, first for those that came last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::Verdict;
use dnc_tests::grpc::{Router, verdict};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Findings, Shared};

/// Between two looks at one router.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an answer is waited for; none is the safe side.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Numbers of one question: those that came last, and some of the others in turn.
const LAST: usize = 60;
const OTHERS: usize = 40;

/// Numbers of one question of the last look at all of them.
const BULK: usize = 1_000;

/// The numbers, and who asks for them.
pub struct Watch {
    tenant: &'static str,
    routers: Vec<SocketAddr>,
    kept: Arc<Mutex<Kept>>,
    found: Shared,
    stop: CancellationToken,
    asking: Vec<JoinHandle<()>>,
}

/// Numbers, each since when, counted from 1.
#[derive(Default)]
struct Kept {
    since: BTreeMap<PhoneNumber, u64>,
    by_since: BTreeMap<u64, PhoneNumber>,
    count: u64,
}

/// A number, and since when it must not be cleared.
type Asked = (PhoneNumber, u64);

// === impl Watch ===

impl Watch {
    /// Begins to ask every router, in the name of a tenant.
    pub fn begin(routers: &[SocketAddr], tenant: &'static str) -> Watch {
        let (kept, found, stop) = (Arc::<Mutex<Kept>>::default(), Shared::default(), CancellationToken::new());
        let asking = routers.iter().map(|at| {
            let (at, kept, found, stop) = (*at, Arc::clone(&kept), found.clone(), stop.clone());
            tokio::spawn(async move {
                let ended = stop.run_until_cancelled(ask_on(at, tenant, &kept, &found)).await;
                debug_assert!(ended.is_none(), "it asks for ever");
            })
        });
        let asking = asking.collect();
        Watch { tenant, routers: routers.to_vec(), kept, found, stop, asking }
    }

    /// What tells it of numbers.
    pub fn keeper(&self) -> Keeper {
        Keeper(Arc::clone(&self.kept))
    }

    /// Ends with a last look at every number, as far as anybody answers.
    pub async fn end(self) -> Result<Findings> {
        self.stop.cancel();
        for asking in self.asking {
            asking.await.context("a task broke down")?;
        }
        let all: Vec<Asked> = lock(&self.kept).since.iter().map(|(number, since)| (*number, *since)).collect();
        for at in &self.routers {
            let Ok(Ok(router)) = timeout(ANSWER_LIMIT, Router::connect(*at)).await else { continue };
            for numbers in all.chunks(BULK) {
                let _ = look(&router, *at, self.tenant, numbers, &self.kept, &self.found).await;
            }
        }
        Ok(self.found.read())
    }
}

/// Tells a [`Watch`] which numbers must not be cleared.
#[derive(Clone)]
pub struct Keeper(Arc<Mutex<Kept>>);

// === impl Keeper ===

impl Keeper {
    /// From here on this number must not be cleared.
    pub fn keep(&self, number: PhoneNumber) {
        lock(&self.0).keep(number);
    }

    /// From here on it may be.
    pub fn let_go(&self, number: PhoneNumber) {
        lock(&self.0).let_go(number);
    }
}

// === impl Kept ===

impl Kept {
    fn keep(&mut self, number: PhoneNumber) {
        self.let_go(number);
        self.count += 1;
        self.since.insert(number, self.count);
        self.by_since.insert(self.count, number);
    }

    fn let_go(&mut self, number: PhoneNumber) {
        if let Some(since) = self.since.remove(&number) {
            self.by_since.remove(&since);
        }
    }

    fn pick(&self, round: usize) -> Vec<Asked> {
        let asked = |(since, number): (&u64, &PhoneNumber)| (*number, *since);
        let last = self.by_since.iter().rev().take(LAST).map(asked);
        let older = self.by_since.len().saturating_sub(LAST);
        let from = if older == 0 { 0 } else { round * OTHERS % older };
        last.chain(self.by_since.iter().take(older).skip(from).take(OTHERS).map(asked)).collect()
    }
}

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().expect("nobody panics while holding it")
}

/// Asks one router, again and again.
async fn ask_on(at: SocketAddr, tenant: &str, kept: &Mutex<Kept>, found: &Shared) {
    let mut connected: Option<Router> = None;
    for round in 0.. {
        // The pace of this errand, not a wait for anything.
        sleep(PAUSE).await;
        let numbers = lock(kept).pick(round);
        if numbers.is_empty() {
            continue;
        }
        let router = match connected.take() {
            Some(router) => router,
            None => match timeout(ANSWER_LIMIT, Router::connect(at)).await {
                Ok(Ok(router)) => router,
                _ => continue,
            },
        };
        // How often checks fail is counted by the workload.
        if look(&router, at, tenant, &numbers, kept, found).await.is_ok() {
            connected = Some(router);
        }
    }
}

/// Asks once. What was let go of meanwhile, or is unknown, is not judged.
async fn look(
    router: &Router,
    at: SocketAddr,
    tenant: &str,
    asked: &[Asked],
    kept: &Mutex<Kept>,
    found: &Shared,
) -> Result<()> {
    let texts: Vec<String> = asked.iter().map(|(number, _)| number.to_string()).collect();
    let answered = timeout(ANSWER_LIMIT, router.bulk_for(tenant, &texts)).await.context("no answer")??;
    let still: Vec<bool> = {
        let kept = lock(kept);
        asked.iter().map(|(number, since)| kept.since.get(number) == Some(since)).collect()
    };
    for (((number, _), still), result) in asked.iter().zip(still).zip(&answered.results) {
        match verdict(result) {
            Ok(Verdict::Clear) if still => {
                found.add(1, Err(anyhow!("the router at {at} clears {number}, against what was acknowledged")));
            }
            Ok(Verdict::Listed) if still => found.add(1, Ok(())),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_tests::numbers::number;

    #[test]
    fn the_last_ones_are_asked_for_always_and_the_others_in_turn() {
        let mut kept = Kept::default();
        for line in 100..200 {
            [212, 213].into_iter().for_each(|area| kept.keep(number(area, line)));
        }
        kept.let_go(number(213, 199));
        assert_eq!(kept.pick(0)[0].0, number(212, 199));
        let mut seen: Vec<PhoneNumber> = (0..4).flat_map(|round| kept.pick(round)).map(|(number, _)| number).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 199);
        // Kept anew, it is another time.
        let before = kept.since[&number(212, 100)];
        kept.keep(number(212, 100));
        assert!(kept.since[&number(212, 100)] > before);
        assert_eq!(kept.since.len(), kept.by_since.len());
    }
}
