//! The catalog as a process knows it, and the last few views that it judged checks by.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dnc_core::catalog::Catalog;
use dnc_core::view::View;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// Views kept, the newest included: a check judged by a slightly older one can still be answered.
const VIEWS_KEPT: usize = 8;

/// A process's catalog. Clones share it. Reading takes no lock.
#[derive(Clone)]
pub struct CatalogCache {
    inner: Arc<Inner>,
}

struct Inner {
    state: ArcSwap<State>,
    /// Held while a catalog is taken in, so that two cannot replace each other out of order.
    taking: Mutex<()>,
    revision: watch::Sender<u64>,
    /// Wakes those who wait for a newer catalog, in the order in which they came.
    newer: Notify,
}

struct State {
    known: Arc<Known>,
    /// The newest last.
    views: VecDeque<Arc<View>>,
}

/// A catalog and the view that it makes.
#[derive(Debug, Default)]
pub struct Known {
    /// The catalog.
    pub catalog: Catalog,
    /// What judges checks by it.
    pub view: Arc<View>,
}

/// A catalog of another cluster was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process belongs to cluster {ours:032x}, the catalog offered to cluster {theirs:032x}")]
pub struct OtherCluster {
    /// The cluster that this process belongs to.
    pub ours: u128,
    /// The cluster that the catalog belongs to.
    pub theirs: u128,
}

/// What was waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalog did not become what was waited for within {limit:?}, it is at revision {revision}")]
pub struct TimedOut {
    /// How long it was waited for.
    pub limit: Duration,
    /// The revision at the end.
    pub revision: u64,
}

// === impl CatalogCache ===

impl Default for CatalogCache {
    fn default() -> Self {
        Self::new()
    }
}

impl CatalogCache {
    /// Knows nothing yet: a catalog of revision 0.
    pub fn new() -> Self {
        let known = Arc::new(Known::default());
        let views = VecDeque::from([Arc::clone(&known.view)]);
        Self {
            inner: Arc::new(Inner {
                state: ArcSwap::from_pointee(State { known, views }),
                taking: Mutex::new(()),
                revision: watch::Sender::new(0),
                newer: Notify::new(),
            }),
        }
    }

    /// The newest catalog that this process knows.
    pub fn get(&self) -> Arc<Known> {
        Arc::clone(&self.inner.state.load().known)
    }

    /// Takes a catalog if it is newer than the known one; says whether it was.
    pub fn offer(&self, catalog: Catalog) -> Result<bool, OtherCluster> {
        let _taking = self.inner.taking.lock();
        let state = self.inner.state.load_full();
        let known = &state.known;
        if let (Some(ours), Some(theirs)) = (&known.catalog.founding, &catalog.founding)
            && ours.cluster != theirs.cluster
        {
            return Err(OtherCluster { ours: ours.cluster, theirs: theirs.cluster });
        }
        if catalog.revision <= known.catalog.revision {
            return Ok(false);
        }
        let revision = catalog.revision;
        let mut views = state.views.clone();
        let view = if catalog.view_revision == known.view.revision {
            Arc::clone(&known.view)
        } else {
            let view = Arc::new(View::after(&catalog, &known.view));
            views.push_back(Arc::clone(&view));
            while views.len() > VIEWS_KEPT {
                views.pop_front();
            }
            view
        };
        let known = Arc::new(Known { catalog, view });
        self.inner.state.store(Arc::new(State { known, views }));
        self.inner.revision.send_replace(revision);
        self.inner.newer.notify_waiters();
        Ok(true)
    }

    /// The view of this revision, if it is one of the last few.
    pub fn view(&self, revision: u64) -> Option<Arc<View>> {
        let state = self.inner.state.load();
        state.views.iter().rev().find(|view| view.revision == revision).cloned()
    }

    /// Wakes when a newer catalog has been taken; its revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.revision.subscribe()
    }

    /// Waits until the catalog is as `f` wants it.
    pub async fn wait_for(&self, limit: Duration, f: impl Fn(&Catalog) -> bool) -> Result<Arc<Known>, TimedOut> {
        let wait = async {
            loop {
                let mut newer = std::pin::pin!(self.inner.newer.notified());
                // From here on none is missed.
                newer.as_mut().enable();
                let known = self.get();
                if f(&known.catalog) {
                    return known;
                }
                newer.await;
            }
        };
        tokio::time::timeout(limit, wait).await.map_err(|_| TimedOut { limit, revision: self.get().catalog.revision })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::catalog::{Change, Founding, NewRegistry, NodeAddresses};
    use dnc_core::registry::RegistryKind;

    fn founded(cluster: u128) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.apply(Change::Found(Founding {
            cluster,
            log_key: [0; 32],
            shards: 16,
            replication: 3,
            initial_nodes: 3,
        }));
        catalog
    }

    fn with_registry(catalog: &Catalog, name: &str) -> Catalog {
        let mut next = catalog.clone();
        next.apply(Change::CreateRegistry(NewRegistry::named(name, RegistryKind::State)));
        next
    }

    #[test]
    fn only_a_newer_catalog_of_the_same_cluster_is_taken() {
        let cache = CatalogCache::new();
        let first = founded(7);
        let second = with_registry(&first, "tx");
        assert_eq!(cache.offer(second.clone()), Ok(true));
        assert_eq!(cache.offer(first), Ok(false));
        assert_eq!(cache.offer(second.clone()), Ok(false));
        assert_eq!(cache.offer(Catalog::default()), Ok(false));
        let other = with_registry(&with_registry(&founded(8), "a"), "b");
        assert_eq!(cache.offer(other), Err(OtherCluster { ours: 7, theirs: 8 }));
        assert_eq!(cache.get().catalog, second);
    }

    #[test]
    fn the_last_eight_views_are_kept_and_no_more() {
        let cache = CatalogCache::new();
        let mut catalog = founded(7);
        cache.offer(catalog.clone()).expect("ours");
        for at in 0..10 {
            catalog = with_registry(&catalog, &format!("r{at}"));
            cache.offer(catalog.clone()).expect("ours");
        }
        // Revision 1 is the founding, 11 the last registry.
        assert!(cache.view(3).is_none());
        for revision in 4..=11 {
            let view = cache.view(revision).expect("kept");
            assert_eq!(view.revision, revision);
            assert_eq!(view.registries.len() as u64, revision - 1);
        }
    }

    #[test]
    fn a_change_that_judges_nothing_keeps_the_view() {
        let cache = CatalogCache::new();
        let mut catalog = founded(7);
        cache.offer(catalog.clone()).expect("ours");
        let before = cache.get();
        catalog.apply(Change::RegisterNode {
            incarnation: 1,
            addresses: NodeAddresses { service: "a:1".into(), raft: "a:2".into() },
            zone: String::new(),
        });
        assert_eq!(cache.offer(catalog), Ok(true));
        let after = cache.get();
        assert_eq!(after.catalog.revision, 2);
        assert!(Arc::ptr_eq(&before.view, &after.view));
    }

    #[tokio::test]
    async fn waiting_ends_when_the_catalog_fits_or_the_limit_is_reached() {
        let cache = CatalogCache::new();
        let waiting = tokio::spawn({
            let cache = cache.clone();
            async move {
                let limit = Duration::from_secs(10);
                cache.wait_for(limit, |c| c.founding.is_some()).await
            }
        });
        tokio::task::yield_now().await;
        cache.offer(founded(7)).expect("ours");
        let known = waiting.await.expect("no panic").expect("in time");
        assert_eq!(known.catalog.revision, 1);
        let limit = Duration::from_millis(10);
        let error = cache.wait_for(limit, |c| c.revision > 1).await;
        assert_eq!(error.expect_err("does not come"), TimedOut { limit, revision: 1 });
    }
}
