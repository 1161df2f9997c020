//! A router: the product's way to the shards, behind a door of the simulation's own.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision};
use dnc_core::codec;
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::tenant::DEFAULT_TENANT_ID;
use dnc_core::verdict::{Asker, Cause, Judgement, Verdict};
use dnc_meta::{CatalogCache, Known, MetaClient, ProposeError, TimedOut};
use dnc_router::Cluster;
use dnc_router::route::{
    BarrierError, Checked, NodeReplicas, NodeVersionStatus, NodeWarmed, QueryError, Reading, Route, World as Around,
    WriteError,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::net::Handler;
use crate::raft::Host;
use crate::world::{World, now};
use crate::{follow, lists, rpc};

/// The deadline of a check, as in the product.
pub const CHECK: Duration = Duration::from_secs(1);
/// The deadline of a write.
pub const WRITE: Duration = Duration::from_secs(3);
/// A further replica is asked after this, as in the product.
const HEDGE: Duration = Duration::from_millis(15);

/// What checks numbers.
pub const CHECKS: &str = "client/check";
/// What writes a command to a number's shard.
pub const WRITES: &str = "client/write";
/// What loads a version of a list and makes it active.
pub const LOADS: &str = "client/load";

/// A judged number, as much of it as the model looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The verdict.
    pub verdict: Said,
    /// The versions of lists that speak for it.
    pub versions: Vec<u64>,
    /// Whether a list lists it.
    pub on_list: bool,
    /// The suppressions that list it.
    pub entries: Vec<u128>,
}

/// A verdict on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// It may be called.
    Clear,
    /// It is listed.
    Listed,
    /// No list covers it, or one that is too old.
    Uncovered,
    /// Too few replicas answered.
    Unavailable,
}

/// The router's cluster: its route, with proposals over the simulated network.
#[derive(Clone)]
pub struct Reach {
    route: Route,
    host: Host,
}

/// The host of a router.
pub fn name(ordinal: u32) -> String {
    format!("r{ordinal}")
}

/// One life of a router.
pub async fn run(world: World, ordinal: u32) -> anyhow::Result<()> {
    let host = world.host(&name(ordinal)).await?;
    let cache = CatalogCache::new();
    let around = Around { dial: rpc::dial(host.port().clone()), now };
    let route =
        Route::within(around, MetaClient::new(Vec::new()), cache.clone(), Reading { hedge: HEDGE, leases: true });
    let reach = Reach { route, host: host.clone() };
    tokio::select! {
        biased;
        served = host.port().serve(handler(reach)) => Ok(served?),
        () = follow::follow(host.port(), host.dice(), &cache, |_| ()) => Ok(()),
    }
}

fn handler(reach: Reach) -> Handler {
    Arc::new(move |path, body| {
        let reach = reach.clone();
        Box::pin(async move {
            let malformed = |error: codec::CodecError| error.to_string();
            match path.as_str() {
                CHECKS => {
                    let numbers: Vec<PhoneNumber> = codec::decode(&body).map_err(malformed)?;
                    let asker = Asker { tenant: DEFAULT_TENANT_ID, brand: None, campaign: None };
                    let checked = reach.route.check(&numbers, &asker, "", Instant::now() + CHECK).await;
                    let judged = (0..numbers.len()).filter_map(|at| checked.judgements.get(at));
                    let seen: Vec<Seen> = judged.map(|judged| seen(judged.judgement())).collect();
                    Ok(codec::encode(&seen))
                }
                WRITES => {
                    let (number, command): (PhoneNumber, ShardCommand) = codec::decode(&body).map_err(malformed)?;
                    let shards = reach.known().catalog.shard_map.shards();
                    if shards == 0 {
                        return Err("the shards are not placed yet".to_owned());
                    }
                    let shard = ShardId(number.block().shard(shards));
                    let written = reach.write(shard, &command, Instant::now() + WRITE).await;
                    written.map(|reply| codec::encode(&reply)).map_err(|error| error.to_string())
                }
                LOADS => {
                    let load: lists::Load = codec::decode(&body).map_err(malformed)?;
                    lists::load(&reach, &load).await.map(|()| Vec::new()).map_err(|error| format!("{error:#}"))
                }
                _ => Err("a malformed call".to_owned()),
            }
        })
    })
}

fn seen(judgement: &Judgement) -> Seen {
    let verdict = match judgement.verdict {
        Verdict::Clear => Said::Clear,
        Verdict::Listed => Said::Listed,
        Verdict::Unknown(Cause::NotCovered | Cause::Stale) => Said::Uncovered,
        Verdict::Unknown(Cause::Unavailable) => Said::Unavailable,
    };
    let mut versions: Vec<u64> = judgement.evidence.iter().filter_map(|e| Some(e.version?.0)).collect();
    versions.dedup();
    Seen {
        verdict,
        versions,
        on_list: judgement.evidence.iter().any(|e| e.listed && e.version.is_some()),
        entries: judgement.evidence.iter().filter_map(|e| Some(e.suppression?.0)).collect(),
    }
}

// === impl Reach ===

impl Reach {
    /// The world around it.
    pub fn world(&self) -> &World {
        self.host.world()
    }

    /// Its host's name.
    pub fn name(&self) -> &str {
        self.host.name()
    }
}

impl Cluster for Reach {
    async fn check(&self, numbers: &[PhoneNumber], asker: &Asker, request_id: &str, deadline: Instant) -> Checked {
        self.route.check(numbers, asker, request_id, deadline).await
    }

    async fn write(&self, shard: ShardId, command: &ShardCommand, deadline: Instant) -> Result<ShardReply, WriteError> {
        self.route.write(shard, command, deadline).await
    }

    async fn query(&self, shard: ShardId, query: &ShardQuery, deadline: Instant) -> Result<ShardAnswer, QueryError> {
        self.route.query(shard, query, deadline).await
    }

    async fn version_status(
        &self,
        registry: RegistryId,
        version: VersionId,
        deadline: Instant,
    ) -> Vec<NodeVersionStatus> {
        self.route.version_status(registry, version, deadline).await
    }

    async fn replicas(&self, deadline: Instant) -> Vec<NodeReplicas> {
        self.route.replicas(deadline).await
    }

    async fn warm(&self, shards: Vec<u32>, deadline: Instant) -> Vec<NodeWarmed> {
        self.route.warm(shards, deadline).await
    }

    async fn barrier(&self, revision: u64, deadline: Instant) -> Result<(), BarrierError> {
        self.route.barrier(revision, deadline).await
    }

    async fn propose(&self, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
        follow::propose(self.host.port(), self.host.dice(), change, limit).await
    }

    fn known(&self) -> Arc<Known> {
        self.route.known()
    }

    async fn wait_for(
        &self,
        limit: Duration,
        f: impl Fn(&Catalog) -> bool + Send + Sync,
    ) -> Result<Arc<Known>, TimedOut> {
        self.route.cache().wait_for(limit, f).await
    }
}
