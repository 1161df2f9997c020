//! Connections to nodes, and what this router has noticed of them: who answers, who leads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_meta::nodes::{Dial, Line};
pub use dnc_meta::nodes::{client, connect, request, tcp};
use dnc_proto::internal as wire;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use foldhash::fast::FixedState;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::time::Instant;
use tonic::Status;

use super::outbox::Outbox;
use super::plan::Prospect;

/// How long a node that did not answer is asked after the others.
const SUSPECT: Duration = Duration::from_secs(1);

/// The right to give one node the catalog; at an end when dropped.
pub struct Offer {
    offered: Arc<Mutex<HashSet<NodeId>>>,
    node: NodeId,
}

/// A connection to a node.
#[derive(Clone)]
struct Connection {
    address: Arc<str>,
    line: Line,
    outbox: Outbox,
}

/// Who leads a shard, as far as this router knows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Leader {
    node: NodeId,
    /// It said last that it was under its lease.
    leased: bool,
}

/// What is known of the nodes.
pub struct Nodes {
    dial: Dial,
    connections: RwLock<HashMap<NodeId, Connection, FixedState>>,
    suspects: RwLock<HashMap<NodeId, Instant, FixedState>>,
    /// Replicas that said that they have no answer.
    lame: RwLock<HashMap<(ShardId, NodeId), Instant, FixedState>>,
    /// Nodes that are being given the catalog.
    offered: Arc<Mutex<HashSet<NodeId>>>,
    leaders: RwLock<HashMap<ShardId, Leader, FixedState>>,
    turn: AtomicUsize,
}

/// What is known of the nodes at one moment.
pub struct Sight<'a> {
    leaders: RwLockReadGuard<'a, HashMap<ShardId, Leader, FixedState>>,
    suspects: RwLockReadGuard<'a, HashMap<NodeId, Instant, FixedState>>,
    lame: RwLockReadGuard<'a, HashMap<(ShardId, NodeId), Instant, FixedState>>,
    now: Instant,
}

// === impl Nodes ===

impl Nodes {
    /// Nothing yet. They are reached by `dial`.
    pub fn new(dial: Dial) -> Nodes {
        Nodes {
            dial,
            connections: RwLock::default(),
            suspects: RwLock::default(),
            lame: RwLock::default(),
            offered: Arc::default(),
            leaders: RwLock::default(),
            turn: AtomicUsize::default(),
        }
    }

    /// A client of a node, at the address that the catalog has for it.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub fn client(&self, catalog: &Catalog, node: NodeId) -> Result<NodeServiceClient<Line>, Status> {
        Ok(client(self.connection(catalog, node)?.line))
    }

    /// The way to ask a node what checks ask.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub fn outbox(&self, catalog: &Catalog, node: NodeId) -> Result<Outbox, Status> {
        Ok(self.connection(catalog, node)?.outbox)
    }

    #[allow(clippy::result_large_err)] // tonic's own error type.
    fn connection(&self, catalog: &Catalog, node: NodeId) -> Result<Connection, Status> {
        let address = catalog
            .nodes
            .get(&node)
            .map(|known| known.addresses.service.as_str())
            .filter(|address| !address.is_empty())
            .ok_or_else(|| Status::unavailable(format!("node {node} has no address in the catalog")))?;
        if let Some(known) = self.connections.read().get(&node)
            && *known.address == *address
        {
            return Ok(known.clone());
        }
        let line = (self.dial)(address)?;
        let cluster = catalog.founding.as_ref().map(|founding| founding.cluster);
        let outbox = Outbox::new(line.clone(), cluster, node);
        let connection = Connection { address: address.into(), line, outbox };
        self.connections.write().insert(node, connection.clone());
        Ok(connection)
    }

    /// Whoever answers at the node's address is another one: its name may have to be resolved anew.
    pub fn disconnect(&self, node: NodeId) {
        self.connections.write().remove(&node);
        self.suspect(node);
    }

    /// The node did not answer.
    pub fn suspect(&self, node: NodeId) {
        self.suspects.write().insert(node, Instant::now() + SUSPECT);
    }

    /// The node answered.
    pub fn trust(&self, node: NodeId) {
        if self.suspects.read().contains_key(&node) {
            self.suspects.write().remove(&node);
        }
    }

    /// The node answers, but has no answer for this shard.
    pub fn suspect_replica(&self, shard: ShardId, node: NodeId) {
        let now = Instant::now();
        let mut lame = self.lame.write();
        // What is over need not be kept: there are never more than are lame now.
        lame.retain(|_, until| *until > now);
        lame.insert((shard, node), now + SUSPECT);
    }

    /// The replica answered.
    pub fn trust_replica(&self, shard: ShardId, node: NodeId) {
        if self.lame.read().contains_key(&(shard, node)) {
            self.lame.write().remove(&(shard, node));
        }
    }

    /// The right to give a node the catalog, unless somebody does so already.
    pub fn offer(&self, node: NodeId) -> Option<Offer> {
        let mine = self.offered.lock().insert(node);
        mine.then(|| Offer { offered: Arc::clone(&self.offered), node })
    }

    /// All nodes in the order in which they are best asked: `first` first, those that did not answer lately last, the others by turns.
    pub fn order(&self, catalog: &Catalog, first: Option<NodeId>) -> Vec<NodeId> {
        let mut order: Vec<NodeId> = catalog.nodes.keys().copied().collect();
        let turn = self.turn() % order.len().max(1);
        order.rotate_left(turn);
        let suspects = self.suspects.read();
        let now = Instant::now();
        order.sort_by_key(|node| (Some(*node) != first, suspects.get(node).is_some_and(|until| *until > now)));
        order
    }

    /// Somebody says who leads a shard; 0 means that they do not know.
    pub fn note_leader(&self, shard: ShardId, leader: NodeId) {
        if leader != 0 && self.leader(shard) != Some(leader) {
            self.leaders.write().insert(shard, Leader { node: leader, leased: false });
        }
    }

    /// A replica says where it stands.
    pub fn note_standing(&self, shard: ShardId, node: NodeId, standing: &wire::Standing) {
        if standing.leader != node {
            return self.note_leader(shard, standing.leader);
        }
        let leader = Leader { node, leased: standing.leased };
        if self.leaders.read().get(&shard) != Some(&leader) {
            self.leaders.write().insert(shard, leader);
        }
    }

    /// The leader does not lead any more.
    pub fn forget_leader(&self, shard: ShardId) {
        self.leaders.write().remove(&shard);
    }

    /// Who leads a shard, as far as is known.
    pub fn leader(&self, shard: ShardId) -> Option<NodeId> {
        self.leaders.read().get(&shard).map(|leader| leader.node)
    }

    /// What is known of them at this moment. Nobody can note anything before it is dropped.
    pub fn sight(&self) -> Sight<'_> {
        let (leaders, suspects, lame) = (self.leaders.read(), self.suspects.read(), self.lame.read());
        Sight { leaders, suspects, lame, now: Instant::now() }
    }

    /// Counts up, so that replicas take turns.
    pub fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

// === impl Sight ===

impl Sight<'_> {
    /// The prospects of a shard's replicas.
    pub fn prospects(&self, shard: ShardId, replicas: &[NodeId]) -> Vec<Prospect> {
        let leader = self.leaders.get(&shard);
        let lately = |until: Option<&Instant>| until.is_some_and(|until| *until > self.now);
        replicas
            .iter()
            .map(|node| Prospect {
                node: *node,
                suspect: lately(self.suspects.get(node)) || lately(self.lame.get(&(shard, *node))),
                leader: leader.is_some_and(|leader| leader.node == *node),
                leased: leader.is_some_and(|leader| leader.leased),
            })
            .collect()
    }
}

// === impl Offer ===

impl Drop for Offer {
    fn drop(&mut self) {
        self.offered.lock().remove(&self.node);
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Change, Founding, NodeAddresses};

    use super::*;

    fn three() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.apply(Change::Found(Founding {
            cluster: 10,
            log_key: [0; 32],
            shards: 1,
            replication: 3,
            initial_nodes: 3,
        }));
        for node in 1..=3u128 {
            let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
            catalog.apply(Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
        }
        catalog
    }

    #[tokio::test]
    async fn a_node_without_an_address_cannot_be_asked() {
        let mut catalog = three();
        let nodes = Nodes::new(tcp());
        assert!(nodes.client(&catalog, 1).is_ok());
        catalog.nodes.get_mut(&1).expect("joined").addresses.service.clear();
        assert!(nodes.client(&catalog, 1).is_err());
        assert!(nodes.client(&catalog, 9).is_err());
    }

    #[test]
    fn a_node_is_offered_the_catalog_once_at_a_time() {
        let nodes = Nodes::new(tcp());
        let offer = nodes.offer(1).expect("nobody does");
        assert!(nodes.offer(1).is_none());
        assert!(nodes.offer(2).is_some());
        drop(offer);
        assert!(nodes.offer(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_names_the_newer_catalog_is_asked_first_and_suspects_last() {
        let (catalog, nodes) = (three(), Nodes::new(tcp()));
        nodes.suspect(1);
        for _ in 0..4 {
            let order = nodes.order(&catalog, Some(3));
            assert_eq!(order, [3, 2, 1]);
        }
        tokio::time::advance(SUSPECT).await;
        let firsts: HashSet<NodeId> = (0..6).map(|_| nodes.order(&catalog, None)[0]).collect();
        assert_eq!(firsts.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_without_an_answer_is_suspect_for_its_shard_alone_and_for_a_while() {
        let nodes = Nodes::new(tcp());
        nodes.suspect_replica(ShardId(1), 2);
        let suspects = |shard| -> Vec<NodeId> {
            let prospects = nodes.sight().prospects(ShardId(shard), &[1, 2, 3]);
            prospects.into_iter().filter(|prospect| prospect.suspect).map(|prospect| prospect.node).collect()
        };
        assert_eq!((suspects(1), suspects(0)), (vec![2], vec![]));
        nodes.trust_replica(ShardId(1), 2);
        assert!(suspects(1).is_empty());
        nodes.suspect_replica(ShardId(1), 2);
        tokio::time::advance(SUSPECT).await;
        assert!(suspects(1).is_empty());
    }
}
