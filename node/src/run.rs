//! A node from start to stop.

use std::collections::HashMap;
use std::time::Duration;

use dnc_consensus::{ClusterId, Host, Store, StoreOptions};
use dnc_meta::{CatalogCache, MetaClient};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::identity::{self, Identity};
use crate::peers::CatalogPeers;
use crate::{Error, Hosting, Listeners, Options, catalog_copy, gauges, service};

/// How long stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What runs beside the servers. None of it ends before the node stops.
struct Tasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
}

/// Runs a node until it is told to stop. `ready` becomes true once all its replicas answer, or all but
/// some that could not be started repeatedly.
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

    // Whatever ends first ends the rest. It is not cancelled with the caller's: leaderships are handed over before.
    let (asked_to_stop, stop) = (stop, CancellationToken::new());
    let _guard = stop.clone().drop_guard();
    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("following the catalog", dnc_meta::follow(meta.clone(), cache.clone(), stop.clone()));
    let identity = match remembered {
        Some(identity) => identity,
        None => tokio::select! {
            joined = identity::join(&store, &options, &meta, &cache, &asked_to_stop) => joined?,
            error = tasks.ended() => return Err(error),
        },
    };
    tracing::info!(node = identity.node, cluster = %ClusterId(identity.cluster), "this node");

    let host = Host::new(
        store.clone(),
        ClusterId(identity.cluster),
        identity.node,
        std::sync::Arc::new(CatalogPeers(cache.clone())),
        options.raft.clone(),
    )?;
    let hosting = Hosting::default();
    let leaving = leave(&asked_to_stop, &stop, &ready, &hosting);
    let serving =
        serve(&options, listeners, ready.clone(), &stop, store, identity, meta, cache, &host, hosting.clone(), tasks);
    let (outcome, ()) = tokio::join!(async { ending(&stop, serving.await) }, leaving);
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
    hosting: Hosting,
    mut tasks: Tasks,
) -> Result<(), Error> {
    let raft = host.serve(listeners.raft);
    tasks.spawn("keeping the catalog's copy", catalog_copy::keep(store.clone(), cache.clone(), stop.clone()));
    tasks.spawn(
        "hosting replicas",
        hosting.clone().follow(host.clone(), identity.node, cache.clone(), ready, stop.clone()),
    );
    tasks.spawn("setting gauges", gauges::keep(identity.node, hosting.clone(), cache.clone(), stop.clone()));
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
            Err(error) if error.is_panic() => Error::Ended { what: "announcing this node", why: error.to_string() },
            // The meta group knows where we are, or we are stopping: nothing more to wait for.
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = served => served,
        raft = raft => raft.map_err(Error::from),
        error = refused => Err(error),
        error = tasks.ended() => Err(error),
    }
}

/// Ends everything else too.
fn ending<T>(stop: &CancellationToken, outcome: T) -> T {
    stop.cancel();
    outcome
}

/// Waits until the node is to stop, says that it is not ready any more, hands its leaderships over, and stops the rest.
async fn leave(
    asked_to_stop: &CancellationToken,
    stop: &CancellationToken,
    ready: &watch::Sender<bool>,
    hosting: &Hosting,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = asked_to_stop.cancelled() => {}
    }
    ready.send_replace(false);
    hosting.hand_over().await;
    stop.cancel();
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

// === impl Tasks ===

impl Tasks {
    fn new(stop: CancellationToken) -> Tasks {
        Tasks { tasks: JoinSet::new(), names: HashMap::new(), stop }
    }

    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Returns when one has ended although the node is not told to stop: without it the node would be half alive.
    async fn ended(&mut self) -> Error {
        let ended = self.tasks.join_next_with_id().await;
        let (id, why) = match ended {
            Some(Ok((id, ()))) if !self.stop.is_cancelled() => (id, "it returned".to_owned()),
            Some(Err(error)) => (error.id(), error.to_string()),
            Some(Ok(_)) | None => return std::future::pending().await,
        };
        Error::Ended { what: self.names.get(&id).copied().unwrap_or_default(), why }
    }
}
