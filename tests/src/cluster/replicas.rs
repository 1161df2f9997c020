//! What the replicas of a cluster hold, asked of the nodes themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_proto::CLUSTER_KEY;
use dnc_proto::internal::meta_service_client::MetaServiceClient;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use dnc_proto::internal::{ReplicasRequest, ReplicasResponse, WatchRequest, watch_event};
use tonic::transport::{Channel, Endpoint};

use super::{Cluster, url};
use crate::wait::until;

/// How long a node may take to answer; checksums read all that it holds.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// How long replicas may take until they have all entries, after writes have ended.
const LEVEL_LIMIT: Duration = Duration::from_secs(60);

/// A cluster's id as calls between its processes name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterName(pub String);

/// One replica, as its node describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Last entry in its log, as (term, index).
    pub last: (u64, u64),
    /// Last entry that it applied.
    pub applied: (u64, u64),
    /// Over all that it holds; 0 if it was not asked for.
    pub checksum: u64,
    /// Live entries.
    pub suppressions: u64,
    /// Whether its node says that this replica leads.
    pub leads: bool,
}

// === impl ClusterName ===

impl ClusterName {
    /// The metadata of a call that names this cluster.
    pub fn request<T>(&self, message: T) -> Result<tonic::Request<T>> {
        let mut request = tonic::Request::new(message);
        let value = self.0.parse().context("a cluster's id is plain text")?;
        request.metadata_mut().insert(CLUSTER_KEY, value);
        Ok(request)
    }
}

// === impl Cluster ===

impl Cluster {
    /// The catalog, from the first meta voter that gives it.
    pub async fn catalog(&self) -> Result<Catalog> {
        let mut last = None;
        for voter in &self.meta {
            match catalog_of(voter.grpc).await {
                Ok(catalog) => return Ok(catalog),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("there are no meta voters")?)
    }

    /// The cluster's id.
    pub async fn name(&self) -> Result<ClusterName> {
        let catalog = self.catalog().await?;
        let founding = catalog.founding.context("the cluster is not founded yet")?;
        Ok(ClusterName(format!("{:032x}", founding.cluster)))
    }

    /// What each node says of its replicas: by shard, then by the node's place in this cluster.
    pub async fn replicas(
        &self,
        name: &ClusterName,
        checksums: bool,
    ) -> Result<BTreeMap<u32, BTreeMap<usize, ReplicaState>>> {
        let mut shards: BTreeMap<u32, BTreeMap<usize, ReplicaState>> = BTreeMap::new();
        for node in &self.nodes {
            let answer = replicas_of(node.grpc, name, checksums)
                .await
                .with_context(|| format!("ask {} for its replicas", node.name()))?;
            for replica in answer.replicas {
                let at =
                    |position: Option<dnc_proto::internal::LogPosition>| position.map_or((0, 0), |p| (p.term, p.index));
                let state = ReplicaState {
                    last: at(replica.last),
                    applied: at(replica.applied),
                    checksum: replica.checksum,
                    suppressions: replica.suppressions,
                    leads: replica.leader == answer.node,
                };
                shards.entry(replica.shard).or_default().insert(node.index, state);
            }
        }
        Ok(shards)
    }

    /// How many shards each node leads, by its own word. Nodes that do not answer are left out.
    pub async fn led(&self, name: &ClusterName) -> BTreeMap<usize, usize> {
        let mut led = BTreeMap::new();
        for node in &self.nodes {
            if let Ok(answer) = replicas_of(node.grpc, name, false).await {
                led.insert(node.index, answer.replicas.iter().filter(|r| r.leader == answer.node).count());
            }
        }
        led
    }

    /// Waits until every replica has applied all that any replica of its shard has in its log.
    pub async fn wait_level(&self, name: &ClusterName) -> Result<()> {
        self.wait_level_of(name, self.nodes.len().min(3)).await
    }

    /// The same where each shard has at least so many replicas: fewer than three while one is lost for good.
    pub async fn wait_level_of(&self, name: &ClusterName, replicas_min: usize) -> Result<()> {
        until(LEVEL_LIMIT, "all replicas to have all entries", || async {
            let shards = self.replicas(name, false).await?;
            if shards.is_empty() {
                bail!("no node has a replica yet");
            }
            for (shard, replicas) in &shards {
                let newest = replicas.values().map(|r| r.last).max().unwrap_or_default();
                if replicas.len() < replicas_min {
                    bail!("shard {shard} has {} replicas", replicas.len());
                }
                if let Some((node, behind)) = replicas.iter().find(|(_, r)| r.applied != newest) {
                    bail!("shard {shard} on node {node} has applied {:?} of {newest:?}", behind.applied);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until one node has applied all that any replica had in its log when this was asked.
    pub async fn wait_caught_up(&self, name: &ClusterName, node: usize) -> Result<()> {
        self.wait_caught_up_where(name, &format!("node {node} to catch up"), |replicas| {
            vec![replicas.get(&node).copied()]
        })
        .await
    }

    /// Waits until each shard has so many replicas, and all of them have applied all that any of them had in its log
    /// when this was asked. Others may write meanwhile.
    pub async fn wait_all_caught_up(&self, name: &ClusterName, replicas_min: usize) -> Result<()> {
        self.wait_caught_up_where(name, "all replicas to catch up", |replicas| {
            let missing = replicas_min.saturating_sub(replicas.len());
            replicas.values().copied().map(Some).chain(std::iter::repeat_n(None, missing)).collect()
        })
        .await
    }

    /// `whose` gives the replicas of a shard that must catch up; nothing for one that is not there.
    async fn wait_caught_up_where(
        &self,
        name: &ClusterName,
        what: &str,
        whose: impl Fn(&BTreeMap<usize, ReplicaState>) -> Vec<Option<ReplicaState>>,
    ) -> Result<()> {
        let goal = until(LEVEL_LIMIT, what, || async {
            let shards = self.replicas(name, false).await?;
            let newest = |replicas: &BTreeMap<usize, ReplicaState>| replicas.values().map(|r| r.last).max();
            let goal: BTreeMap<u32, (u64, u64)> =
                shards.iter().filter_map(|(shard, replicas)| Some((*shard, newest(replicas)?))).collect();
            Ok((!goal.is_empty()).then_some(goal))
        })
        .await?;
        until(LEVEL_LIMIT, what, || async {
            let shards = self.replicas(name, false).await?;
            let none = BTreeMap::new();
            for (shard, goal) in &goal {
                for replica in whose(shards.get(shard).unwrap_or(&none)) {
                    let applied = replica.map(|r| r.applied);
                    if applied < Some(*goal) {
                        bail!("a replica of shard {shard} has applied {applied:?}, and {goal:?} was written");
                    }
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Makes sure that all replicas of each shard hold the same. Nobody may write meanwhile. Gives
    /// the live entries of all shards together.
    pub async fn compare_replicas(&self, name: &ClusterName) -> Result<u64> {
        self.compare_replicas_of(name, self.nodes.len().min(3)).await
    }

    /// The same where each shard has at least so many replicas.
    pub async fn compare_replicas_of(&self, name: &ClusterName, replicas_min: usize) -> Result<u64> {
        // An election in between writes an entry of its own, so one look may be torn.
        let shards = until(LEVEL_LIMIT, "replicas that stand at the same entry", || async {
            self.wait_level_of(name, replicas_min).await?;
            let shards = self.replicas(name, true).await?;
            let level = shards.values().all(|replicas| {
                let mut positions = replicas.values().map(|r| r.applied);
                let first = positions.next();
                positions.all(|position| Some(position) == first)
            });
            Ok(level.then_some(shards))
        })
        .await?;
        let mut suppressions = 0;
        for (shard, replicas) in &shards {
            let mut all = replicas.values();
            let first = all.next().context("a shard has replicas")?;
            if !all.all(|r| (r.checksum, r.suppressions) == (first.checksum, first.suppressions)) {
                bail!("the replicas of shard {shard} differ: {replicas:?}");
            }
            suppressions += first.suppressions;
        }
        Ok(suppressions)
    }
}

/// The replicas of one node.
pub async fn replicas_of(node: SocketAddr, name: &ClusterName, checksums: bool) -> Result<ReplicasResponse> {
    let request = name.request(ReplicasRequest { checksums })?;
    let answer = NodeServiceClient::new(connect(node).await?).replicas(request).await?;
    Ok(answer.into_inner())
}

async fn catalog_of(voter: SocketAddr) -> Result<Catalog> {
    let request = WatchRequest { revision: 0, cluster: String::new() };
    let asking = async {
        let mut client = MetaServiceClient::new(connect(voter).await?);
        let mut events = client.watch(request).await?.into_inner();
        while let Some(event) = events.message().await? {
            if let Some(watch_event::Event::Snapshot(bytes)) = event.event {
                return codec::decode(&bytes).context("decode the catalog");
            }
        }
        bail!("the watch ended without a catalog")
    };
    tokio::time::timeout(CALL_LIMIT, asking)
        .await
        .with_context(|| format!("no catalog from {voter} within {CALL_LIMIT:?}"))?
}

/// A connection to one process, with a deadline on each call.
pub async fn connect(address: SocketAddr) -> Result<Channel> {
    Endpoint::from_shared(url(address))?
        .connect_timeout(Duration::from_secs(2))
        .timeout(CALL_LIMIT)
        .connect()
        .await
        .with_context(|| format!("connect to {address}"))
}
