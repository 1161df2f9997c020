//! A tenant as JSON: the one shape that REST answers with and `dnc tenant -o json` prints.

use std::collections::BTreeMap;

use dnc_proto::v1;
use serde::Serialize;

/// All tenants.
#[derive(Serialize)]
pub struct TenantsShown<'a> {
    tenants: Vec<TenantShown<'a>>,
    revision: u64,
}

/// One tenant.
#[derive(Serialize)]
pub struct TenantShown<'a> {
    id: u32,
    name: &'a str,
    holds: HoldsShown<'a>,
    requires: RequiresShown<'a>,
    edition: u64,
}

/// `"everything"`, or registries with their areas.
#[derive(Serialize)]
#[serde(untagged)]
enum HoldsShown<'a> {
    Everything(&'static str),
    These(BTreeMap<&'a str, AreasShown<'a>>),
}

#[derive(Serialize)]
struct RequiresShown<'a> {
    federal: bool,
    registries: BTreeMap<&'a str, AreasShown<'a>>,
}

/// `"all"`, or area codes.
#[derive(Serialize)]
#[serde(untagged)]
enum AreasShown<'a> {
    All(&'static str),
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
                Some(holds) if holds.everything => HoldsShown::Everything("everything"),
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
            let these = if areas.all { AreasShown::All("all") } else { AreasShown::These(&areas.areas) };
            (areas.registry.as_str(), these)
        })
        .collect()
}
