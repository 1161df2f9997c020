//! A storage node: joins, follows the catalog, and runs the replicas that it is told to.
//!
//! The rules of starting and deleting replicas are those of `dnc_node`'s hosting: a placement is on disk before its
//! replica starts, only a catalog newer than the one that placed a replica deletes it, and who is on the way into a
//! group waits to be taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::GroupId;
use dnc_core::catalog::{Catalog, Change, Decision, NodeAddresses};
use dnc_core::codec;
use dnc_core::ids::{NodeId, ShardId};
use dnc_meta::CatalogCache;
use dnc_node::shard::Shard;
use dnc_node::wanted;
use dnc_proto::internal::node_service_server::NodeServiceServer;
use openraft_rt::AsyncRuntime;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::disk::Write;
use crate::net::Handler;
use crate::raft::{Host, Peers, Rt};
use crate::service::Service;
use crate::world::{Running, World};
use crate::{follow, note, rpc};

/// It is looked at this often whether all is as it should be; a newer catalog is looked at at once.
const TICK: Duration = Duration::from_millis(250);
/// Time for one try to join.
const JOIN: Duration = Duration::from_secs(3);

/// A node in one of its lives. Clones are the same.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    id: NodeId,
    cache: CatalogCache,
    replicas: Mutex<BTreeMap<ShardId, Running>>,
}

/// The host of a node.
pub fn name(ordinal: u32) -> String {
    format!("n{ordinal}")
}

/// The Raft group of a shard.
pub fn group_of(shard: ShardId) -> GroupId {
    GroupId(u64::from(shard.0) + 1)
}

/// One life of a node. In its first it joins only after `joins_after`.
pub async fn run(world: World, ordinal: u32, joins_after: Duration) -> anyhow::Result<()> {
    let host = world.host(&name(ordinal)).await?;
    let cache = CatalogCache::new();
    let (kept, before) = host.disk().read(|content| (content.catalog.clone(), content.node));
    if let Ok(catalog) = codec::decode::<Catalog>(&kept) {
        cache.offer(catalog)?;
    }
    let started = turmoil::sim_elapsed().unwrap_or_default();
    if before.is_none() && started < joins_after {
        sleep(joins_after - started).await;
    }
    let closed: Handler = Arc::new(|_, _| Box::pin(async { Err("this node has not joined yet".to_owned()) }));
    let (hears, keeps) = (host.clone(), host.clone());
    let follows = async {
        let keep = |catalog: &Catalog| {
            keeps.disk().write(Write::Catalog(codec::encode(catalog)));
        };
        follow::follow(hears.port(), hears.dice(), &cache, keep).await;
    };
    let lives = async {
        let id = tokio::select! {
            biased;
            id = join(&host, ordinal) => id,
            served = host.port().serve(closed) => return Ok(served?),
        };
        if before != Some(id) {
            host.disk().write(Write::Node(id));
            host.flushed().await;
        }
        note!(world.trace(), host.name(), "is node {id}");
        let node = Node {
            inner: Arc::new(Inner { host: host.clone(), id, cache: cache.clone(), replicas: Mutex::default() }),
        };
        tokio::select! {
            biased;
            served = host.port().serve(node.handler()) => Ok(served?),
            () = node.hold() => Ok::<_, anyhow::Error>(()),
        }
    };
    tokio::select! {
        biased;
        lived = lives => lived,
        () = follows => Ok(()),
    }
}

/// Says who this is, until the meta group has said which node that makes.
async fn join(host: &Host, ordinal: u32) -> NodeId {
    let address = |port: u16| format!("{}:{port}", name(ordinal));
    let change = Change::RegisterNode {
        incarnation: u128::from(ordinal),
        addresses: NodeAddresses { service: address(1), raft: address(2) },
        zone: format!("z{ordinal}"),
    };
    loop {
        if let Ok(Decision::Node { id, .. }) = follow::propose(host.port(), host.dice(), &change, JOIN).await {
            return id;
        }
        sleep(host.dice().time(TICK, TICK * 4)).await;
    }
}

// === impl Node ===

impl Node {
    /// Its host.
    pub fn host(&self) -> &Host {
        &self.inner.host
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.inner.id
    }

    /// The catalog as it knows it.
    pub fn cache(&self) -> &CatalogCache {
        &self.inner.cache
    }

    /// A replica that runs here.
    pub fn replica(&self, shard: ShardId) -> Option<Running> {
        self.inner.replicas.lock().get(&shard).cloned()
    }

    /// All replicas that run here.
    pub fn replicas(&self) -> Vec<Running> {
        self.inner.replicas.lock().values().cloned().collect()
    }

    /// The revision of the catalog that placed a replica here.
    pub fn placed(&self, shard: ShardId) -> u64 {
        self.host().disk().read(|content| content.placed.get(&shard).copied().unwrap_or(0))
    }

    fn handler(&self) -> Handler {
        let node = self.clone();
        Arc::new(move |path, body| {
            let node = node.clone();
            Box::pin(async move {
                if path.starts_with(rpc::PREFIX) {
                    let server = NodeServiceServer::new(Service::new(node));
                    rpc::serve(server, &path, &body).await
                } else {
                    node.host().answer(&path, body).await
                }
            })
        })
    }

    /// Keeps to what the catalog says, for ever.
    async fn hold(&self) {
        let mut revisions = self.cache().subscribe();
        loop {
            let _ = timeout(TICK, revisions.changed()).await;
            let known = self.cache().get();
            if known.catalog.shard_map.shards() > 0 {
                self.follow(&known.catalog).await;
            }
        }
    }

    async fn follow(&self, catalog: &Catalog) {
        let disk = self.host().disk();
        let hosted = catalog.hosted_by(self.id());
        let moving_in = catalog.moves.plan.as_ref().map_or(0, |plan| plan.since);
        for shard in &hosted {
            let needed = if catalog.incoming(*shard) == Some(self.id()) { moving_in } else { 0 };
            let placed = disk.read(|content| content.placed.get(shard).copied());
            if placed.is_none_or(|placed| placed < needed) {
                disk.write(Write::Place(*shard, catalog.revision));
                self.host().flushed().await;
            }
            let running = self.replica(*shard);
            if let Some(why) = running.as_ref().and_then(|running| running.group.failure()) {
                note!(self.host().world().trace(), self.host().name(), "shard {shard} failed: {why}");
                self.host().world().watch().broken(format!("shard {shard} on {} failed: {why}", self.host().name()));
                self.stop(*shard).await;
            }
            match self.replica(*shard) {
                None => self.start(*shard, catalog).await,
                Some(running) => drop(running.shard.want(wanted(catalog))),
            }
        }
        let placed: Vec<(ShardId, u64)> =
            disk.read(|content| content.placed.iter().map(|(shard, at)| (*shard, *at)).collect());
        for (shard, at) in placed {
            if at < catalog.revision && !hosted.contains(&shard) {
                self.stop(shard).await;
                disk.write(Write::Discard(group_of(shard)));
                self.host().flushed().await;
                disk.write(Write::Forget(shard));
                self.host().flushed().await;
                note!(self.host().world().trace(), self.host().name(), "shard {shard} has moved away");
            }
        }
    }

    async fn start(&self, id: ShardId, catalog: &Catalog) {
        let shard = Shard::new(id, catalog.shard_map.shards());
        let cache = self.cache().clone();
        let peers: Peers = Arc::new(move |node| {
            let known = cache.get();
            let raft = &known.catalog.nodes.get(&node)?.addresses.raft;
            raft.split(':').next().map(str::to_owned)
        });
        let told = shard.want(wanted(catalog));
        let started = self.host().start(group_of(id), self.id(), shard.clone(), peers).await;
        let (Ok(()), Ok(group)) = (told, started) else {
            self.host().world().watch().broken(format!("shard {id} on {} does not start", self.host().name()));
            return;
        };
        let running = Running { group: group.clone(), shard };
        self.host().world().runs(self.host().name(), running.clone());
        self.inner.replicas.lock().insert(id, running);
        let voters: BTreeSet<NodeId> = catalog.shard_map.replicas(id).iter().copied().collect();
        if !catalog.moves.moved.contains(&id) && voters.contains(&self.id()) {
            drop(Rt::spawn(async move { group.initialize(voters).await }));
        }
    }

    async fn stop(&self, shard: ShardId) {
        self.host().world().stops(self.host().name(), group_of(shard));
        if self.inner.replicas.lock().remove(&shard).is_some() {
            self.host().stop(group_of(shard)).await;
        }
    }
}
