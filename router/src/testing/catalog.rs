//! The catalog of the fake: founded, and filled with registries and tenants.

use std::sync::Arc;

use dnc_core::catalog::{Change, Decision, Founding, NewRegistry, NodeAddresses, ShardMap};
use dnc_core::ids::TenantId;
use dnc_core::registry::{RegistryKind, Settings};
use dnc_core::tenant::Terms;
use dnc_meta::CatalogCache;

use super::{Fake, SHARDS};

impl Fake {
    /// Knows no catalog.
    pub fn empty() -> Self {
        Self { state: Arc::default(), cache: CatalogCache::new() }
    }

    /// Sixteen shards on three nodes, with the registries `federal` and `internal`.
    pub fn founded() -> Self {
        let fake = Self::empty();
        fake.change(Change::Found(Founding {
            cluster: 1,
            log_key: [1; 32],
            shards: SHARDS,
            replication: 3,
            initial_nodes: 3,
        }));
        for node in 1..=3u128 {
            fake.change(Change::RegisterNode {
                incarnation: node,
                addresses: NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") },
                zone: String::new(),
            });
        }
        fake.change(Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]; SHARDS as usize] }));
        fake.registry("federal", RegistryKind::Federal);
        fake.registry("internal", RegistryKind::Internal);
        fake
    }

    /// Makes a registry.
    pub fn registry(&self, name: &str, kind: RegistryKind) {
        self.change(Change::CreateRegistry(NewRegistry::named(name, kind)));
    }

    /// Makes a tenant.
    pub fn tenant(&self, name: &str) -> TenantId {
        self.change(Change::CreateTenant { name: name.into(), terms: Terms::default() });
        self.cache.get().view.tenant_named(name).expect("it was made").id
    }

    /// Makes a live registry of this tenant's own.
    pub fn own_registry(&self, name: &str, owner: TenantId) {
        let registry = NewRegistry { owner: Some(owner), ..NewRegistry::named(name, RegistryKind::Internal) };
        self.change(Change::CreateRegistry(registry));
    }

    /// Disables a registry, or gives it up.
    pub fn close(&self, name: &str, retire: bool) {
        let known = self.cache.get();
        let found = known.catalog.registry_named(name).expect("a registry");
        let (registry, edition) = (found.id, found.edition);
        self.change(if retire {
            Change::RetireRegistry { registry }
        } else {
            let settings = Settings { enabled: false, ..found.settings.clone() };
            Change::UpdateRegistry { registry, edition, settings }
        });
    }

    /// Changes the catalog.
    pub fn change(&self, change: Change) -> Decision {
        let mut state = self.state.lock();
        let decision = state.catalog.apply(change);
        self.cache.offer(state.catalog.clone()).expect("one cluster");
        decision
    }
}
