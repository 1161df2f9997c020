//! Tenants: made, shown, and what they hold and require changed. Registries go by their names here, by ids inside.
//!
//! What a tenant may be answered from and what must cover a number for it change verdicts, so every change is
//! acknowledged once it is in force everywhere (`decide`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dnc_core::area::Area;
use dnc_core::catalog::{Catalog, Change, Decision, Refusal};
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::registry::check_name;
use dnc_core::tenant::{AreaSet, Holds, Requires, Tenant, Terms};
use dnc_meta::Known;
use dnc_proto::v1;
use tracing::info;

use crate::cluster::Cluster;
use crate::decide::{self, RETRIES, Undecided};
use crate::failure::{Failure, Invalid, Kind};

/// Makes, shows and changes tenants.
#[derive(Clone)]
pub struct Tenants<C> {
    cluster: C,
}

/// A tenant, and the catalog that it is in.
#[derive(Clone, Debug)]
pub struct Found {
    /// The catalog.
    pub known: Arc<Known>,
    id: TenantId,
}

/// Why there is no tenant to show, or why it was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such tenant.
    #[error("there is no tenant of this name")]
    Unknown,
    /// It is not decided, or not everywhere.
    #[error(transparent)]
    Undecided(#[from] Undecided),
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::Unknown => Kind::NotFound,
            Error::Undecided(why) => why.kind(),
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

impl From<Refusal> for Error {
    fn from(why: Refusal) -> Self {
        Error::Undecided(Undecided::Refused(why))
    }
}

// === impl Found ===

impl Found {
    /// The tenant.
    pub fn tenant(&self) -> &Tenant {
        self.known.catalog.tenants.get(&self.id).expect("found in this very catalog, and none is ever removed")
    }
}

// === impl Tenants ===

impl<C: Cluster> Tenants<C> {
    /// The tenants of this cluster.
    pub fn new(cluster: C) -> Self {
        Self { cluster }
    }

    /// All tenants, and the catalog they are in.
    pub fn list(&self) -> Arc<Known> {
        self.cluster.known()
    }

    /// Finds a tenant by its name; waits a moment for one that another router may just have made.
    pub async fn get(&self, name: &str) -> Result<Found, Error> {
        let known = decide::recent(&self.cluster, |catalog| catalog.tenant_named(name).is_some()).await;
        let id = known.catalog.tenant_named(name).ok_or(Error::Unknown)?.id;
        Ok(Found { known, id })
    }

    /// Makes a tenant, or finds the same one. It holds nothing and requires a federal registry, unless the request says
    /// otherwise.
    pub async fn create(&self, request: v1::CreateTenantRequest) -> Result<Found, Error> {
        let deadline = decide::deadline();
        check_name(&request.name).map_err(|why| Invalid::new("name", why.to_string().replace("registry", "tenant")))?;
        let terms = self.terms(&Terms::default(), request.holds.as_ref(), request.requires.as_ref()).await?;
        let change = Change::CreateTenant { name: request.name, terms };
        match decide::decide(&self.cluster, &change, deadline).await? {
            (Decision::Tenant { id, .. }, known) => {
                info!(tenant = %id, "tenant created");
                Ok(Found { known, id })
            }
            _ => Err(Undecided::Unexpected.into()),
        }
    }

    /// Changes what a tenant holds, what it requires, or both.
    pub async fn update(&self, request: v1::UpdateTenantRequest) -> Result<Found, Error> {
        let deadline = decide::deadline();
        let mut found = self.get(&request.name).await?;
        let id = found.id;
        let seen = |edition: u64| {
            move |catalog: &Catalog| catalog.tenants.get(&id).is_some_and(|tenant| tenant.edition >= edition)
        };
        let mut tries = 0;
        loop {
            // Whoever names an edition has seen it; what they give must not be laid over an older one.
            found.known = decide::recent(&self.cluster, seen(request.edition)).await;
            let (edition, before) = (found.tenant().edition, found.tenant().terms.clone());
            let terms = self.terms(&before, request.holds.as_ref(), request.requires.as_ref()).await?;
            if request.edition > 0 && request.edition != edition && terms != before {
                return Err(Refusal::Edited.into());
            }
            let change = Change::UpdateTenant { tenant: id, edition, terms };
            match decide::decide(&self.cluster, &change, deadline).await {
                Ok((_, known)) => {
                    info!(tenant = %id, "tenant changed");
                    return Ok(Found { known, id });
                }
                // This router was behind; what it knows now is newer.
                Err(Undecided::Refused(Refusal::Edited)) if request.edition == 0 && tries < RETRIES => {
                    tries += 1;
                    decide::recent(&self.cluster, seen(edition + 1)).await;
                }
                Err(why) => return Err(why.into()),
            }
        }
    }

    async fn terms(
        &self,
        base: &Terms,
        holds: Option<&v1::Holds>,
        requires: Option<&v1::Requires>,
    ) -> Result<Terms, Error> {
        let of_holds = holds.map_or(&[][..], |holds| &holds.registries);
        let named = of_holds.iter().chain(requires.map_or(&[][..], |requires| &requires.registries));
        let names: Vec<&str> = named.map(|areas| areas.registry.as_str()).collect();
        let known =
            decide::recent(&self.cluster, |catalog| names.iter().all(|name| catalog.registry_named(name).is_some()));
        let known = known.await;
        Ok(Terms {
            holds: match holds {
                None => still_there(&base.holds, &known.catalog),
                Some(v1::Holds { everything: true, registries }) if registries.is_empty() => Holds::Everything,
                Some(v1::Holds { everything: true, .. }) => {
                    return Err(Invalid::new("holds", "either everything or some registries").into());
                }
                Some(holds) => Holds::These(areas("holds", &known.catalog, &holds.registries)?),
            },
            requires: match requires {
                None => base.requires.clone(),
                Some(requires) => Requires {
                    federal: requires.federal,
                    registries: areas("requires", &known.catalog, &requires.registries)?,
                },
            },
        })
    }
}

/// What was held, without registries that were retired since: they answer nothing, and cannot be held anew.
fn still_there(holds: &Holds, catalog: &Catalog) -> Holds {
    let Holds::These(registries) = holds else {
        return holds.clone();
    };
    let is_there = |id: &RegistryId| catalog.registries.get(id).is_some_and(|registry| !registry.retired);
    Holds::These(registries.iter().filter(|(id, _)| is_there(id)).map(|(id, areas)| (*id, areas.clone())).collect())
}

/// Registries by their ids, each with its areas.
fn areas(
    field: &'static str,
    catalog: &Catalog,
    given: &[v1::RegistryAreas],
) -> Result<BTreeMap<RegistryId, AreaSet>, Invalid> {
    let mut found = BTreeMap::new();
    for (given, at) in given.iter().zip(1..) {
        let bad = |what: &str| Invalid::new(field, format!("registry no. {at} {what}"));
        let registry = catalog.registry_named(&given.registry).ok_or_else(|| bad("does not exist"))?;
        let areas = match (given.all, given.areas.as_slice()) {
            (true, []) => AreaSet::All,
            (true, _) | (false, []) => return Err(bad("needs either all areas or some")),
            (false, areas) => {
                let read: Result<BTreeSet<Area>, _> = areas.iter().map(|area| area.parse()).collect();
                AreaSet::These(
                    read.map_err(|why: dnc_core::area::AreaError| bad(&format!("names an area that is {why}")))?,
                )
            }
        };
        if found.insert(registry.id, areas).is_some() {
            return Err(bad("is named twice"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use dnc_proto::v1::{CreateTenantRequest, RegistryAreas, UpdateTenantRequest};

    use super::*;
    use crate::testing::Fake;

    fn some(registry: &str, areas: &[&str]) -> RegistryAreas {
        let areas = areas.iter().map(|area| area.to_string()).collect();
        RegistryAreas { registry: registry.into(), all: false, areas }
    }

    fn holds(registries: Vec<RegistryAreas>) -> Option<v1::Holds> {
        Some(v1::Holds { everything: false, registries })
    }

    fn requires(registries: Vec<RegistryAreas>) -> Option<v1::Requires> {
        Some(v1::Requires { federal: true, registries })
    }

    fn new(name: &str, holds: Option<v1::Holds>) -> CreateTenantRequest {
        CreateTenantRequest { name: name.into(), holds, requires: None }
    }

    #[tokio::test]
    async fn a_tenant_is_made_once_and_holds_what_it_is_given() {
        let fake = Fake::founded();
        let tenants = Tenants::new(fake.clone());
        let asked = new("acme", holds(vec![some("federal", &["201", "202", "201"])]));
        let made = tenants.create(asked.clone()).await.expect("made");
        let terms = &made.tenant().terms;
        let federal = made.known.catalog.registry_named("federal").expect("a registry").id;
        assert!(terms.holds(federal, "201".parse().expect("an area")));
        assert!(!terms.holds(federal, "203".parse().expect("an area")));
        assert!(terms.requires.federal);
        assert_eq!(fake.barriers(), [made.known.catalog.revision]);
        assert_eq!(tenants.create(asked).await.expect("found").tenant(), made.tenant());
        let other = tenants.create(new("acme", None)).await.expect_err("taken");
        assert_eq!(other.kind(), Kind::Exists);
    }

    #[tokio::test]
    async fn an_update_changes_what_it_gives_and_a_late_one_nothing() {
        let fake = Fake::founded();
        let tenants = Tenants::new(fake.clone());
        let made = tenants.create(new("acme", None)).await.expect("made").tenant().clone();
        let everything = Some(v1::Holds { everything: true, registries: Vec::new() });
        let asked =
            UpdateTenantRequest { name: "acme".into(), edition: made.edition, holds: everything, requires: None };
        let changed = tenants.update(asked.clone()).await.expect("changed");
        assert_eq!(changed.tenant().terms, Terms { holds: Holds::Everything, requires: made.terms.requires });
        assert_eq!(fake.barriers().last(), Some(&changed.known.catalog.revision));
        assert_eq!(tenants.update(asked.clone()).await.expect("the same").tenant(), changed.tenant());
        let late = UpdateTenantRequest { holds: holds(Vec::new()), ..asked };
        assert_eq!(tenants.update(late.clone()).await.expect_err("late").kind(), Kind::Aborted);
        let anyhow = tenants.update(UpdateTenantRequest { edition: 0, ..late }).await.expect("changed");
        assert_eq!(anyhow.tenant().terms.holds, Holds::These(BTreeMap::new()));
    }

    #[tokio::test]
    async fn a_registry_that_was_retired_is_no_obstacle_to_changing_a_tenant_that_held_it() {
        let fake = Fake::founded();
        fake.registry("tx", dnc_core::registry::RegistryKind::State);
        let tenants = Tenants::new(fake.clone());
        let asked = new("acme", holds(vec![some("federal", &["201"]), some("tx", &["512"])]));
        tenants.create(asked).await.expect("made");
        let tx = fake.known().catalog.registry_named("tx").expect("a registry").id;
        fake.change(Change::RetireRegistry { registry: tx });
        let requires = requires(vec![some("federal", &["201"])]);
        let asked = UpdateTenantRequest { name: "acme".into(), requires, ..UpdateTenantRequest::default() };
        let changed = tenants.update(asked).await.expect("changed");
        assert!(
            matches!(&changed.tenant().terms.holds, Holds::These(held) if held.len() == 1 && !held.contains_key(&tx))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_held_or_required_is_refused() {
        let tenants = Tenants::new(Fake::founded());
        for (field, given) in [
            ("holds", vec![some("nowhere", &["201"])]),
            ("holds", vec![some("federal", &["2"])]),
            ("holds", vec![some("federal", &[])]),
            ("holds", vec![some("federal", &["201"]), some("federal", &["202"])]),
            ("holds", vec![RegistryAreas { all: true, ..some("federal", &["201"]) }]),
        ] {
            let error = tenants.create(new("acme", holds(given))).await.expect_err(field);
            assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
        }
        let live = CreateTenantRequest {
            requires: requires(vec![RegistryAreas { all: true, ..some("internal", &[]) }]),
            ..new("acme", None)
        };
        assert_eq!(tenants.create(live).await.expect_err("covers nothing").kind(), Kind::Precondition);
        let bad = tenants.create(new("A b", None)).await.expect_err("a name");
        assert!(bad.to_string().contains("a tenant's name"), "{bad}");
        assert_eq!(tenants.get("acme").await.expect_err("none").kind(), Kind::NotFound);
    }
}
