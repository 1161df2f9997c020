//! What the nodes say of their replicas: asked all at once, within a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use dnc_core::catalog::{Catalog, Move};
use dnc_core::ids::{NodeId, Position, ShardId};
use dnc_core::moving::lead::Led;
use dnc_core::moving::step::{Group, Taker};
use dnc_proto::internal as wire;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use futures::future::join_all;
use tokio::time::timeout;
use tonic::Status;

use crate::nodes::{self, Dial, Line};

/// Time for a node to say how its replicas are.
const ANSWER: Duration = Duration::from_secs(1);
/// A voter whose log is so many entries behind may lead.
const NEAR: u64 = 64;

/// Lines to nodes, kept from one look to the next.
pub struct Connections {
    dial: Dial,
    lines: HashMap<NodeId, (String, Line)>,
}

/// What the nodes said at one look.
#[derive(Default)]
pub struct Seen {
    /// The replicas of each node that answered.
    pub replicas: BTreeMap<NodeId, BTreeMap<ShardId, wire::Replica>>,
    /// Nodes whose disk is not well: they are to lead nothing.
    pub ailing: BTreeSet<NodeId>,
}

// === impl Connections ===

impl Connections {
    /// None yet.
    pub fn new(dial: Dial) -> Self {
        Self { dial, lines: HashMap::new() }
    }

    /// A client of a node at the address that the catalog has for it.
    #[allow(clippy::result_large_err)] // tonic's own error type.
    pub fn client(&mut self, catalog: &Catalog, node: NodeId) -> Result<NodeServiceClient<Line>, Status> {
        let address = catalog.nodes.get(&node).map_or("", |known| known.addresses.service.as_str());
        if address.is_empty() {
            return Err(Status::unavailable(format!("node {node} has no address in the catalog")));
        }
        if self.lines.get(&node).is_none_or(|(at, _)| at != address) {
            self.lines.insert(node, (address.to_owned(), (self.dial)(address)?));
        }
        Ok(nodes::client(self.lines[&node].1.clone()))
    }

    /// Asks all nodes of the catalog how their replicas are.
    pub async fn look(&mut self, catalog: &Catalog) -> Seen {
        self.lines.retain(|node, _| catalog.nodes.contains_key(node));
        let clients: Vec<_> =
            catalog.nodes.keys().filter_map(|node| Some((*node, self.client(catalog, *node).ok()?))).collect();
        let asked = clients.into_iter().map(|(node, mut client)| async move {
            let message = wire::ReplicasRequest { checksums: false };
            let request = nodes::request(catalog, node, message, ANSWER);
            let response = timeout(ANSWER, client.replicas(request)).await.ok()?.ok()?.into_inner();
            // Whoever else answers at its address does not speak for it.
            (response.node == node).then_some((node, response))
        });
        let mut seen = Seen::default();
        for (node, response) in join_all(asked).await.into_iter().flatten() {
            if !response.ailment.is_empty() {
                seen.ailing.insert(node);
            }
            // What a recovery left behind does not speak for its shard.
            let counts = |replica: &wire::Replica| replica.generation == catalog.generation(ShardId(replica.shard));
            let replicas = response.replicas.into_iter().filter(counts);
            let by_shard = replicas.map(|replica| (ShardId(replica.shard), replica)).collect();
            seen.replicas.insert(node, by_shard);
        }
        seen
    }
}

// === impl Seen ===

impl Seen {
    /// Who leads a shard, by its own word; of two that say so, the one with the newer log.
    fn leader(&self, shard: ShardId) -> Option<(NodeId, &wire::Replica, &wire::Group)> {
        let leading = self.replicas.iter().filter_map(|(node, replicas)| {
            let replica = replicas.get(&shard)?;
            let group = replica.group.as_ref().filter(|group| group.leads)?;
            Some((*node, replica, group))
        });
        leading.max_by_key(|(_, replica, _)| replica.last.map(position))
    }

    /// A shard's group as its leader sees it, and the entry with its membership.
    pub fn group(&self, shard: ShardId) -> Option<(Group, Option<wire::LogPosition>)> {
        let (leader, replica, group) = self.leader(shard)?;
        let view = Group {
            leader,
            voters: group.voters.iter().map(|set| set.nodes.iter().copied().collect()).collect(),
            learners: group.learners.iter().copied().collect(),
            committed: group.committed,
            last: replica.last.map(position),
            matched: group.matched.iter().map(|matched| (matched.node, matched.at.map(position))).collect(),
        };
        Some((view, group.membership_at))
    }

    /// How the node that takes a replica is, for a plan that was adopted at this revision.
    pub fn taker(&self, step: &Move, since: u64) -> Taker {
        let replica = self.replicas.get(&step.to).and_then(|replicas| replicas.get(&step.shard));
        Taker {
            runs: replica.is_some_and(|replica| replica.placed >= since),
            has_view: replica.is_some_and(|replica| replica.has_view),
        }
    }

    /// The shards whose voters are settled, and who could lead them.
    pub fn led(&self, shards: u32) -> Vec<Led> {
        (0..shards).map(ShardId).filter_map(|shard| self.led_one(shard)).collect()
    }

    fn led_one(&self, shard: ShardId) -> Option<Led> {
        let (group, _) = self.group(shard)?;
        let [voters] = group.voters.as_slice() else { return None };
        if !group.committed {
            return None;
        }
        let last = group.last.map_or(0, |last| last.index);
        let near = |node: &NodeId| {
            let matched = group.matched.get(node).copied().flatten().map_or(0, |at| at.index);
            let runs = self.replicas.get(node).is_some_and(|replicas| replicas.get(&shard).is_some_and(|r| r.has_view));
            runs && last.saturating_sub(matched) <= NEAR
        };
        let mut able: BTreeSet<NodeId> = voters.iter().copied().filter(near).collect();
        able.insert(group.leader);
        Some(Led { shard, leader: group.leader, able })
    }
}

fn position(at: wire::LogPosition) -> Position {
    Position { term: at.term, index: at.index }
}
