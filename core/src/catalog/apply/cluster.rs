//! What a cluster is, which nodes it has, and where its shards are.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Decision, Founding, MAX_NODES, MAX_SHARDS, Node, NodeAddresses, Refusal, ShardMap};
use crate::ids::NodeId;
use crate::tenant::{DEFAULT_TENANT, DEFAULT_TENANT_ID, Tenant, Terms};

impl Catalog {
    pub(super) fn found(&mut self, founding: Founding) -> Result<Decision, Refusal> {
        if self.founding.is_some() {
            return self.done();
        }
        let fits = (1..=MAX_SHARDS).contains(&founding.shards)
            && (1..=7).contains(&founding.replication)
            && founding.initial_nodes >= founding.replication
            && founding.initial_nodes as usize <= MAX_NODES;
        if !fits {
            return Err(Refusal::BadFounding);
        }
        self.founding = Some(founding);
        let tenant =
            Tenant { id: DEFAULT_TENANT_ID, name: DEFAULT_TENANT.into(), terms: Terms::everything(), edition: 1 };
        self.next.tenant = tenant.id.0;
        self.tenants.insert(tenant.id, tenant);
        self.bump_view();
        self.done()
    }

    pub(super) fn register_node(
        &mut self,
        incarnation: u128,
        addresses: NodeAddresses,
        zone: String,
    ) -> Result<Decision, Refusal> {
        if self.founding.is_none() {
            return Err(Refusal::NotFounded);
        }
        if let Some(gone) = self.recoveries.lost(incarnation) {
            return Err(Refusal::Gone(gone));
        }
        let known = self.nodes.values_mut().find(|node| node.incarnation == incarnation);
        if let Some(node) = known {
            let id = node.id;
            let mut changed = node.addresses != addresses || node.zone != zone;
            if changed {
                node.addresses = addresses.clone();
                node.zone = zone;
            }
            changed |= self.take_over(id, &addresses);
            if changed {
                self.bump();
            }
            let revision = self.revision;
            return Ok(Decision::Node { id, revision });
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(Refusal::Full("nodes".into()));
        }
        self.next.node += 1;
        self.take_over(self.next.node, &addresses);
        let id = self.next.node;
        self.nodes.insert(id, Node { id, incarnation, addresses, zone });
        let revision = self.bump();
        Ok(Decision::Node { id, revision })
    }

    /// Two nodes are never at one address: whoever is known at one of these is not there any more, or the node that says
    /// so could not listen there. It stays in the catalog without that address, for its replicas are still its own, until
    /// it says where it listens now. Says whether there was one.
    fn take_over(&mut self, by: NodeId, addresses: &NodeAddresses) -> bool {
        let taken = |at: &str| !at.is_empty() && (at == addresses.service || at == addresses.raft);
        let mut any = false;
        for node in self.nodes.values_mut().filter(|node| node.id != by) {
            for at in [&mut node.addresses.service, &mut node.addresses.raft] {
                if taken(at) {
                    at.clear();
                    any = true;
                }
            }
        }
        any
    }

    pub(super) fn place_shards(&mut self, map: ShardMap) -> Result<Decision, Refusal> {
        let founding = self.founding.as_ref().ok_or(Refusal::NotFounded)?;
        if self.shard_map == map {
            return self.done();
        }
        if !self.shard_map.replicas.is_empty() {
            return Err(Refusal::AlreadyPlaced);
        }
        let fits = map.replicas.len() == founding.shards as usize
            && map.replicas.iter().all(|replicas| {
                let distinct: BTreeSet<_> = replicas.iter().collect();
                distinct.len() == founding.replication as usize
                    && distinct.len() == replicas.len()
                    && distinct.iter().all(|id| self.nodes.get(id).is_some_and(Node::is_reachable))
            });
        if !fits {
            return Err(Refusal::BadShardMap);
        }
        self.shard_map = map;
        self.bump();
        self.done()
    }
}

#[cfg(test)]
mod tests {
    use super::super::founded;
    use super::*;
    use crate::catalog::Change;

    fn at(host: &str) -> NodeAddresses {
        NodeAddresses { service: format!("{host}:1"), raft: format!("{host}:2") }
    }

    fn join(catalog: &mut Catalog, incarnation: u128, addresses: NodeAddresses) -> NodeId {
        match catalog.apply(Change::RegisterNode { incarnation, addresses, zone: String::new() }) {
            Decision::Node { id, .. } => id,
            other => panic!("not registered: {other:?}"),
        }
    }

    #[test]
    fn a_node_that_lost_its_folder_takes_the_address_of_the_one_that_it_was() {
        let mut catalog = founded();
        let old = join(&mut catalog, 1, at("a"));
        let new = join(&mut catalog, 2, at("a"));
        assert_ne!(old, new);
        assert_eq!(catalog.nodes[&new].addresses, at("a"));
        let gone = &catalog.nodes[&old];
        assert_eq!((gone.addresses.service.as_str(), gone.addresses.raft.as_str()), ("", ""));
        assert!(!gone.is_reachable());
        // The one that it was, if it lives elsewhere after all, says so and is the same node as before.
        assert_eq!(join(&mut catalog, 1, at("b")), old);
        assert!(catalog.nodes[&old].is_reachable());
        assert!(catalog.nodes[&new].is_reachable());
    }

    #[test]
    fn nodes_that_exchange_their_addresses_are_never_both_at_one() {
        let mut catalog = founded();
        let (a, b) = (join(&mut catalog, 1, at("a")), join(&mut catalog, 2, at("b")));
        join(&mut catalog, 1, at("b"));
        assert!(!catalog.nodes[&b].is_reachable());
        join(&mut catalog, 2, at("a"));
        assert_eq!((catalog.nodes[&a].addresses.clone(), catalog.nodes[&b].addresses.clone()), (at("b"), at("a")));
    }

    #[test]
    fn an_address_that_served_another_purpose_is_taken_over_too() {
        let mut catalog = founded();
        let old = join(&mut catalog, 1, at("a"));
        join(&mut catalog, 2, NodeAddresses { service: "a:2".into(), raft: "a:3".into() });
        assert_eq!(catalog.nodes[&old].addresses, NodeAddresses { service: "a:1".into(), raft: String::new() });
        assert!(!catalog.nodes[&old].is_reachable());
    }

    #[test]
    fn a_repeated_registration_changes_nothing() {
        let mut catalog = founded();
        join(&mut catalog, 1, at("a"));
        join(&mut catalog, 2, at("a"));
        let before = catalog.clone();
        join(&mut catalog, 2, at("a"));
        assert_eq!(catalog, before);
    }

    #[test]
    fn shards_are_not_placed_on_a_node_whose_address_was_taken_over() {
        let mut catalog = founded();
        for (incarnation, host) in [(1, "a"), (2, "b"), (3, "c"), (4, "c")] {
            join(&mut catalog, incarnation, at(host));
        }
        let on = |nodes: [NodeId; 3]| Change::PlaceShards(ShardMap { replicas: vec![nodes.to_vec(); 2] });
        assert_eq!(catalog.apply(on([1, 2, 3])), Decision::Refused(Refusal::BadShardMap));
        assert!(matches!(catalog.apply(on([1, 2, 4])), Decision::Done { .. }));
    }
}
