//! A node from start to stop.

use std::time::Duration;

use dnc_consensus::{ClusterId, Host, Store, StoreOptions};
use dnc_meta::{CatalogCache, MetaClient};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::identity::{self, Identity};
use crate::peers::CatalogPeers;
use crate::{Error, Hosting, Listeners, Options, catalog_copy, gauges, service};

/// How long stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Runs a node until it is told to stop. `ready` becomes true once all its replicas answer.
pub async fn run(
    options: Options,
    listeners: Listeners,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) -> Result<(), Error> {
    check(&options)?;
    let store = Store::open(&options.data_dir, StoreOptions::default())?;
    let cache = CatalogCache::new();
    let meta = MetaClient::new(options.meta.clone());
    catalog_copy::recall(&store, &cache)?;
    let remembered = identity::remembered(&store)?;
    if let Some(identity) = remembered {
        meta.set_cluster(identity.cluster);
    }

    // Whatever ends first ends the rest.
    let stop = stop.child_token();
    let _guard = stop.clone().drop_guard();
    tokio::spawn(dnc_meta::follow(meta.clone(), cache.clone(), stop.clone()));
    let identity = match remembered {
        Some(identity) => identity,
        None => identity::join(&store, &options, &meta, &cache, &stop).await?,
    };
    tracing::info!(node = identity.node, cluster = %ClusterId(identity.cluster), "this node");

    let host = Host::new(
        store.clone(),
        ClusterId(identity.cluster),
        identity.node,
        std::sync::Arc::new(CatalogPeers(cache.clone())),
        options.raft.clone(),
    )?;
    let outcome = serve(&options, listeners, ready, &stop, store, identity, meta, cache, &host).await;
    stop.cancel();
    host.shutdown(STOP_LIMIT).await;
    outcome
}

#[allow(clippy::too_many_arguments)] // The parts of one process, wired together once.
async fn serve(
    options: &Options,
    listeners: Listeners,
    ready: watch::Sender<bool>,
    stop: &CancellationToken,
    store: Store,
    identity: Identity,
    meta: MetaClient,
    cache: CatalogCache,
    host: &Host,
) -> Result<(), Error> {
    let raft = host.serve(listeners.raft);
    let hosting = Hosting::default();
    tokio::spawn(catalog_copy::keep(store.clone(), cache.clone(), stop.clone()));
    tokio::spawn(hosting.clone().follow(host.clone(), identity.node, cache.clone(), ready, stop.clone()));
    tokio::spawn(gauges::keep(identity.node, hosting.clone(), cache.clone(), stop.clone()));
    let announced = tokio::spawn(identity::announce(store, options.clone(), identity, meta, stop.clone()));
    let served = service::serve(
        listeners.service,
        service::Service::new(identity, hosting, cache),
        options.max_in_flight,
        stop.clone(),
    );
    let refused = async {
        match announced.await {
            Ok(Err(error)) => error,
            // The meta group knows where we are, or we are stopping: nothing more to wait for.
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = served => served,
        raft = raft => raft.map_err(Error::from),
        error = refused => Err(error),
    }
}

fn check(options: &Options) -> Result<(), Error> {
    let missing = [
        ("advertise", options.advertise.is_empty()),
        ("advertise_raft", options.advertise_raft.is_empty()),
        ("meta", options.meta.is_empty()),
    ];
    match missing.iter().find(|(_, missing)| *missing) {
        Some((name, _)) => Err(Error::Options(format!("a node needs the setting {name}"))),
        None => Ok(()),
    }
}
