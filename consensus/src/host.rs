//! All groups of a process: their runtime, their listener, their connections.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::{HostOptions, MESSAGE_BYTES_MAX};
use crate::error::HostError;
use crate::group::{Group, Groups};
use crate::housekeeping;
use crate::lease::{Lease, Moment};
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::network::client::ClientFactory;
use crate::network::pool::{CONNECTION_WINDOW_BYTES, Peers, Pool, STREAM_WINDOW_BYTES};
use crate::network::service::Service;
use crate::network::wire::raft_server::RaftServer;
use crate::raft_types::Raft;
use crate::replica::Replica;
use crate::state_machine::StateMachine;
use crate::store::{Hold, Store};
use crate::types::{ClusterId, GroupId, NodeId};

/// Runs the groups of a process, on threads of its own: whatever else the process does must not
/// delay a heartbeat. Cheap to clone; all clones are the same host.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    pool: Arc<Pool>,
    groups: Arc<Groups>,
    /// True once the host stops.
    stopping: watch::Sender<bool>,
    handle: Handle,
    /// Taken by whoever shuts the host down.
    runtime: Mutex<Option<Runtime>>,
}

/// Streams on one connection: far more than a process has groups.
const STREAMS_MAX: u32 = 65_536;

// === impl Host ===

impl Host {
    /// A host without groups, that listens to nobody yet.
    pub fn new(
        store: Store,
        cluster: ClusterId,
        node: NodeId,
        peers: Arc<dyn Peers>,
        options: HostOptions,
    ) -> Result<Self, HostError> {
        options.validate()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.worker_threads)
            .thread_name("raft")
            .enable_all()
            .build()
            .map_err(HostError::Runtime)?;
        let groups = Arc::new(Groups::default());
        runtime.spawn(housekeeping::run(groups.clone(), options.clone()));
        let inner = Inner {
            store,
            pool: Arc::new(Pool::new(cluster, node, options, peers)),
            groups,
            stopping: watch::Sender::new(false),
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of this process.
    pub fn node(&self) -> NodeId {
        self.inner.pool.me
    }

    /// The cluster that this process belongs to.
    pub fn cluster(&self) -> ClusterId {
        self.inner.pool.cluster
    }

    /// The store of this process.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Sets how fast snapshots, and the log for learners, may leave this process: bytes a second, all together; 0 for as fast
    /// as can be. A rate below 512 KiB counts as that: a transfer would be taken for stuck.
    pub fn throttle_snapshots(&self, rate: u64) {
        self.inner.pool.throttle.set(rate);
    }

    /// Serves the other replicas on this listener until the host is shut down. Dropping the future
    /// does not stop it.
    pub async fn serve(&self, listener: TcpListener) -> Result<(), HostError> {
        let Inner { pool, groups, stopping, .. } = &*self.inner;
        let options = pool.options.clone();
        let service = Service::new(pool.cluster, pool.me, groups.clone(), &options);
        let mut stop = stopping.subscribe();
        self.on_runtime(async move {
            let serve = |error: Box<dyn std::error::Error + Send + Sync>| HostError::Serve(error);
            listener.set_nonblocking(true).map_err(|error| serve(error.into()))?;
            let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| serve(error.into()))?;
            let keepalive = Duration::from_millis(options.keepalive_ms);
            let server = Server::builder()
                .http2_keepalive_interval(Some(keepalive))
                .http2_keepalive_timeout(Some(keepalive))
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                // Each group holds one stream open for as long as its leader leads.
                .max_concurrent_streams(Some(STREAMS_MAX))
                .add_service(
                    RaftServer::new(service)
                        .max_decoding_message_size(MESSAGE_BYTES_MAX)
                        .max_encoding_message_size(MESSAGE_BYTES_MAX),
                )
                .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
            // Streams end with the runtime: they would stay open as long as their leaders live.
            tokio::select! {
                served = server => served.map_err(|error| serve(error.into())),
                _ = stop.wait_for(|stopping| *stopping) => Ok(()),
            }
        })
        .await
    }

    /// Brings a group of this process to life. When it returns, the machine has loaded its state and
    /// knows every entry of its log, and the replica takes part in everything but elections, which
    /// it must leave out for one lease.
    pub async fn start_group(&self, id: GroupId, machine: Arc<dyn Machine>) -> Result<Group, HostError> {
        if id.0 == u64::MAX {
            return Err(HostError::Options("a group's id is below u64::MAX".to_owned()));
        }
        let Inner { store, pool, groups, handle, .. } = &*self.inner;
        let (store, pool, groups, handle) = (store.clone(), pool.clone(), groups.clone(), handle.clone());
        self.on_runtime(async move {
            let start = start_replica(store, pool, handle, id, machine);
            groups.start(id, start).await
        })
        .await
    }

    /// Stops a group, for instance because its replica was removed from it. Its data stays.
    pub async fn stop_group(&self, id: GroupId) -> Result<(), HostError> {
        let groups = self.inner.groups.clone();
        self.on_runtime(async move { groups.stop(id).await }).await
    }

    /// Stops a group if it runs, and deletes its log and its state; what it promised stays. Returns when that is on disk.
    ///
    /// [`HostError::Busy`] while it is still starting or stopping: then nothing is deleted, and the caller asks again.
    /// Whoever reads the state must have been kept from it before.
    pub async fn discard_group(&self, id: GroupId) -> Result<(), HostError> {
        let Inner { store, groups, .. } = &*self.inner;
        let (store, groups) = (store.clone(), groups.clone());
        self.on_runtime(async move {
            match groups.stop(id).await {
                Ok(()) | Err(HostError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
            let discard = async {
                match tokio::task::spawn_blocking(move || store.discard(id)).await {
                    Ok(discarded) => discarded.map_err(|source| HostError::Store { group: id, source }),
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => Err(HostError::Stopped),
                }
            };
            groups.while_away(id, discard).await
        })
        .await
    }

    /// Has the replica of a group that does not run here go on as this generation of it: `alone`, with all that it holds and
    /// as the only voter, if the group was recovered from it; with nothing, if it was recovered from another one. Changes
    /// nothing if it is of this generation or a newer one already. On disk when it returns.
    pub async fn enter_generation(&self, id: GroupId, generation: u64, alone: bool) -> Result<(), HostError> {
        let Inner { store, pool, groups, .. } = &*self.inner;
        let (store, me, groups) = (store.clone(), pool.me, groups.clone());
        self.on_runtime(async move {
            // Begun only once its place is taken: nothing of the group runs meanwhile.
            let enter = async {
                let entered = tokio::task::spawn_blocking(move || {
                    if store.generation(id)? >= generation {
                        return Ok(());
                    }
                    if alone {
                        let at = store.recover(id, me, generation)?;
                        tracing::warn!(group = id.0, generation, %at, "the group goes on from this replica alone");
                        return Ok(());
                    }
                    tracing::warn!(
                        group = id.0,
                        generation,
                        "the group went on without this replica, which begins with nothing"
                    );
                    Ok(store.begin_generation(id, generation)?)
                });
                entered.await.map_err(|_| HostError::Stopped)?.map_err(HostError::Recover)
            };
            groups.while_away(id, enter).await
        })
        .await
    }

    /// A group that runs here.
    pub fn group(&self, id: GroupId) -> Option<Group> {
        self.inner.groups.get(id)
    }

    /// Takes no new writes from here on, and leads no group that another voter can lead: no replica here campaigns. Or,
    /// with `None`, all is as usual again. Said again, it reaches what was just starting when it was said before.
    pub fn set_hold(&self, hold: Option<Hold>) {
        self.inner.store.set_hold(hold);
        for group in self.groups() {
            group.set_campaigning();
        }
    }

    /// All groups that run here, by id.
    pub fn groups(&self) -> Vec<Group> {
        self.inner.groups.all()
    }

    /// Stops everything, in `limit` at most: no thread and no task of the host runs after it. A
    /// second call does nothing.
    pub async fn shutdown(&self, limit: Duration) {
        self.inner.stopping.send_replace(true);
        let Some(runtime) = self.inner.runtime.lock().take() else { return };
        let groups = self.inner.groups.clone();
        let (done_tx, done) = tokio::sync::oneshot::channel();
        // Waiting for threads blocks, so it has a thread of its own, and goes on if the caller does not.
        let waiter = std::thread::spawn(move || {
            stop(runtime, &groups, limit);
            done_tx.send(()).ok();
        });
        // It always reports, because its waiting has a limit.
        done.await.ok();
        waiter.join().ok();
    }

    /// Runs on the threads of the groups, to the end even if the caller goes away.
    async fn on_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, HostError>> + Send + 'static,
    ) -> Result<T, HostError> {
        if *self.inner.stopping.borrow() {
            return Err(HostError::Stopped);
        }
        match self.inner.handle.spawn(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(HostError::Stopped),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed everywhere.
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

/// Stops all groups in order, then whatever is left of the runtime.
fn stop(runtime: Runtime, groups: &Groups, limit: Duration) {
    let deadline = Instant::now() + limit;
    let running = groups.all();
    let stopped = runtime.block_on(async {
        let all = futures::future::join_all(running.iter().map(Group::stop));
        tokio::time::timeout(limit * 3 / 4, all).await
    });
    if stopped.is_err() {
        tracing::warn!("some groups did not stop in time, they are cut off");
    }
    drop(running);
    groups.clear();
    runtime.shutdown_timeout(deadline.saturating_duration_since(Instant::now()));
}

async fn start_replica(
    store: Store,
    pool: Arc<Pool>,
    handle: Handle,
    group: GroupId,
    machine: Arc<dyn Machine>,
) -> Result<Group, HostError> {
    // Before anything of this replica can be heard by others.
    let ready_at = Instant::now() + pool.options.lease();
    let name = format!("{}/{group}", pool.cluster);
    let config = Arc::new(pool.options.raft_config(name)?);
    let opened = tokio::task::spawn_blocking(move || {
        // An earlier life in this process may have written what is not on disk yet, and Raft takes what it finds for
        // kept. Where a sync has failed, nothing is promised any more (see `Store::hold`), and only reads go on.
        if store.wal().wait_blocking().is_err() {
            tracing::warn!(%group, "the replica starts on a disk that has failed: it answers, and promises nothing");
        }
        let replica = Replica::open(store, group, machine)?;
        let (state_machine, applier) =
            StateMachine::open(replica.clone()).map_err(|source| HostError::Store { group, source })?;
        Ok((replica, state_machine, applier))
    });
    let (replica, state_machine, applier) = match opened.await {
        Ok(opened) => opened?,
        Err(error) if error.is_panic() => {
            return Err(HostError::Raft { group, reason: "the machine panicked while it loaded".to_owned() });
        }
        Err(_) => return Err(HostError::Stopped),
    };
    let log_store = LogStore::new(replica.clone());
    let (me, owed) = (pool.me, pool.options.owed());
    let lease = Arc::new(Lease::new(owed, Moment::now()));
    let of = (group, replica.generation);
    let clients = ClientFactory { pool, of, replica: replica.clone(), lease: lease.clone() };
    let refused = |fatal: openraft::errors::Fatal<_>| HostError::Raft { group, reason: fatal.to_string() };
    let raft = Raft::new(me, config, clients, log_store, state_machine).await.map_err(refused)?;
    // Once its task has answered, what it reports is what it found in the store.
    raft.with_raft_state(|_| ()).await.map_err(refused)?;
    let group = Group::new(raft, replica, lease, ready_at, handle.clone(), applier);
    let campaigning = group.clone();
    handle.spawn(async move {
        tokio::time::sleep_until(ready_at).await;
        campaigning.set_campaigning();
    });
    Ok(group)
}
