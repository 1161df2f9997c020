//! Starts a router and stops it: catalog, way to the shards, the two APIs, and a bounded end.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use dnc_meta::{CatalogCache, MetaClient};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use crate::api::state::State;
use crate::api::{grpc, rest};
use crate::cluster::can_answer;
use crate::options::{BadOptions, Options};
use crate::route::{Route, gossip};
use crate::secrets::{BadKey, Secrets};
use crate::{rules, sync, telemetry};

/// Time for what is under way to end when the router stops.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How often an idle gRPC connection is asked whether it lives, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Calls that one gRPC connection may have open.
const MAX_STREAMS: u32 = 1_024;
/// What may be under way to the router on one gRPC stream, and on one connection, bytes.
const STREAM_BYTES: u32 = 1 << 20;
const CONNECTION_BYTES: u32 = 8 << 20;

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
/// within five seconds, whatever is under way.
pub async fn run(
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
    let route = Route::new(meta.clone(), cache.clone(), Duration::from_millis(options.hedge_ms));
    let seeds = options.nodes.clone();
    let state = State::new(route, Arc::new(options), serving.clone()).with_secrets(secrets);
    let address = grpc_listener.local_addr().map_or_else(|_| "unnamed".into(), |address| address.to_string());
    let state = state.on_router(&address);
    let (services, health) = grpc::routes(&state)?;

    let mut background = JoinSet::new();
    background.spawn(dnc_meta::follow(meta, cache.clone(), serving.clone()));
    background.spawn(gossip::seed(cache.clone(), seeds, serving.clone()));
    background.spawn(rules::count(cache.clone(), serving.clone()));
    background.spawn(state.syncs.clone().follow_schedules());
    background.spawn(sync::tell_ages(state.cluster.clone(), serving.clone()));
    background.spawn(tell_ready(cache, ready, health, serving.clone()));

    let mut servers = JoinSet::new();
    servers.spawn(serve_grpc(grpc_listener, services, serving.clone()));
    let app = rest::router(state.clone(), metrics);
    servers.spawn(serve_http(http_listener, app, serving.clone()));

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

/// Serves gRPC until `stop`.
pub(crate) fn serve_grpc(
    listener: TcpListener,
    services: tonic::service::Routes,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Error>> + Send {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
        .add_routes(services)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    async { served.await.map_err(|why| Error::Serve("gRPC", why.into())) }
}

async fn serve_http(listener: TcpListener, app: axum::Router, stop: CancellationToken) -> Result<(), Error> {
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "set TCP_NODELAY");
        }
    });
    axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(|why| Error::Serve("HTTP", why.into()))
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
