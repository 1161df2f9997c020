//! Changes of the catalog that are acknowledged: decided by the meta group, known to this router, and in force
//! everywhere.
//!
//! A change that can list a number must not be answered while any router could still judge by the catalog before it.
//! So it is proposed, waited for on this router, and a barrier with its revision is written into every shard's log:
//! from then on every majority of every shard names it (see `docs/adr/0007`). If the barrier does not reach all shards,
//! the answer says that the change is decided but not confirmed, and repeating the request confirms it.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision, Refusal};
use dnc_meta::{Known, ProposeError};
use dnc_planted::Bug;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::failure::{Failure, Kind};

/// Time for one request, all that it proposes together: less than REST gives it.
const REQUEST: Duration = Duration::from_secs(12);
/// Time for one decision of the meta group.
const PROPOSE: Duration = Duration::from_secs(5);
/// Time for this router to hear of it.
const HEAR: Duration = Duration::from_secs(3);
/// How long to wait for what another router may have made a moment ago.
const RECENT: Duration = Duration::from_millis(300);
/// How often a change is made anew because somebody else changed the same thing meanwhile.
pub const RETRIES: u32 = 3;

/// Why a change is not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The meta group says no.
    #[error("{0}")]
    Refused(Refusal),
    /// The meta group takes no such change.
    #[error("the meta group does not take the change; nothing was changed")]
    NotTaken,
    /// It is not known whether it was decided.
    #[error("the meta group did not confirm in time; repeating the request is safe")]
    Unconfirmed,
    /// It is decided, but perhaps not in force everywhere.
    #[error(
        "decided at revision {revision}, but not confirmed everywhere: {why}; \
         a router cut off from the others could still judge without it; repeating the request is safe"
    )]
    NotTold {
        /// The revision.
        revision: u64,
        /// What failed.
        why: String,
    },
    /// The meta group answered what it should not have.
    #[error("the meta group gave an unexpected answer")]
    Unexpected,
}

// === impl Failure for Undecided ===

impl Failure for Undecided {
    fn kind(&self) -> Kind {
        match self {
            Undecided::Refused(why) => kind_of(why),
            Undecided::Unconfirmed | Undecided::NotTold { .. } => Kind::Unavailable,
            Undecided::NotTaken | Undecided::Unexpected => Kind::Internal,
        }
    }
}

/// What a refusal means to the caller.
fn kind_of(why: &Refusal) -> Kind {
    match why {
        Refusal::NotFounded => Kind::Unavailable,
        Refusal::NameTaken | Refusal::TenantNameTaken | Refusal::RuleIdTaken => Kind::Exists,
        Refusal::BadName(_) | Refusal::BadRule => Kind::Invalid,
        Refusal::UnknownRegistry
        | Refusal::UnknownVersion
        | Refusal::UnknownTenant
        | Refusal::UnknownRule
        | Refusal::UnknownNode(_)
        | Refusal::UnknownPlan => Kind::NotFound,
        Refusal::Edited | Refusal::Superseded => Kind::Aborted,
        // A full catalog does not empty itself: to try again later is no help.
        _ => Kind::Precondition,
    }
}

/// When a request that begins now must be answered.
pub fn deadline() -> Instant {
    Instant::now() + REQUEST
}

/// Proposes a change, and waits until this router knows what was decided. It need not be in force everywhere yet.
pub async fn propose<C: Cluster>(
    cluster: &C,
    change: &Change,
    deadline: Instant,
) -> Result<(Decision, Arc<Known>), Undecided> {
    let decision = cluster.propose(change, left(deadline).min(PROPOSE)).await.map_err(|why| match why {
        ProposeError::Rejected(_) => Undecided::NotTaken,
        ProposeError::TimedOut { .. } => Undecided::Unconfirmed,
    })?;
    let revision = match &decision {
        Decision::Done { revision }
        | Decision::Registry { revision, .. }
        | Decision::Tenant { revision, .. }
        | Decision::Node { revision, .. }
        | Decision::Version { revision, .. } => *revision,
        Decision::Refused(why) => return Err(Undecided::Refused(why.clone())),
    };
    let heard = cluster.wait_for(left(deadline).min(HEAR), |catalog| catalog.revision >= revision).await;
    let known = heard.map_err(|why| Undecided::NotTold { revision, why: why.to_string() })?;
    Ok((decision, known))
}

/// Makes sure that no check is judged by a catalog older than this one from here on.
pub async fn confirm<C: Cluster>(cluster: &C, known: &Known, deadline: Instant) -> Result<(), Undecided> {
    let revision = known.catalog.revision;
    if dnc_planted::is(Bug::RuleBeforeBarrier) {
        return Ok(());
    }
    cluster.barrier(revision, deadline).await.map_err(|why| Undecided::NotTold { revision, why: why.to_string() })
}

/// Decides a change and puts it in force everywhere.
pub async fn decide<C: Cluster>(
    cluster: &C,
    change: &Change,
    deadline: Instant,
) -> Result<(Decision, Arc<Known>), Undecided> {
    let (decision, known) = propose(cluster, change, deadline).await?;
    confirm(cluster, &known, deadline).await?;
    Ok((decision, known))
}

/// The catalog once `f` finds in it what it looks for, which another router may have made a moment ago; or as it is.
pub async fn recent<C: Cluster>(cluster: &C, f: impl Fn(&Catalog) -> bool + Send + Sync) -> Arc<Known> {
    match cluster.wait_for(RECENT, f).await {
        Ok(known) => known,
        Err(_) => cluster.known(),
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::NewRegistry;
    use dnc_core::registry::RegistryKind;

    use super::*;
    use crate::testing::Fake;

    fn change() -> Change {
        Change::CreateRegistry(NewRegistry::named("tx", RegistryKind::State))
    }

    #[tokio::test]
    async fn a_change_is_known_here_and_confirmed_everywhere_before_it_is_answered() {
        let fake = Fake::founded();
        let (_, known) = decide(&fake, &change(), deadline()).await.expect("decided");
        assert!(known.catalog.registry_named("tx").is_some());
        assert_eq!(fake.barriers(), [known.catalog.revision]);
    }

    #[tokio::test]
    async fn without_the_barrier_it_is_decided_and_not_confirmed_until_it_is_repeated() {
        let fake = Fake::founded();
        fake.lose_barriers();
        let why = decide(&fake, &change(), deadline()).await.expect_err("no barrier");
        assert!(matches!(why, Undecided::NotTold { .. }) && why.kind() == Kind::Unavailable, "{why}");
        assert!(fake.known().catalog.registry_named("tx").is_some());
    }

    #[tokio::test]
    async fn a_refusal_says_what_it_means() {
        let fake = Fake::founded();
        fake.change(change());
        let other = Change::CreateRegistry(NewRegistry::named("tx", RegistryKind::Partner));
        let why = decide(&fake, &other, deadline()).await.expect_err("taken");
        assert_eq!(why.kind(), Kind::Exists);
        assert!(fake.barriers().is_empty());
    }
}
