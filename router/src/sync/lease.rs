//! The right of one router to sync a registry: claimed in the catalog, renewed while it lasts, and lost when it is not.
//!
//! Whoever cannot renew it stops before it ends, by its own steady clock. That no two routers activate against each other
//! does not depend on it: an activation names the version that it replaces.

use std::time::Duration;

use dnc_core::catalog::{Change, Decision, Refusal};
use dnc_core::ids::RegistryId;
use dnc_core::registry::Claim;
use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::cluster::Cluster;

/// How long a claim lasts unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// How long before its end it counts as lost.
const MARGIN: Duration = Duration::from_secs(10);
/// Pause after a renewal that was not answered.
const PAUSE: Duration = Duration::from_secs(1);
/// Time for the meta group to decide.
const PROPOSE: Duration = Duration::from_secs(5);

/// A claim that this router holds.
pub struct Lease<C> {
    cluster: C,
    registry: RegistryId,
    claim: Claim,
    good_until: Instant,
    clock: fn() -> u64,
}

// === impl Lease ===

impl<C: Cluster> Lease<C> {
    /// Claims a registry for a sync, unless another router syncs it.
    pub async fn claim(
        cluster: C,
        registry: RegistryId,
        sync: u128,
        router: String,
        clock: fn() -> u64,
    ) -> Result<Self, Error> {
        let (sent, since_ms) = (Instant::now(), clock());
        let claim = Claim { sync, router, since_ms, until_ms: since_ms + millis(LEASE) };
        let change = Change::ClaimSync { registry, claim: claim.clone() };
        match cluster.propose(&change, PROPOSE).await {
            Ok(Decision::Done { .. }) => {
                Ok(Self { cluster, registry, claim, good_until: sent + LEASE - MARGIN, clock })
            }
            Ok(Decision::Refused(Refusal::Syncing(router))) => Err(Error::Syncing(router)),
            Ok(Decision::Refused(why)) => Err(Error::Refused(why)),
            Ok(_) => Err(Error::Unexpected),
            Err(_) => Err(Error::Unconfirmed),
        }
    }

    /// When the sync began, milliseconds since 1970.
    pub fn since_ms(&self) -> u64 {
        self.claim.since_ms
    }

    /// Renews it for as long as that goes well; ends with why it is lost.
    pub async fn keep(&mut self) -> String {
        let mut pause = RENEW;
        loop {
            sleep(pause.min(self.good_until.saturating_duration_since(Instant::now()))).await;
            let sent = Instant::now();
            let left = self.good_until.saturating_duration_since(sent);
            if left.is_zero() {
                return "the meta group did not renew this router's claim in time".into();
            }
            self.claim.until_ms = (self.clock)() + millis(LEASE);
            let change = Change::ClaimSync { registry: self.registry, claim: self.claim.clone() };
            pause = match self.cluster.propose(&change, PROPOSE.min(left)).await {
                Ok(Decision::Done { .. }) => {
                    self.good_until = sent + LEASE - MARGIN;
                    RENEW
                }
                Ok(Decision::Refused(why)) => return format!("this router's claim was not renewed: {why}"),
                Ok(_) | Err(_) => PAUSE,
            };
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, Lost};

    fn federal(fake: &Fake) -> RegistryId {
        fake.known().catalog.registry_named("federal").expect("founded").id
    }

    async fn claim(fake: &Fake, sync: u128, clock: fn() -> u64) -> Result<Lease<Fake>, Error> {
        Lease::claim(fake.clone(), federal(fake), sync, format!("r{sync}"), clock).await
    }

    #[tokio::test]
    async fn one_router_at_a_time_holds_a_claim_and_another_takes_over_after_its_end() {
        let fake = Fake::founded();
        claim(&fake, 1, || 1_000).await.expect("free");
        let refused = claim(&fake, 2, || 60_999).await.err().expect("taken");
        assert!(matches!(&refused, Error::Syncing(router) if router == "r1"), "{refused}");
        claim(&fake, 2, || 61_000).await.expect("free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_another_took_over_is_lost() {
        let fake = Fake::founded();
        let mut first = claim(&fake, 1, || 1_000).await.expect("free");
        claim(&fake, 2, || 61_000).await.expect("run out");
        let begin = Instant::now();
        let why = first.keep().await;
        assert!(why.contains("r2"), "{why}");
        assert_eq!(begin.elapsed(), RENEW);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_nobody_renews_is_lost_before_it_ends() {
        let fake = Fake::founded();
        let mut lease = claim(&fake, 1, || 1_000).await.expect("free");
        fake.lose_proposals(|change| matches!(change, Change::ClaimSync { .. }).then_some(Lost::Before));
        let begin = Instant::now();
        let why = lease.keep().await;
        assert!(why.contains("in time"), "{why}");
        assert!(begin.elapsed() < LEASE, "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_renewed_for_as_long_as_it_is_held() {
        let fake = Fake::founded();
        let mut lease = claim(&fake, 1, || 1_000).await.expect("free");
        let kept = tokio::time::timeout(Duration::from_secs(600), lease.keep()).await;
        assert!(kept.is_err(), "{kept:?}");
    }
}
