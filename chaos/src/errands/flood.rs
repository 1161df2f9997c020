//! More callers than routers take in: what is refused must be refused early, what is taken in must be answered as fast as ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_tests::grpc::Router;
use dnc_tests::numbers::Numbers;
use dnc_tests::wait::until;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::{Findings, Shared};

/// Requests that a router takes in at once in a scenario that floods it: so few that a few hundred callers are too many.
pub const IN_FLIGHT: usize = 32;

/// Callers that share a connection.
const SHARING: usize = 64;

/// Numbers in each bulk: enough work that callers meet.
const BULK: usize = 100;

/// How long making the tenant may take.
const MADE: Duration = Duration::from_secs(10);

/// A refused caller comes back after this time: sooner than it is asked to.
const RUDE: Duration = Duration::from_millis(100);

/// How much less may be answered when five times as many call: no less than half.
const GOODPUT_MIN: f64 = 0.5;

/// The errand.
#[derive(Default)]
pub struct Flood {
    callers: JoinSet<()>,
    counts: Arc<Counts>,
    began: Option<Instant>,
    /// Answers a second of the first flood: as many callers as are taken in.
    first: Option<f64>,
    found: Shared,
}

#[derive(Debug, Default)]
struct Counts {
    answered: AtomicUsize,
    refused: AtomicUsize,
    failed: AtomicUsize,
}

// === impl Flood ===

impl Flood {
    /// So many times as many callers as each router takes in begin to ask, all of one tenant.
    pub async fn rise(&mut self, routers: &[SocketAddr], times: usize, tenant: &'static str) -> Result<()> {
        ensure!(self.began.is_none(), "there is a flood");
        let numbers = Numbers::for_clients(1);
        let bulk: Arc<[String]> = numbers.clear.iter().take(BULK).map(ToString::to_string).collect();
        let first = routers.first().context("there is a router")?;
        // The router may be full of what ran before: it is asked until it takes this in.
        until(MADE, "the tenant to be made", || async {
            Ok(Some(Router::connect(*first).await?.create_tenant(tenant).await?))
        })
        .await?;
        for router in routers {
            for _ in 0..(IN_FLIGHT * times).div_ceil(SHARING) {
                let router = Router::connect(*router).await?;
                for _ in 0..SHARING.min(IN_FLIGHT * times) {
                    self.callers.spawn(call_on(router.clone(), tenant, Arc::clone(&bulk), Arc::clone(&self.counts)));
                }
            }
        }
        self.began = Some(Instant::now());
        Ok(())
    }

    /// They end. The first flood is what later ones are held against.
    pub async fn ebb(&mut self) -> Result<String> {
        let began = self.began.take().context("there is no flood")?;
        let take = |count: &AtomicUsize| u32::try_from(count.swap(0, Ordering::Relaxed)).unwrap_or(u32::MAX);
        let answered = f64::from(take(&self.counts.answered)) / began.elapsed().as_secs_f64();
        let (refused, failed) = (take(&self.counts.refused), take(&self.counts.failed));
        self.callers.shutdown().await;
        let told =
            format!("{answered:.0} bulks of {BULK} answered a second, {refused} refused, {failed} failed otherwise");
        match self.first {
            // As many as are taken in: what more of them are held against.
            None if refused == 0 => self.first = Some(answered),
            None => self.found.add(1, Ok(())),
            Some(first) => {
                ensure!(refused > 0, "nobody was refused: {told}");
                let stays = answered >= first * GOODPUT_MIN;
                let mistake = || anyhow::anyhow!("{told}, and {first:.0} a second before");
                self.found.add(1, if stays { Ok(()) } else { Err(mistake()) });
            }
        }
        Ok(told)
    }

    /// What was seen.
    pub fn end(self) -> Findings {
        self.found.read()
    }
}

async fn call_on(router: Router, tenant: &str, bulk: Arc<[String]>, counts: Arc<Counts>) {
    loop {
        match router.bulk_for(tenant, &bulk).await {
            Ok(_) => counts.answered.fetch_add(1, Ordering::Relaxed),
            Err(status) => {
                let count = if status.code() == Code::ResourceExhausted { &counts.refused } else { &counts.failed };
                let counted = count.fetch_add(1, Ordering::Relaxed);
                sleep(RUDE).await;
                counted
            }
        };
    }
}
