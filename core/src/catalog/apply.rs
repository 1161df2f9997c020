//! How a change changes the catalog: a pure function of the two.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Catalog, Change, Decision, Founding, MAX_NODES, MAX_REGISTRIES, MAX_SHARDS, Node, NodeAddresses, Refusal, ShardMap,
};
use crate::ids::{RegistryId, VersionId};
use crate::registry::{Coverage, Registry, RegistryKind, Version, VersionState, check_name};

/// Versions that a registry may have in the making at once.
const MAX_STAGING: usize = 8;

impl Catalog {
    /// Applies one change. A refused one, or one that says what is the case already, leaves the revision as it is.
    pub fn apply(&mut self, change: Change) -> Decision {
        let before = self.revision;
        let decision = match change {
            Change::Found(founding) => self.found(founding),
            Change::RegisterNode { incarnation, addresses, zone } => self.register_node(incarnation, addresses, zone),
            Change::PlaceShards(map) => self.place_shards(map),
            Change::CreateRegistry { name, kind, jurisdiction, max_age_days } => {
                self.create_registry(name, kind, jurisdiction, max_age_days)
            }
            Change::BeginVersion { registry, load, now_ms } => self.begin_version(registry, load, now_ms),
            Change::Activate { registry, version, coverage, numbers, checksum } => {
                self.activate(registry, version, coverage, numbers, checksum)
            }
            Change::Discard { registry, version } => self.discard(registry, version),
        };
        debug_assert!(self.revision == before || self.revision == before + 1);
        decision.unwrap_or_else(Decision::Refused)
    }

    fn bump(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Like `bump`, for a change that can change a verdict.
    fn bump_view(&mut self) -> u64 {
        self.view_revision = self.bump();
        self.revision
    }

    fn done(&self) -> Result<Decision, Refusal> {
        Ok(Decision::Done { revision: self.revision })
    }

    fn found(&mut self, founding: Founding) -> Result<Decision, Refusal> {
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
        self.bump_view();
        self.done()
    }

    fn register_node(
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

    fn place_shards(&mut self, map: ShardMap) -> Result<Decision, Refusal> {
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

    fn create_registry(
        &mut self,
        name: String,
        kind: RegistryKind,
        jurisdiction: String,
        max_age_days: u16,
    ) -> Result<Decision, Refusal> {
        if self.founding.is_none() {
            return Err(Refusal::NotFounded);
        }
        check_name(&name)?;
        if let Some(known) = self.registry_named(&name) {
            let same = known.kind == kind && known.jurisdiction == jurisdiction && known.max_age_days == max_age_days;
            return if same {
                Ok(Decision::Registry { id: known.id, revision: self.revision })
            } else {
                Err(Refusal::NameTaken)
            };
        }
        if self.registries.len() >= MAX_REGISTRIES {
            return Err(Refusal::Full("registries".into()));
        }
        self.next.registry += 1;
        let id = RegistryId(self.next.registry);
        self.registries.insert(
            id,
            Registry { id, name, kind, jurisdiction, max_age_days, active: None, versions: BTreeMap::new() },
        );
        let revision = self.bump_view();
        Ok(Decision::Registry { id, revision })
    }

    fn begin_version(&mut self, registry: RegistryId, load: u128, now_ms: u64) -> Result<Decision, Refusal> {
        let revision = self.revision;
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.kind.is_live() {
            return Err(Refusal::LiveRegistry(registry.kind));
        }
        if let Some(known) = registry.versions.values().find(|v| v.load == load) {
            return Ok(Decision::Version { id: known.id, parent: known.parent, revision });
        }
        let staging = registry.versions.values().filter(|v| v.state == VersionState::Staging).count();
        if staging >= MAX_STAGING {
            return Err(Refusal::Full("versions in the making".into()));
        }
        self.next.version += 1;
        let id = VersionId(self.next.version);
        let parent = registry.active;
        registry.versions.insert(id, Version { id, parent, state: VersionState::Staging, load, begun_ms: now_ms });
        let revision = self.bump();
        Ok(Decision::Version { id, parent, revision })
    }

    fn activate(
        &mut self,
        registry: RegistryId,
        version: VersionId,
        coverage: Coverage,
        numbers: u64,
        checksum: u64,
    ) -> Result<Decision, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        let active = registry.active;
        let known = registry.versions.get_mut(&version).ok_or(Refusal::UnknownVersion)?;
        match known.state {
            VersionState::Discarded => return Err(Refusal::IsDiscarded),
            _ if active == Some(version) => return self.done(),
            // Compare and set: what it was made from must still be what answers checks.
            _ if known.parent != active => return Err(Refusal::Superseded),
            VersionState::Staging | VersionState::Sealed { .. } => {}
        }
        known.state = VersionState::Sealed { coverage, numbers, checksum };
        registry.active = Some(version);
        self.bump_view();
        self.done()
    }

    fn discard(&mut self, registry: RegistryId, version: VersionId) -> Result<Decision, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.active == Some(version) {
            return Err(Refusal::IsActive);
        }
        let is_parent = registry.active.is_some_and(|active| registry.ancestry(active).contains(&version));
        if is_parent {
            return Err(Refusal::IsActive);
        }
        let known = registry.versions.get_mut(&version).ok_or(Refusal::UnknownVersion)?;
        if known.state != VersionState::Discarded {
            known.state = VersionState::Discarded;
            self.bump();
        }
        self.done()
    }
}
