//! The catalog travels with the checks: whoever is behind gets the newer one from the one ahead.

use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::ids::NodeId;
use dnc_meta::{CatalogCache, Known};
use dnc_proto::internal as wire;
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Route, nodes};

/// How long one exchange with a node may take.
const ATTEMPT: Duration = Duration::from_millis(300);
/// Pause between rounds.
const PAUSE: Duration = Duration::from_millis(20);
/// Nodes that one check asks at a time.
const PULLS_AT_ONCE: usize = 3;
/// Checks that ask nodes at a time.
pub(super) const CHECKS_AT_ONCE: usize = 4;
/// How often seeds are asked while the catalog is not known at all.
const SEED_PAUSE: Duration = Duration::from_millis(500);

// === impl Route ===

impl Route {
    /// Gets a catalog of at least this revision, from any node or from the meta group by way of the cache, whichever is
    /// faster; `first` is the node that named it. Gives up at the deadline.
    pub(super) async fn catch_up(&self, revision: u64, first: Option<NodeId>, deadline: Instant) {
        let limit = deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            biased;
            _ = self.cache().wait_for(limit, |catalog| catalog.revision >= revision) => {}
            () = self.pull_on(first) => {}
        }
    }

    /// Asks nodes for a newer catalog, again and again; ends only by being dropped.
    async fn pull_on(&self, first: Option<NodeId>) {
        let _turn = self.inner.pulls.acquire().await;
        loop {
            let known = self.known();
            let order = self.inner.nodes.order(&known.catalog, first);
            futures::stream::iter(order)
                .map(|node| self.pull(node, &known))
                .buffer_unordered(PULLS_AT_ONCE)
                .for_each(async |()| {})
                .await;
            sleep(PAUSE).await;
        }
    }

    /// Asks one node for a newer catalog.
    async fn pull(&self, node: NodeId, known: &Known) {
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return;
        };
        let message = wire::GetCatalogRequest { newer_than: known.catalog.revision };
        let request = nodes::request(&known.catalog, node, message, ATTEMPT);
        if let Ok(Ok(copy)) = timeout(ATTEMPT, client.get_catalog(request)).await {
            take(self.cache(), copy.into_inner());
        }
    }

    /// Gives a node that is behind this router's catalog, without waiting for it; unless it is being given one.
    pub(super) fn offer_soon(&self, node: NodeId, known: &Known) {
        let Ok(mut client) = self.inner.nodes.client(&known.catalog, node) else {
            return;
        };
        let Some(offer) = self.inner.nodes.offer(node) else {
            return;
        };
        let message = wire::CatalogCopy { revision: known.catalog.revision, catalog: self.encoded(known) };
        let request = nodes::request(&known.catalog, node, message, ATTEMPT);
        tokio::spawn(async move {
            let _offer = offer;
            match timeout(ATTEMPT, client.offer_catalog(request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(node, %error, "offer the catalog"),
                Err(_) => tracing::debug!(node, "offer the catalog: no answer"),
            }
        });
    }

    /// The catalog, encoded once for each revision.
    fn encoded(&self, known: &Known) -> Vec<u8> {
        let mut encoded = self.inner.encoded.lock();
        let revision = known.catalog.revision;
        if encoded.0 == revision {
            return encoded.1.clone();
        }
        let bytes = codec::encode(&known.catalog);
        if encoded.0 < revision {
            *encoded = (revision, bytes.clone());
        }
        bytes
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
