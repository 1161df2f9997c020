//! Registries: made, changed, given up.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, Decision, MAX_REGISTRIES, NewRegistry, Refusal};
use crate::ids::RegistryId;
use crate::registry::{Registry, Settings, SyncState, check_name};

impl Catalog {
    pub(super) fn create_registry(&mut self, new: NewRegistry) -> Result<Decision, Refusal> {
        check_name(&new.name)?;
        if let Some(known) = self.registry_named(&new.name) {
            let same = known.kind == new.kind && known.owner == new.owner && known.settings == new.settings;
            return if same && !known.retired {
                Ok(Decision::Registry { id: known.id, revision: self.revision })
            } else {
                Err(Refusal::NameTaken)
            };
        }
        if new.owner.is_some_and(|owner| !self.tenants.contains_key(&owner)) {
            return Err(Refusal::UnknownTenant);
        }
        if self.registries.len() >= MAX_REGISTRIES {
            return Err(Refusal::Full("registries".into()));
        }
        self.next.registry += 1;
        let id = RegistryId(self.next.registry);
        let registry = Registry {
            id,
            name: new.name,
            kind: new.kind,
            owner: new.owner,
            settings: new.settings,
            edition: 1,
            retired: false,
            created_ms: new.now_ms,
            active: None,
            previous: None,
            summoned: None,
            versions: BTreeMap::new(),
            sync: SyncState::default(),
        };
        self.registries.insert(id, registry);
        let revision = self.bump_view();
        Ok(Decision::Registry { id, revision })
    }

    pub(super) fn update_registry(
        &mut self,
        registry: RegistryId,
        edition: u64,
        settings: Settings,
    ) -> Result<Decision, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.retired {
            return Err(Refusal::Retired);
        }
        if registry.settings == settings {
            return self.done();
        }
        if registry.edition != edition {
            return Err(Refusal::Edited);
        }
        if registry.settings.schedule != settings.schedule {
            // It is due by the new schedule, which whoever follows the schedules sets.
            registry.sync.next_ms = None;
        }
        registry.settings = settings;
        registry.edition += 1;
        self.bump_view();
        self.done()
    }

    pub(super) fn retire_registry(&mut self, registry: RegistryId) -> Result<Decision, Refusal> {
        let required = self.tenants.values().find(|tenant| tenant.terms.requires.registries.contains_key(&registry));
        if let Some(tenant) = required {
            return Err(Refusal::Required(tenant.name.clone()));
        }
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if !registry.retired {
            registry.retired = true;
            registry.sync.next_ms = None;
            registry.sync.claim = None;
            self.bump_view();
        }
        self.done()
    }
}
