//! The view: the part of a catalog that judges checks, prepared for the hot path.
//!
//! A view changes only when something that can change a verdict changes; its revision is the
//! catalog's revision at that moment. All numbers of one check are judged by one view, on all shards.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::exemption::Months;
use crate::ids::{RegistryId, TenantId, VersionId};
use crate::number::PhoneNumber;
use crate::registry::{Coverage, RegistryKind, Source};
use crate::rule::RuleSet;
use crate::tenant::Terms;

/// What judges checks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct View {
    /// Catalog revision at which it came to be.
    pub revision: u64,
    /// All registries, ordered by id.
    pub registries: Vec<ViewRegistry>,
    /// All tenants, ordered by id.
    pub tenants: Vec<ViewTenant>,
    /// All rules.
    pub rules: Arc<RuleSet>,
}

/// One registry in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRegistry {
    /// Its number.
    pub id: RegistryId,
    /// Its name.
    pub name: String,
    /// Whose numbers it holds.
    pub kind: RegistryKind,
    /// The tenant that it belongs to; none means that it is shared by those who hold it.
    pub owner: Option<TenantId>,
    /// Days that its lists may be old.
    pub max_age_days: u16,
    /// How long a business relationship lifts its listings.
    pub exemption_months: Months,
    /// The active version of a bulk registry that is consulted, if it has one.
    pub active: Option<ActiveVersion>,
}

/// The version of a registry that answers checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveVersion {
    /// Which.
    pub id: VersionId,
    /// What it speaks for.
    pub coverage: Coverage,
}

/// One tenant in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewTenant {
    /// Its number.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// What it holds and requires.
    pub terms: Terms,
}

// === impl View ===

impl View {
    /// The view of a catalog.
    pub fn of(catalog: &Catalog) -> View {
        View::prepare(catalog, Arc::new(RuleSet::new(&catalog.rules)))
    }

    /// The view of a catalog that came after the one of `before`. Rules that did not change are not prepared again.
    pub fn after(catalog: &Catalog, before: &View) -> View {
        let same = before.rules.are(&catalog.rules);
        let rules = if same { Arc::clone(&before.rules) } else { Arc::new(RuleSet::new(&catalog.rules)) };
        View::prepare(catalog, rules)
    }

    fn prepare(catalog: &Catalog, rules: Arc<RuleSet>) -> View {
        let registries = catalog
            .registries
            .values()
            .map(|registry| ViewRegistry {
                id: registry.id,
                name: registry.name.clone(),
                kind: registry.kind,
                owner: registry.owner,
                max_age_days: registry.settings.max_age_days,
                exemption_months: registry.settings.exemption_months,
                active: registry
                    .active_version()
                    .filter(|_| registry.is_consulted())
                    .map(|(id, content)| ActiveVersion { id, coverage: content.coverage.clone() }),
            })
            .collect();
        let tenants = catalog
            .tenants
            .values()
            .map(|tenant| ViewTenant { id: tenant.id, name: tenant.name.clone(), terms: tenant.terms.clone() })
            .collect();
        View { revision: catalog.view_revision, registries, tenants, rules }
    }

    /// Finds a registry by its number.
    pub fn registry(&self, id: RegistryId) -> Option<&ViewRegistry> {
        self.registries.binary_search_by_key(&id, |registry| registry.id).ok().map(|at| &self.registries[at])
    }

    /// Finds a tenant by its number.
    pub fn tenant(&self, id: TenantId) -> Option<&ViewTenant> {
        self.tenants.binary_search_by_key(&id, |tenant| tenant.id).ok().map(|at| &self.tenants[at])
    }

    /// Finds a tenant by its name.
    pub fn tenant_named(&self, name: &str) -> Option<&ViewTenant> {
        self.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// The bulk versions that a node needs to answer by this view.
    pub fn versions(&self) -> impl Iterator<Item = (RegistryId, VersionId)> + '_ {
        self.registries.iter().filter_map(|registry| Some((registry.id, registry.active.as_ref()?.id)))
    }
}

// === impl ViewRegistry ===

impl ViewRegistry {
    /// Whether checks of this tenant on this number are answered from this registry's lists.
    pub fn answers(&self, tenant: &ViewTenant, number: PhoneNumber) -> bool {
        match self.owner {
            Some(owner) => owner == tenant.id,
            None => tenant.terms.holds(self.id, number.area()),
        }
    }

    /// Where the active version's part for this number comes from, if it speaks for it.
    pub fn source(&self, number: PhoneNumber) -> Option<&Source> {
        self.active.as_ref()?.coverage.source(number.area())
    }
}
