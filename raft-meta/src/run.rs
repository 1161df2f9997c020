//! The life of a voter.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{Group, GroupId, Host, NodeId, Peers, Role, Store, StoreOptions};
use dnc_core::catalog::Founding;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::{info, warn};

use crate::board::Board;
use crate::bootstrap::{self, Bootstrap, BootstrapError, Identity, ask};
use crate::carry_out;
use crate::error::Error;
use crate::machine::CatalogMachine;
use crate::nodes;
use crate::options::{Options, Voter};
use crate::reconcile::{self, Seat};
use crate::service::Service;

/// Whether the replica lives and whether a leader is known is looked at this often.
const TICK: Duration = Duration::from_millis(100);
/// Time for another voter to take the leadership over.
const HAND_OVER: Duration = Duration::from_secs(1);
/// Time for calls in progress to end when the voter stops.
const DRAIN: Duration = Duration::from_secs(2);
/// Time for the group to stop after that.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// Calls in progress on one connection.
const MAX_STREAMS: u32 = 1_024;
/// A silent connection is asked this often whether it lives, and has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Where a voter listens. Bound by the caller, who may want to know the ports.
#[derive(Debug)]
pub struct Listeners {
    /// For nodes, routers, and the other voters' bootstrap.
    pub service: TcpListener,
    /// For the other voters' Raft.
    pub raft: TcpListener,
}

/// Where the other voters' Raft listens.
struct VoterAddresses(Vec<Voter>);

/// What the parts of a voter's life share.
struct Voting<'a> {
    options: &'a Options,
    service: &'a Service,
    ready: &'a watch::Sender<bool>,
    /// Cancelled when the voter is to stop.
    stop: &'a CancellationToken,
    /// Cancelled by whoever notices first that the voter ends; after the leadership was handed over.
    ending: &'a CancellationToken,
}

type Serving = JoinHandle<Result<(), tonic::transport::Error>>;

/// Runs a voter until `stop`, or until it cannot go on. `ready` becomes true when a leader is known
/// and the cluster is founded, and false again when the voter is to stop. Then it hands the leadership over, if it has it.
/// Returns at most five seconds after `stop`.
pub fn run(
    options: Options,
    listeners: Listeners,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed, so that the code of all that this does is made in this crate, once, and not in each that calls it.
    Box::pin(run_on(options, listeners, ready, stop))
}

async fn run_on(
    options: Options,
    listeners: Listeners,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) -> Result<(), Error> {
    options.check()?;
    let (store, me, kept) = open(&options).await?;
    // Ends all that is started from here on, also when the caller drops this future.
    let ending = CancellationToken::new();
    let _end = ending.clone().drop_guard();
    let service = Service::new(me, options.voters.clone(), ending.clone());
    let serving = serve(listeners.service, &service, ending.clone())?;
    let voter = Voting { options: &options, service: &service, ready: &ready, stop: &stop, ending: &ending };
    let lived = voter.live(store, me, kept, listeners.raft).await;
    ready.send_replace(false);
    ending.cancel();
    let served = drain(serving).await;
    lived.and(served)
}

/// Opens the data folder: who this voter is, and what was agreed at an earlier start.
async fn open(options: &Options) -> Result<(Store, Identity, Option<Bootstrap>), Error> {
    let (id, data_dir) = (options.id, options.data_dir.clone());
    spawn_blocking(move || {
        let store = Store::open(&data_dir, StoreOptions::default())?;
        let me = bootstrap::identity(&store, id).map_err(BootstrapError::from)?;
        let kept = bootstrap::kept(&store).map_err(BootstrapError::from)?;
        Ok((store, me, kept))
    })
    .await?
}

/// Serves callers and peers; at first it answers no more than who this voter is.
fn serve(listener: TcpListener, service: &Service, ending: CancellationToken) -> Result<Serving, Error> {
    let listen = |source| Error::Listen { what: "the meta service", source };
    listener.set_nonblocking(true).map_err(listen)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(listen)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(service.server());
    Ok(tokio::spawn(async move {
        // A voter that nobody can reach must not go on as if it were well.
        let _end = ending.clone().drop_guard();
        router.serve_with_incoming_shutdown(incoming, ending.cancelled()).await
    }))
}

/// Lets calls in progress end, for a while.
async fn drain(mut serving: Serving) -> Result<(), Error> {
    match timeout(DRAIN, &mut serving).await {
        Ok(served) => served?.map_err(Error::Serve),
        Err(_) => {
            warn!("calls to the meta service did not end in time, they are cut off");
            serving.abort();
            Ok(())
        }
    }
}

// === impl Voting ===

impl Voting<'_> {
    /// Joins the meta group, takes part in it until the end, and leaves it in order.
    async fn live(&self, store: Store, me: Identity, kept: Option<Bootstrap>, raft: TcpListener) -> Result<(), Error> {
        let joining = self.stop.run_until_cancelled(self.join(&store, me, kept));
        let Some(Some(joined)) = self.ending.run_until_cancelled(joining).await else {
            return Ok(());
        };
        let bootstrap = joined?;
        self.service.bootstrapped(bootstrap.clone());
        let host = Host::new(
            store,
            bootstrap.cluster_id(),
            self.options.id,
            Arc::new(VoterAddresses(self.options.voters.clone())),
            self.options.raft.clone(),
        )?;
        let part = self.take_part(&host, raft, &bootstrap);
        let lived = tokio::select! {
            lived = self.ending.run_until_cancelled(part) => lived,
            () = self.leave(&host) => None,
        };
        // The service drains while the group stops.
        self.ending.cancel();
        host.shutdown(SHUTDOWN).await;
        lived.unwrap_or(Ok(()))
    }

    /// Waits until the voter is to stop, says that it is not ready any more, and hands the leadership over.
    async fn leave(&self, host: &Host) {
        self.stop.cancelled().await;
        self.ready.send_replace(false);
        if let Some(group) = host.group(GroupId::META).filter(Group::is_leader) {
            let taken_over = group.hand_over(HAND_OVER).await;
            info!(voter = self.options.id, taken_over, "the leadership of the meta group was handed over");
        }
    }

    /// Finds out which cluster this voter belongs to; on disk when it returns.
    async fn join(&self, store: &Store, me: Identity, kept: Option<Bootstrap>) -> Result<Bootstrap, BootstrapError> {
        let configured: BTreeSet<u64> = self.options.voters.iter().map(|v| v.id).collect();
        if let Some(bootstrap) = kept {
            bootstrap::check(me, &configured, &bootstrap)?;
            return Ok(bootstrap);
        }
        let bootstrap = ask::settle(me, &self.options.voters).await?;
        bootstrap::keep(store, &bootstrap)?;
        Ok(bootstrap)
    }

    /// Returns only if something breaks.
    async fn take_part(&self, host: &Host, raft: TcpListener, bootstrap: &Bootstrap) -> Result<(), Error> {
        let board = Arc::new(Board::new(self.options.id));
        let machine = Arc::new(CatalogMachine::new(Arc::clone(&board)));
        let group = host.start_group(GroupId::META, machine).await?;
        info!(voter = self.options.id, cluster = %bootstrap.cluster_id(), "taking part in the meta group");
        let founding = Founding {
            cluster: bootstrap.cluster,
            log_key: rand::random(),
            shards: self.options.shards,
            replication: self.options.replication,
            initial_nodes: self.options.initial_nodes,
        };
        let work = async {
            // Every voter does, with the same list, so it does not matter who is first.
            group.initialize(bootstrap.ids()).await.map_err(Error::Initialize)?;
            self.service.open(group.clone(), Arc::clone(&board));
            let seat = Seat { group: &group, board: &board };
            let (dial, care) = (nodes::tcp(), self.options.care());
            tokio::join!(reconcile::run(&group, &board, &founding), carry_out::run(&seat, &dial, care));
            Ok(())
        };
        tokio::select! {
            served = host.serve(raft) => Ok(served?),
            worked = work => worked,
            stopped = self.watch_over(&group, &board) => Err(stopped),
        }
    }

    /// Says when the voter is ready; returns when its replica has given up.
    async fn watch_over(&self, group: &Group, board: &Board) -> Error {
        loop {
            let status = group.status();
            if status.role == Role::Stopped {
                let why = status.failure.unwrap_or_else(|| "it was shut down".to_owned());
                return Error::ReplicaStopped(why);
            }
            if !self.stop.is_cancelled()
                && !*self.ready.borrow()
                && status.leader.is_some()
                && board.catalog().founding.is_some()
            {
                info!(voter = self.options.id, leader = status.leader, "the meta voter is ready");
                self.ready.send_replace(true);
            }
            sleep(TICK).await;
        }
    }
}

// === impl VoterAddresses ===

impl Peers for VoterAddresses {
    fn address(&self, node: NodeId) -> Option<String> {
        self.0.iter().find(|voter| voter.id == node).map(|voter| voter.raft.clone())
    }
}
