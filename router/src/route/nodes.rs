//! Connections to nodes, and what this router has noticed of them: who answers, who leads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_proto::CLUSTER_KEY;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use parking_lot::RwLock;
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::plan::Prospect;

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// How long a node that did not answer is asked after the others.
const SUSPECT: Duration = Duration::from_secs(1);
/// Largest message, as on the nodes' side.
const MAX_MESSAGE: usize = 16 << 20;

/// What is known of the nodes.
#[derive(Default)]
pub struct Nodes {
    channels: RwLock<HashMap<NodeId, (String, Channel)>>,
    suspects: RwLock<HashMap<NodeId, Instant>>,
    leaders: RwLock<HashMap<ShardId, NodeId>>,
    turn: AtomicUsize,
}

// === impl Nodes ===

impl Nodes {
    /// A client of a node, at the address that the catalog has for it.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub fn client(&self, catalog: &Catalog, node: NodeId) -> Result<NodeServiceClient<Channel>, Status> {
        let address = catalog
            .nodes
            .get(&node)
            .map(|known| known.addresses.service.as_str())
            .ok_or_else(|| Status::unavailable(format!("node {node} is not in the catalog")))?;
        if let Some((at, channel)) = self.channels.read().get(&node)
            && at == address
        {
            return Ok(client(channel.clone()));
        }
        let channel = connect(address)?;
        self.channels.write().insert(node, (address.to_owned(), channel.clone()));
        Ok(client(channel))
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

    /// Somebody says who leads a shard; 0 means that they do not know.
    pub fn note_leader(&self, shard: ShardId, leader: NodeId) {
        if leader != 0 && self.leaders.read().get(&shard) != Some(&leader) {
            self.leaders.write().insert(shard, leader);
        }
    }

    /// The leader does not lead any more.
    pub fn forget_leader(&self, shard: ShardId) {
        self.leaders.write().remove(&shard);
    }

    /// Who leads a shard, as far as is known.
    pub fn leader(&self, shard: ShardId) -> Option<NodeId> {
        self.leaders.read().get(&shard).copied()
    }

    /// The prospects of a shard's replicas.
    pub fn prospects(&self, shard: ShardId, replicas: &[NodeId]) -> Vec<Prospect> {
        let leader = self.leader(shard);
        let suspects = self.suspects.read();
        let now = Instant::now();
        replicas
            .iter()
            .map(|node| Prospect {
                node: *node,
                suspect: suspects.get(node).is_some_and(|until| *until > now),
                leader: leader == Some(*node),
            })
            .collect()
    }

    /// Counts up, so that replicas take turns.
    pub fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

/// Opens a connection when it is first used, and again whenever it breaks; the name is resolved each time.
#[allow(clippy::result_large_err)] // tonic's own error type.
pub fn connect(address: &str) -> Result<Channel, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::unavailable(format!("address {address}: {error}")))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// A client on a connection.
pub fn client(channel: Channel) -> NodeServiceClient<Channel> {
    NodeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
}

/// A request that names its cluster and its time limit.
pub fn request<T>(catalog: &Catalog, message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(founding) = &catalog.founding {
        let cluster = format!("{:032x}", founding.cluster);
        let value = AsciiMetadataValue::try_from(cluster).expect("hexadecimal is ASCII");
        request.metadata_mut().insert(CLUSTER_KEY, value);
    }
    request.set_timeout(limit);
    request
}
