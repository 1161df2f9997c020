//! The node's own copy of the catalog, on disk: a node that starts while the meta group is down
//! serves what it knew last, and hands it on.

use dnc_consensus::Store;
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_meta::CatalogCache;
use tokio_util::sync::CancellationToken;

use crate::Error;

const CATALOG: &[u8] = b"node/catalog";

/// Puts the copy of an earlier start into the cache.
pub fn recall(store: &Store, cache: &CatalogCache) -> Result<(), Error> {
    if let Some(bytes) = store.local_get(CATALOG)? {
        let catalog: Catalog = codec::decode(&bytes)?;
        cache.offer(catalog).map_err(|error| Error::OtherCluster(error.to_string()))?;
    }
    Ok(())
}

/// Writes every newer catalog down, for as long as the node runs.
pub async fn keep(store: Store, cache: CatalogCache, stop: CancellationToken) {
    let mut changed = cache.subscribe();
    loop {
        let known = cache.get();
        if known.catalog.revision > 0 {
            let (store, bytes) = (store.clone(), codec::encode(&known.catalog));
            let written = tokio::task::spawn_blocking(move || store.local_put_sync(CATALOG, &bytes)).await;
            if let Ok(Err(error)) = written {
                tracing::error!(%error, "write the catalog's copy");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            more = changed.changed() => if more.is_err() { return },
        }
    }
}
