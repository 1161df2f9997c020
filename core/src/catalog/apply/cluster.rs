//! What a cluster is, which nodes it has, and where its shards are.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Decision, Founding, MAX_NODES, MAX_SHARDS, Node, NodeAddresses, Refusal, ShardMap};
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
        let known = self.nodes.values_mut().find(|node| node.incarnation == incarnation);
        if let Some(node) = known {
            let id = node.id;
            if node.addresses != addresses || node.zone != zone {
                node.addresses = addresses;
                node.zone = zone;
                self.bump();
            }
            let revision = self.revision;
            return Ok(Decision::Node { id, revision });
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(Refusal::Full("nodes".into()));
        }
        self.next.node += 1;
        let id = self.next.node;
        self.nodes.insert(id, Node { id, incarnation, addresses, zone });
        let revision = self.bump();
        Ok(Decision::Node { id, revision })
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
                    && distinct.iter().all(|id| self.nodes.contains_key(id))
            });
        if !fits {
            return Err(Refusal::BadShardMap);
        }
        self.shard_map = map;
        self.bump();
        self.done()
    }
}
