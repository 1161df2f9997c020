//! Tenants: made, and what they hold and require changed.

use crate::catalog::{Catalog, Decision, MAX_TENANTS, Refusal};
use crate::ids::TenantId;
use crate::registry::check_name;
use crate::tenant::{Holds, Tenant, Terms};

impl Catalog {
    pub(super) fn create_tenant(&mut self, name: String, terms: Terms) -> Result<Decision, Refusal> {
        check_name(&name)?;
        if let Some(known) = self.tenants.values().find(|tenant| tenant.name == name) {
            return if known.terms == terms {
                Ok(Decision::Tenant { id: known.id, revision: self.revision })
            } else {
                Err(Refusal::TenantNameTaken)
            };
        }
        self.check_terms(None, &terms)?;
        if self.tenants.len() >= MAX_TENANTS {
            return Err(Refusal::Full("tenants".into()));
        }
        self.next.tenant += 1;
        let id = TenantId(self.next.tenant);
        self.tenants.insert(id, Tenant { id, name, terms, edition: 1 });
        let revision = self.bump_view();
        Ok(Decision::Tenant { id, revision })
    }

    pub(super) fn update_tenant(&mut self, tenant: TenantId, edition: u64, terms: Terms) -> Result<Decision, Refusal> {
        self.check_terms(Some(tenant), &terms)?;
        let known = self.tenants.get_mut(&tenant).ok_or(Refusal::UnknownTenant)?;
        if known.terms == terms {
            return self.done();
        }
        if known.edition != edition {
            return Err(Refusal::Edited);
        }
        known.terms = terms;
        known.edition += 1;
        self.bump_view();
        self.done()
    }

    /// Refuses terms that name what cannot be held or required: registries that are not there, were given up or belong to another.
    fn check_terms(&self, tenant: Option<TenantId>, terms: &Terms) -> Result<(), Refusal> {
        let held = match &terms.holds {
            Holds::Everything => None,
            Holds::These(registries) => Some(registries.keys()),
        };
        for id in held.into_iter().flatten().chain(terms.requires.registries.keys()) {
            let registry = self.registries.get(id).ok_or(Refusal::UnknownRegistry)?;
            if registry.retired {
                return Err(Refusal::Retired);
            }
            if registry.owner.is_some() && registry.owner != tenant {
                return Err(Refusal::NotTheirs);
            }
        }
        let live = terms.requires.registries.keys().filter_map(|id| self.registries.get(id)).find(|r| r.kind.is_live());
        match live {
            Some(registry) => Err(Refusal::CoversNothing(registry.name.clone())),
            None => Ok(()),
        }
    }
}
