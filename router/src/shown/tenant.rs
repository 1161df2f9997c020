//! A tenant as JSON: the one shape that REST answers with and `dnc tenant -o json` prints.

use std::collections::BTreeMap;

use dnc_proto::v1;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All tenants.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenants)]
pub struct TenantsShown<'a> {
    tenants: Vec<TenantShown<'a>>,
    revision: u64,
}

/// One tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantShown<'a> {
    id: u32,
    name: &'a str,
    holds: HoldsShown<'a>,
    requires: RequiresShown<'a>,
    edition: u64,
}

/// `"everything"`, or registries with their areas.
#[derive(Serialize, ToSchema)]
#[schema(as = Holds)]
#[serde(untagged)]
enum HoldsShown<'a> {
    Everything(Everything),
    These(BTreeMap<&'a str, AreasShown<'a>>),
}

/// The word for all registries and areas, whatever comes.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Everything {
    /// It.
    Everything,
}

/// The word for all areas that a registry covers.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// It.
    All,
}

/// What must cover a number before it can be CLEAR.
#[derive(Serialize, ToSchema)]
#[schema(as = Requires)]
struct RequiresShown<'a> {
    federal: bool,
    registries: BTreeMap<&'a str, AreasShown<'a>>,
}

/// `"all"`, or area codes.
#[derive(Serialize, ToSchema)]
#[schema(as = Areas)]
#[serde(untagged)]
enum AreasShown<'a> {
    All(All),
    These(&'a [String]),
}

// === impl TenantsShown, TenantShown ===

impl<'a> TenantsShown<'a> {
    /// All tenants of an answer.
    pub fn of(answer: &'a v1::ListTenantsResponse) -> Self {
        Self { tenants: answer.tenants.iter().map(TenantShown::of).collect(), revision: answer.revision }
    }
}

impl<'a> TenantShown<'a> {
    /// A tenant's fields under the names that they are shown by.
    pub fn of(tenant: &'a v1::Tenant) -> Self {
        let holds = tenant.holds.as_ref();
        let requires = tenant.requires.as_ref();
        Self {
            id: tenant.id,
            name: &tenant.name,
            holds: match holds {
                Some(holds) if holds.everything => HoldsShown::Everything(Everything::Everything),
                _ => HoldsShown::These(areas(holds.map_or(&[], |holds| &holds.registries))),
            },
            requires: RequiresShown {
                federal: requires.is_some_and(|requires| requires.federal),
                registries: areas(requires.map_or(&[], |requires| &requires.registries)),
            },
            edition: tenant.edition,
        }
    }
}

fn areas(registries: &[v1::RegistryAreas]) -> BTreeMap<&str, AreasShown<'_>> {
    registries
        .iter()
        .map(|areas| {
            let these = if areas.all { AreasShown::All(All::All) } else { AreasShown::These(&areas.areas) };
            (areas.registry.as_str(), these)
        })
        .collect()
}
