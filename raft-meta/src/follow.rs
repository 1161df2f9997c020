//! Keeps a process's catalog fresh: listens to one voter's watch, and to another when that one falls silent.

use std::time::Duration;

use dnc_core::catalog::{Catalog, Change};
use dnc_core::codec::{self, CodecError};
use dnc_proto::internal::watch_event::Event;
use dnc_proto::internal::{CatalogChange, WatchEvent};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::backoff::Backoff;
use crate::cache::{CatalogCache, OtherCluster};
use crate::client::{MetaClient, describe};

/// A voter that says nothing for this long is dead; a living one speaks every five seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// After this long another voter is tried, though this one lives: it may be cut off from the others and not notice.
const STAY: Duration = Duration::from_secs(60);
/// Pauses between attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Voters that cannot be followed are complained of this often at most.
const COMPLAIN: Duration = Duration::from_secs(10);

/// Why listening to a voter ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the watch cannot be opened: {0}")]
    NotOpened(String),
    #[error("the watch broke: {0}")]
    Broken(String),
    #[error("the voter closed the watch")]
    Closed,
    #[error("the voter said nothing for {SILENCE:?}")]
    Silent,
    #[error("it is time to try another voter")]
    Stayed,
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// An event that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misfit {
    /// A change from a revision that is not ours.
    #[error("a change from revision {from} came while the catalog is at {have}")]
    Gap {
        /// The change's revision.
        from: u64,
        /// Ours.
        have: u64,
    },
    /// A change that changes nothing here: this program reads it otherwise than the voters do.
    #[error("the change after revision {0} has no effect here")]
    WithoutEffect(u64),
    /// Bytes of another release, or damaged.
    #[error("unreadable event")]
    Unreadable(#[from] CodecError),
    /// A catalog that is not ours to follow.
    #[error(transparent)]
    OtherCluster(#[from] OtherCluster),
}

/// Follows the catalog into the cache until `stop`. Never gives up; the cache keeps what it has while no voter is reached.
pub async fn follow(client: MetaClient, cache: CatalogCache, stop: CancellationToken) {
    let _ = stop.run_until_cancelled(follow_for_ever(&client, &cache)).await;
}

async fn follow_for_ever(client: &MetaClient, cache: &CatalogCache) {
    let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
    let mut complained: Option<Instant> = None;
    loop {
        for address in client.shuffled() {
            let mut heard = false;
            let why = listen(client, cache, &address, &mut heard).await;
            if heard {
                backoff.reset();
            }
            if matches!(why, Ended::Stayed) {
                continue;
            }
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                warn!(voter = address, %why, "a meta voter cannot be followed, trying another");
                complained = Some(Instant::now());
            } else {
                debug!(voter = address, %why, "a meta voter cannot be followed, trying another");
            }
            sleep(backoff.pause()).await;
        }
        if client.addresses().is_empty() {
            // Nobody to follow: the catalog comes from other processes alone.
            std::future::pending::<()>().await;
        }
    }
}

/// Listens to one voter for as long as that makes sense.
async fn listen(client: &MetaClient, cache: &CatalogCache, address: &str, heard: &mut bool) -> Ended {
    if client.cluster().is_none()
        && let Some(founding) = &cache.get().catalog.founding
    {
        client.set_cluster(founding.cluster);
    }
    let revision = cache.get().catalog.revision;
    let mut events = match client.watch(address, revision).await {
        Ok(events) => events,
        Err(status) => return Ended::NotOpened(describe(&status)),
    };
    debug!(voter = address, revision, "following a meta voter");
    let leave_at = Instant::now() + STAY.mul_f64(rand::random_range(0.5..=1.0));
    loop {
        let event = match timeout(SILENCE, events.message()).await {
            Err(_) => return Ended::Silent,
            Ok(Err(status)) => return Ended::Broken(describe(&status)),
            Ok(Ok(None)) => return Ended::Closed,
            Ok(Ok(Some(event))) => event,
        };
        if let Err(misfit) = take(cache, event) {
            return misfit.into();
        }
        *heard = true;
        if Instant::now() >= leave_at {
            return Ended::Stayed;
        }
    }
}

/// Brings one event into the cache.
pub(crate) fn take(cache: &CatalogCache, event: WatchEvent) -> Result<(), Misfit> {
    match event.event {
        Some(Event::Snapshot(catalog)) => {
            cache.offer(codec::decode::<Catalog>(&catalog)?)?;
            Ok(())
        }
        Some(Event::Change(change)) => take_change(cache, &change),
        Some(Event::Alive(_)) | None => Ok(()),
    }
}

fn take_change(cache: &CatalogCache, change: &CatalogChange) -> Result<(), Misfit> {
    let known = cache.get();
    let (from, have) = (change.from_revision, known.catalog.revision);
    if from < have {
        // The catalog came from somebody else in the meantime.
        return Ok(());
    }
    if from > have {
        return Err(Misfit::Gap { from, have });
    }
    let mut catalog = known.catalog.clone();
    catalog.apply(codec::decode::<Change>(&change.change)?);
    if catalog.revision == have {
        return Err(Misfit::WithoutEffect(have));
    }
    cache.offer(catalog)?;
    Ok(())
}
