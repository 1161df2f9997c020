//! Starts a router and stops it: catalog, way to the shards, the two APIs, and a bounded end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dnc_meta::{CatalogCache, MetaClient};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::api::state::State;
use crate::api::{grpc, rest};
use crate::cluster::can_answer;
use crate::options::{BadOptions, Options};
use crate::route::{Reading, Route, gossip};
use crate::secrets::{BadKey, Secrets};
use crate::serve::{serve_grpc, serve_http};
use crate::{rules, sweep, sync, telemetry};

/// Time for what is under way to end when the router stops.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Time for what was counted to be written when the router stops.
const LAST_COUNTS: Duration = Duration::from_secs(2);

/// Where a router listens.
#[derive(Debug)]
pub struct Listeners {
    /// For gRPC.
    pub grpc: std::net::TcpListener,
    /// For REST, metrics and probes.
    pub http: std::net::TcpListener,
}

/// Why a router ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings make no router.
    #[error("read the router's settings")]
    Options(#[from] BadOptions),
    /// The key that providers' keys are encrypted with cannot be read.
    #[error("read the key that providers' keys are encrypted with")]
    Secrets(#[from] BadKey),
    /// The folder for the files of imports cannot be made.
    #[error("make the spool folder {}", .0.display())]
    Spool(PathBuf, #[source] io::Error),
    /// A listener cannot be used.
    #[error("listen for {0}")]
    Listen(&'static str, #[source] io::Error),
    /// The descriptors for gRPC reflection cannot be read.
    #[error("describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A server failed.
    #[error("serve {0}")]
    Serve(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs a router until `stop`, or until one of its servers fails.
///
/// `ready` becomes true when the router knows the catalog and the shards are placed; from then on it
/// answers. `metrics` writes the process's metrics. Once stopped it takes no new requests and ends
/// within seven seconds, whatever is under way.
pub fn run(
    options: Options,
    listeners: Listeners,
    metrics: rest::Metrics,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed, so that the code of all that this does is made in this crate, once, and not in each that calls it.
    Box::pin(run_on(options, listeners, metrics, ready, stop))
}

async fn run_on(
    options: Options,
    listeners: Listeners,
    metrics: rest::Metrics,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) -> Result<(), Error> {
    options.check()?;
    let secrets = Secrets::load(&options.secret_key_file)?;
    std::fs::create_dir_all(&options.spool_dir).map_err(|why| Error::Spool(options.spool_dir.clone(), why))?;
    telemetry::describe();
    let grpc_listener = listener(listeners.grpc).map_err(|why| Error::Listen("gRPC", why))?;
    let http_listener = listener(listeners.http).map_err(|why| Error::Listen("HTTP", why))?;

    let serving = CancellationToken::new();
    let cache = CatalogCache::new();
    let meta = MetaClient::new(options.meta.clone());
    let route = {
        let reading = Reading { hedge: Duration::from_millis(options.hedge_ms), leases: options.lease_reads };
        Route::new(meta.clone(), cache.clone(), reading)
    };
    let seeds = options.nodes.clone();
    let head = options.header_read();
    let state = State::new(route.clone(), Arc::new(options), serving.clone()).with_secrets(secrets);
    let address = grpc_listener.local_addr().map_or_else(|_| "unnamed".into(), |address| address.to_string());
    let state = state.on_router(&address);
    let (services, health) = grpc::routes(&state)?;

    let mut background = JoinSet::new();
    background.spawn(dnc_meta::follow(meta, cache.clone(), serving.clone()));
    background.spawn(gossip::seed(cache.clone(), seeds, serving.clone()));
    background.spawn(sweep::run(route.clone(), serving.clone()));
    background.spawn(state.counting.clone().run(route.clone(), serving.clone()));
    background.spawn(rules::count(cache.clone(), serving.clone()));
    background.spawn(state.imports.clone().keep_pruning(serving.clone()));
    background.spawn(state.syncs.clone().follow_schedules());
    background.spawn(sync::tell_ages(state.cluster.clone(), serving.clone()));
    background.spawn(tell_ready(cache, ready, health, serving.clone()));

    let mut servers = JoinSet::new();
    servers.spawn(serve_grpc(grpc_listener, services, state.admission.clone(), serving.clone()));
    let app = rest::router(state.clone(), metrics);
    servers.spawn(serve_http(http_listener, app, state.admission.clone(), head, serving.clone()));

    let failed = tokio::select! {
        () = stop.cancelled() => None,
        Some(ended) = servers.join_next() => Some(ended),
    };
    info!("router stops");
    let deadline = Instant::now() + SHUTDOWN;
    serving.cancel();
    state.imports.finish(deadline).await;
    state.syncs.finish(deadline).await;
    let ended = async {
        while servers.join_next().await.is_some() {}
        while background.join_next().await.is_some() {}
    };
    if tokio::time::timeout_at(deadline, ended).await.is_err() {
        warn!(limit = ?SHUTDOWN, "requests were under way at the end");
    }
    if !state.counting.write(&route, Instant::now() + LAST_COUNTS).await {
        warn!("what was counted last could not be written");
    }
    match failed {
        Some(Ok(outcome)) => outcome,
        Some(Err(why)) => Err(Error::Serve("requests", why.into())),
        None => Ok(()),
    }
}

fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Tells whoever started the router, and health, once it can answer; and health when it stops.
async fn tell_ready(cache: CatalogCache, ready: watch::Sender<bool>, health: HealthReporter, stop: CancellationToken) {
    grpc::report(&health, false).await;
    let mut revisions = cache.subscribe();
    loop {
        revisions.borrow_and_update();
        if can_answer(&cache.get().catalog) {
            break;
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
    grpc::report(&health, true).await;
    ready.send_replace(true);
    info!(revision = cache.get().catalog.revision, "router answers");
    stop.cancelled().await;
    ready.send_replace(false);
    grpc::report(&health, false).await;
}
