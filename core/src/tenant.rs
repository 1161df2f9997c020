//! Tenants: who asks, which lists they hold, and which lists must cover a number before it is CLEAR for them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::area::Area;
use crate::ids::{RegistryId, TenantId};

/// The tenant that is meant where none is named. It exists from the founding on.
pub const DEFAULT_TENANT: &str = "default";

/// Its number.
pub const DEFAULT_TENANT_ID: TenantId = TenantId(1);

/// One tenant, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its number, which its suppressions and exemptions carry.
    pub id: TenantId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// What can be changed.
    pub terms: Terms,
    /// Counts the changes: an update names the edition that it was made from.
    pub edition: u64,
}

/// What a tenant holds and what it requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The shared registries whose lists it may be answered from. Those that it owns it holds anyway.
    pub holds: Holds,
    /// What must cover a number before it can be CLEAR.
    pub requires: Requires,
}

/// The shared registries that a tenant holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holds {
    /// All there are, for all areas.
    Everything,
    /// These, each for some areas: the FTC sells its list by area code.
    These(BTreeMap<RegistryId, AreaSet>),
}

/// Some areas, or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AreaSet {
    /// All there are.
    All,
    /// These.
    These(BTreeSet<Area>),
}

/// What must cover a number before it can be CLEAR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requires {
    /// A federal registry, whichever covers the number.
    pub federal: bool,
    /// These registries, each for numbers in some areas.
    pub registries: BTreeMap<RegistryId, AreaSet>,
}

// === impl Terms ===

impl Terms {
    /// The terms of the default tenant: it holds everything, and requires a federal registry.
    pub fn everything() -> Terms {
        Terms { holds: Holds::Everything, requires: Requires::default() }
    }

    /// Whether lists of this shared registry may answer for numbers in this area.
    pub fn holds(&self, registry: RegistryId, area: Area) -> bool {
        match &self.holds {
            Holds::Everything => true,
            Holds::These(registries) => registries.get(&registry).is_some_and(|areas| areas.contains(area)),
        }
    }
}

impl Default for Terms {
    /// Holds nothing yet: what a tenant may be answered from is said one by one.
    fn default() -> Self {
        Terms { holds: Holds::These(BTreeMap::new()), requires: Requires::default() }
    }
}

// === impl Requires ===

impl Default for Requires {
    fn default() -> Self {
        Requires { federal: true, registries: BTreeMap::new() }
    }
}

// === impl AreaSet ===

impl AreaSet {
    /// Whether the area is one of them.
    pub fn contains(&self, area: Area) -> bool {
        match self {
            AreaSet::All => true,
            AreaSet::These(areas) => areas.contains(&area),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_tenant_holds_nothing_and_requires_a_federal_registry() {
        let terms = Terms::default();
        let area: Area = "201".parse().expect("an area");
        assert!(!terms.holds(RegistryId(1), area));
        assert!(terms.requires.federal);
        assert!(Terms::everything().holds(RegistryId(1), area));
    }

    #[test]
    fn a_list_is_held_for_the_areas_that_were_paid_for() {
        let (mine, other): (Area, Area) = ("201".parse().expect("an area"), "202".parse().expect("an area"));
        let areas = AreaSet::These(BTreeSet::from([mine]));
        let holds = Holds::These(BTreeMap::from([(RegistryId(1), areas)]));
        let terms = Terms { holds, requires: Requires::default() };
        assert!(terms.holds(RegistryId(1), mine));
        assert!(!terms.holds(RegistryId(1), other));
        assert!(!terms.holds(RegistryId(2), mine));
    }
}
