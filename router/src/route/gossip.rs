//! The catalog travels with the checks: whoever is behind gets the newer one from the one ahead.

use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::ids::NodeId;
use dnc_meta::{CatalogCache, Known};
use dnc_proto::internal as wire;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Route, nodes};

/// How long one exchange with a node may take.
const ATTEMPT: Duration = Duration::from_millis(300);
/// Pause between rounds.
const PAUSE: Duration = Duration::from_millis(20);
/// How often seeds are asked while the catalog is not known at all.
const SEED_PAUSE: Duration = Duration::from_millis(500);

// === impl Route ===

impl Route {
    /// Gets a catalog of at least this revision from any node, or from the meta group by way of the cache; gives up at the deadline.
    pub(super) async fn catch_up(&self, revision: u64, deadline: Instant) {
        let cache = self.cache();
        while cache.get().catalog.revision < revision && Instant::now() < deadline {
            let known = cache.get();
            for node in known.catalog.nodes.keys() {
                if self.pull(*node, &known).await && cache.get().catalog.revision >= revision {
                    return;
                }
            }
            let pause = PAUSE.min(deadline.saturating_duration_since(Instant::now()));
            let _ = cache.wait_for(pause, |catalog| catalog.revision >= revision).await;
        }
    }

    /// Asks one node for a newer catalog; whether it had one.
    async fn pull(&self, node: NodeId, known: &Known) -> bool {
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return false;
        };
        let message = wire::GetCatalogRequest { newer_than: known.catalog.revision };
        let request = nodes::request(&known.catalog, message, ATTEMPT);
        match timeout(ATTEMPT, client.get_catalog(request)).await {
            Ok(Ok(copy)) => take(self.cache(), copy.into_inner()),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Gives a node that is behind this router's catalog, without waiting for it.
    pub(super) fn offer_soon(&self, node: NodeId, known: &Known) {
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return;
        };
        let message = wire::CatalogCopy { revision: known.catalog.revision, catalog: codec::encode(&known.catalog) };
        let request = nodes::request(&known.catalog, message, ATTEMPT);
        tokio::spawn(async move {
            match timeout(ATTEMPT, client.offer_catalog(request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(node, %error, "offer the catalog"),
                Err(_) => tracing::debug!(node, "offer the catalog: no answer"),
            }
        });
    }
}

/// Asks seed nodes for a catalog until one is known: for a router that starts while the meta group is down.
pub async fn seed(cache: CatalogCache, seeds: Vec<String>, stop: CancellationToken) {
    while cache.get().catalog.revision == 0 && !seeds.is_empty() {
        for address in &seeds {
            let Ok(channel) = nodes::connect(address) else {
                tracing::warn!(address, "not an address of a node");
                continue;
            };
            let mut client = nodes::client(channel);
            let request = tonic::Request::new(wire::GetCatalogRequest { newer_than: 0 });
            if let Ok(Ok(copy)) = timeout(ATTEMPT, client.get_catalog(request)).await {
                take(&cache, copy.into_inner());
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(SEED_PAUSE) => {}
        }
    }
}

/// Takes a copy of the catalog in, if it is one and newer.
fn take(cache: &CatalogCache, copy: wire::CatalogCopy) -> bool {
    if copy.catalog.is_empty() {
        return false;
    }
    match codec::decode::<Catalog>(&copy.catalog) {
        Ok(catalog) => match cache.offer(catalog) {
            Ok(newer) => newer,
            Err(error) => {
                tracing::error!(%error, "a node has another cluster's catalog");
                false
            }
        },
        Err(error) => {
            tracing::error!(%error, "a node's catalog cannot be read");
            false
        }
    }
}
