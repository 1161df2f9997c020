//! A node from start to stop.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use dnc_consensus::{ClusterId, Host, Store, StoreOptions};
use dnc_meta::{CatalogCache, MetaClient};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::card::{Card, State};
use crate::disk::Disk;
use crate::identity::{self, Identity};
use crate::peers::CatalogPeers;
use crate::threads::heavily;
use crate::{Error, Hosting, Listeners, Options, catalog_copy, gauges, repair, scrub, service};

/// How long stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What runs beside the servers. None of it ends before the node stops.
struct Tasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    stop: CancellationToken,
}

/// How one life of a node ended: it can have several, each under an id of its own.
enum End {
    /// It was told to stop.
    Stopped,
    /// Its data is damaged, or gone.
    Damaged {
        /// Whose it is.
        card: Card,
        /// The meta group has let it go.
        let_go: bool,
    },
}

/// Runs a node until it is told to stop. `ready` becomes true once all its replicas answer, or all but
/// some that could not be started repeatedly.
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
    check(&options)?;
    loop {
        let End::Damaged { card, let_go } = live(&options, listeners.try_clone()?, &ready, &stop).await? else {
            return Ok(());
        };
        ready.send_replace(false);
        if !let_go && stop.run_until_cancelled(be_let_go(&options, &card)).await.is_none() {
            return Ok(());
        }
        heavily(|| repair::give_up(card, &options.data_dir))?;
    }
}

/// Waits until the node of a store that does not run may give its data up.
async fn be_let_go(options: &Options, card: &Card) {
    let (meta, cache, stop) = (MetaClient::new(options.meta.clone()), CatalogCache::new(), CancellationToken::new());
    let _guard = stop.clone().drop_guard();
    meta.set_cluster(card.cluster);
    let following = tokio::spawn(dnc_meta::follow(meta.clone(), cache.clone(), stop.clone()));
    repair::let_go(card.incarnation, &meta, &cache).await;
    stop.cancel();
    following.await.ok();
}

/// One life of the node: from the opening of its store until it is told to stop, or finds that its data is damaged.
async fn live(
    options: &Options,
    listeners: Listeners,
    ready: &watch::Sender<bool>,
    stop: &CancellationToken,
) -> Result<End, Error> {
    let folder = &options.data_dir;
    let card = heavily(|| recall_card(folder)).map_err(Error::Card)?;
    let lives = card.clone().filter(|card| card.state == State::Lives);
    let store = match heavily(|| Store::open(folder, StoreOptions::default())) {
        Ok(store) => store,
        Err(error) if error.is_damage() => return damaged(error.into(), lives),
        Err(error) => return Err(error.into()),
    };
    let (closing, damage) = (store.closing(), store.damage());
    let lived = match (identity::remembered(&store), &lives) {
        // The store was made anew just now.
        (Ok(None), Some(card)) => {
            tracing::error!(
                "this folder had the data of a node, which is gone; the node asks to be replaced by itself"
            );
            drop(store);
            Ok(End::Damaged { card: card.clone(), let_go: false })
        }
        (Ok(remembered), _) => {
            Life { options, ready, asked_to_stop: stop, card }.run(store, listeners, remembered).await
        }
        (Err(error), _) => {
            drop(store);
            Err(error)
        }
    };
    let lived = match lived {
        // Whatever it ended with: it is because of the damage, or does not matter beside it.
        Err(error) if damage.borrow().is_some() => damaged(error, heavily(|| Card::read(folder)).map_err(Error::Card)?),
        lived => lived,
    };
    if matches!(lived, Ok(End::Damaged { .. })) && !closing.closed(STOP_LIMIT * 2).await {
        return Err(Error::NotClosed);
    }
    lived
}

/// The card of the folder, once what an earlier life was giving up is given up. Blocks.
fn recall_card(folder: &Path) -> std::io::Result<Option<Card>> {
    if let Some(card) = Card::read(folder)? {
        card.finish(folder)?;
    }
    Card::read(folder)
}

/// A store is damaged so that nothing can be done with it. Without its card nobody knows whose it was.
fn damaged(error: Error, card: Option<Card>) -> Result<End, Error> {
    let Some(card) = card.filter(|card| card.state == State::Lives) else { return Err(error) };
    let error: &dyn std::error::Error = &error;
    tracing::error!(error, "the data of this node is damaged; it asks to be replaced by itself");
    Ok(End::Damaged { card, let_go: false })
}

/// What one life of the node is made of.
struct Life<'a> {
    options: &'a Options,
    ready: &'a watch::Sender<bool>,
    asked_to_stop: &'a CancellationToken,
    /// As it was when the life began.
    card: Option<Card>,
}

// === impl Life ===

impl Life<'_> {
    async fn run(self, store: Store, listeners: Listeners, remembered: Option<Identity>) -> Result<End, Error> {
        let Life { options, ready, asked_to_stop, .. } = self;
        let cache = CatalogCache::new();
        let meta = MetaClient::new(options.meta.clone());
        catalog_copy::recall(&store, &cache)?;
        if let Some(identity) = remembered {
            meta.set_cluster(identity.cluster);
        }

        // Whatever ends first ends the rest. It is not cancelled with the caller's: leaderships are handed over before.
        let (leaving, stop) = (asked_to_stop.child_token(), CancellationToken::new());
        let _guard = stop.clone().drop_guard();
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("following the catalog", dnc_meta::follow(meta.clone(), cache.clone(), stop.clone()));
        let identity = match remembered {
            Some(identity) => identity,
            None => tokio::select! {
                joined = identity::join(&store, options, &meta, &cache, asked_to_stop) => joined?,
                error = tasks.ended() => return Err(error),
            },
        };
        let Identity { cluster, node } = identity;
        tracing::info!(node, cluster = %ClusterId(cluster), "this node");
        let card = Card { cluster, incarnation: identity::incarnation(&store, options)?, state: State::Lives };
        if asked_to_stop.run_until_cancelled(self.settle(&card, &meta)).await.transpose()?.is_none() {
            return Ok(End::Stopped);
        }

        let host = Host::new(
            store.clone(),
            ClusterId(cluster),
            node,
            std::sync::Arc::new(CatalogPeers(cache.clone())),
            options.raft.clone(),
        )?;
        let hosting = Hosting::default();
        let attending = {
            let attend =
                repair::attend(store.damage(), card.incarnation, node, hosting.clone(), meta.clone(), cache.clone());
            let (leaving, stop) = (leaving.clone(), stop.clone());
            async move {
                let let_go = stop.run_until_cancelled(attend).await.is_some();
                leaving.cancel();
                let_go
            }
        };
        let leaving = leave(&leaving, &stop, ready, &hosting);
        let serving = serve(
            options,
            listeners,
            ready.clone(),
            &stop,
            store,
            identity,
            meta,
            cache,
            &host,
            hosting.clone(),
            tasks,
        );
        let (outcome, (), let_go) = tokio::join!(async { ending(&stop, serving.await) }, leaving, attending);
        stop.cancel();
        host.shutdown(STOP_LIMIT).await;
        match let_go {
            true => Ok(End::Damaged { card, let_go }),
            false => outcome.map(|()| End::Stopped),
        }
    }

    /// Sees to it that the card beside the store says whose it is, and that the meta group knows whose place this node
    /// takes, if it takes one.
    async fn settle(&self, card: &Card, meta: &MetaClient) -> Result<(), Error> {
        match &self.card {
            Some(before) if before == card => return Ok(()),
            Some(Card { state: State::Succeeded, incarnation, .. }) => {
                repair::succeed(*incarnation, card.incarnation, meta).await;
            }
            _ => {}
        }
        heavily(|| card.write(&self.options.data_dir)).map_err(Error::Card)
    }
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
    tasks.spawn(
        "reading what is stored",
        scrub::keep(identity.node, store.clone(), options.scrub.clone(), stop.clone()),
    );
    let disk = Disk::default();
    tasks.spawn(
        "watching the disk",
        disk.clone().watch(host.clone(), hosting.clone(), options.disk.clone(), stop.clone()),
    );
    let announced = tokio::spawn(identity::announce(store, options.clone(), identity, meta, stop.clone()));
    let served = service::serve(
        listeners.service,
        service::Service::new(identity, hosting, cache, disk),
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
    if let Some((name, _)) = missing.iter().find(|(_, missing)| *missing) {
        return Err(Error::Options(format!("a node needs the setting {name}")));
    }
    if options.scrub.mib_per_s == 0 {
        // It would never end, and nobody would notice.
        return Err(Error::Options("scrub.mib_per_s must be at least 1".into()));
    }
    Ok(())
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
