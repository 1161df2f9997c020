//! Small clusters for the tests of this room, and what their nodes say.

use dnc_core::catalog::{Catalog, Change, Decision, Founding, NodeAddresses, ShardMap};
use dnc_core::ids::NodeId;
use dnc_proto::internal as wire;

use crate::route::NodeReplicas;

/// What the nodes of a cluster say.
pub struct Stand {
    pub nodes: Vec<NodeReplicas>,
}

/// Two shards on nodes 1, 2, 3; node 4 holds nothing. Each node is in a zone of its own.
pub fn four() -> Catalog {
    let mut catalog = Catalog::default();
    change(
        &mut catalog,
        Change::Found(Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 }),
    );
    for node in 1..=4u128 {
        let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
        change(&mut catalog, Change::RegisterNode { incarnation: node, addresses, zone: format!("z{node}") });
    }
    change(&mut catalog, Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]; 2] }));
    catalog
}

/// Changes a catalog.
pub fn change(catalog: &mut Catalog, change: Change) {
    let decision = catalog.apply(change);
    assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
}

// === impl Stand ===

impl Stand {
    /// All is well: every node answers, and the first replica of each shard leads it.
    pub fn of(catalog: &Catalog) -> Self {
        let nodes = catalog.nodes.keys().map(|node| {
            let replicas = catalog.shard_map.shards_of(*node).map(|shard| {
                let voters = catalog.shard_map.replicas(shard);
                replica(shard.0, *node, voters[0], voters)
            });
            let response = wire::ReplicasResponse { node: *node, replicas: replicas.collect(), ..Default::default() };
            NodeReplicas { node: *node, result: Ok(response) }
        });
        Self { nodes: nodes.collect() }
    }

    /// A node does not answer.
    pub fn away(mut self, node: NodeId) -> Self {
        self.node(node).result = Err("no answer in time".into());
        self
    }

    /// A node does not run its replica of a shard.
    pub fn without(mut self, node: NodeId, shard: u32) -> Self {
        let response = self.node(node).result.as_mut().expect("it answers");
        response.replicas.retain(|replica| replica.shard != shard);
        response.failed.push(shard);
        self
    }

    /// The disk of a node is not well.
    pub fn ailing(mut self, node: NodeId, why: &str) -> Self {
        self.node(node).result.as_mut().expect("it answers").ailment = why.into();
        self
    }

    /// What a node says of its replica.
    pub fn replica(&mut self, node: NodeId, shard: u32) -> &mut wire::Replica {
        let response = self.node(node).result.as_mut().expect("it answers");
        response.replicas.iter_mut().find(|replica| replica.shard == shard).expect("it is there")
    }

    /// A node runs a further replica, which learns.
    pub fn learns(mut self, node: NodeId, shard: u32, voters: &[NodeId], placed: u64) -> Self {
        let mut learner = replica(shard, node, voters[0], voters);
        learner.placed = placed;
        self.node(node).result.as_mut().expect("it answers").replicas.push(learner);
        self
    }

    fn node(&mut self, node: NodeId) -> &mut NodeReplicas {
        self.nodes.iter_mut().find(|said| said.node == node).expect("it is there")
    }
}

fn replica(shard: u32, node: NodeId, leader: NodeId, voters: &[NodeId]) -> wire::Replica {
    let at = Some(wire::LogPosition { term: 1, index: 100 });
    let matched = voters.iter().map(|node| wire::Matched { node: *node, at });
    wire::Replica {
        shard,
        leader,
        last: at,
        has_view: true,
        group: Some(wire::Group {
            leads: leader == node,
            voters: vec![wire::VoterSet { nodes: voters.to_vec() }],
            committed: true,
            matched: if leader == node { matched.collect() } else { Vec::new() },
            ..wire::Group::default()
        }),
        ..wire::Replica::default()
    }
}
