//! The catalog as a file, and what of it is restored: tenants, registries with their active version, rules. Nodes, the
//! shard map and plans belong to a cluster and stay there; other versions are in the file as evidence alone.

use dnc_core::catalog::{Catalog, NextIds, RestorePart};
use dnc_core::registry::{Registry, SyncState};
use dnc_core::rule::Rule;
use dnc_core::tenant::Tenant;
use serde::{Deserialize, Serialize};

use super::lines::Names;

/// The catalog's own file.
pub const CATALOG: &str = "catalog.json";

/// What a backup holds of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// All tenants.
    pub tenants: Vec<Tenant>,
    /// All registries, with all that is known of their versions. Keys of providers are encrypted.
    pub registries: Vec<Registry>,
    /// All rules.
    pub rules: Vec<Rule>,
    /// The last ids that were given.
    pub next: NextIds,
}

// === impl Kept ===

impl Kept {
    /// What is kept of a catalog.
    pub fn of(catalog: &Catalog) -> Self {
        Self {
            tenants: catalog.tenants.values().cloned().collect(),
            registries: catalog.registries.values().cloned().collect(),
            rules: catalog.rules.values().cloned().collect(),
            next: catalog.next,
        }
    }

    /// The names of its tenants and registries.
    pub fn names(&self) -> Names {
        Names::new(
            self.tenants.iter().map(|tenant| (tenant.id, tenant.name.clone())).collect(),
            self.registries.iter().map(|registry| (registry.id, registry.name.clone())).collect(),
        )
    }

    /// What a catalog is told of it, part by part.
    pub fn parts(&self) -> impl Iterator<Item = RestorePart> + '_ {
        let tenants = self.tenants.iter().cloned().map(RestorePart::Tenant);
        let registries = self.registries.iter().map(|registry| RestorePart::Registry(Box::new(alone(registry))));
        let rules = self.rules.iter().cloned().map(RestorePart::Rule);
        tenants.chain(registries).chain(rules)
    }
}

/// A registry with its active version alone, made from no other.
fn alone(registry: &Registry) -> Registry {
    let mut registry = registry.clone();
    registry.versions.retain(|id, _| Some(*id) == registry.active);
    registry.versions.values_mut().for_each(|version| version.ancestry.clear());
    let sync = SyncState { claim: None, ..std::mem::take(&mut registry.sync) };
    Registry { previous: None, summoned: None, sync, ..registry }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dnc_core::area::Area;
    use dnc_core::catalog::{Change, Decision, Founding, NewRegistry, Restored};
    use dnc_core::ids::{RegistryId, RequestId, TenantId};
    use dnc_core::registry::{
        Claim, Content, Coverage, Fetch, LoadReport, Outcome, RegistryKind, Schedule, SealedKey, Settings, Source,
        SyncRecord, Trigger,
    };
    use dnc_core::rule::Pattern;
    use dnc_core::tenant::{AreaSet, Holds, Requires, Terms};
    use jiff::civil::date;

    use super::*;

    fn done(catalog: &mut Catalog, change: Change) -> Decision {
        let decision = catalog.apply(change);
        assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
        decision
    }

    /// A catalog with all that one can hold.
    fn filled() -> Catalog {
        let mut catalog = Catalog::default();
        let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
        done(&mut catalog, Change::Found(founding));
        let key = SealedKey { nonce: [9; 12], ciphertext: vec![1, 2, 255] };
        let fetch = Fetch { url: "s3://lists/x".into(), lookup_url: String::new(), key: Some(key) };
        let schedule = Some(Schedule { cron: "0 3 * * *".into(), time_zone: "UTC".into() });
        let settings = Settings { fetch: Some(fetch), schedule, ..Settings::default() };
        let new = NewRegistry { settings, ..NewRegistry::named("federal", RegistryKind::Federal) };
        done(&mut catalog, Change::CreateRegistry(new));
        let registry = catalog.registry_named("federal").expect("made").id;
        let area: Area = "201".parse().expect("an area");
        for load in [u128::MAX, 7] {
            let from = catalog.active(registry);
            let begun = done(&mut catalog, Change::BeginVersion { registry, load, now_ms: 5 });
            let Decision::Version { id: version, .. } = begun else { panic!("{begun:?}") };
            let source = Source { list_date: date(2026, 11, 9), file: "a.txt".into(), sha256: [255; 32], numbers: 5 };
            let content = Content {
                coverage: Coverage::Areas(BTreeMap::from([(area, source)])),
                numbers: 5,
                by_area: BTreeMap::from([(area, 5)]),
                checksum: u64::MAX,
                report: LoadReport::default(),
            };
            done(&mut catalog, Change::SealVersion { registry, version, content });
            done(&mut catalog, Change::Activate { registry, version, from, now_ms: 6 });
        }
        let record = SyncRecord {
            sync: u128::MAX - 1,
            trigger: Trigger::Import,
            started_ms: 1,
            completed_ms: 2,
            outcome: Outcome::Done,
            version: catalog.active(registry),
            added: 5,
            removed: 0,
            unchanged: 0,
            message: String::new(),
        };
        done(&mut catalog, Change::EndSync { registry, record, next_ms: Some(9) });
        let claim = Claim { sync: 3, router: "r".into(), since_ms: 1, until_ms: 5 };
        done(&mut catalog, Change::ClaimSync { registry, claim });
        let areas = BTreeMap::from([(registry, AreaSet::These(BTreeSet::from([area])))]);
        let terms = Terms { holds: Holds::These(areas), requires: Requires::default() };
        done(&mut catalog, Change::CreateTenant { name: "acme".into(), terms });
        for (id, (kind, text)) in (1u128..).zip([("area_code", "201"), ("prefix", "201555"), ("regex", r"^\+1201")]) {
            let rule = Rule {
                id: RequestId(u128::MAX - id),
                tenant: (id > 1).then_some(TenantId(2)),
                pattern: Pattern::parse(kind, text).expect("a pattern"),
                description: "d".into(),
                author: "a".into(),
                created_ms: 3,
            };
            done(&mut catalog, Change::AddRule(rule));
        }
        catalog
    }

    #[test]
    fn a_catalog_reads_back_from_its_file() {
        let kept = Kept::of(&filled());
        let text = serde_json::to_vec(&kept).expect("JSON");
        assert_eq!(serde_json::from_slice::<Kept>(&text).expect("reads"), kept);
    }

    #[test]
    fn what_is_restored_needs_no_other_version_and_is_taken_by_a_new_cluster() {
        let old = filled();
        let kept = Kept::of(&old);
        let mut new = Catalog::default();
        let founding = Founding { cluster: 2, log_key: [0; 32], shards: 5, replication: 1, initial_nodes: 1 };
        done(&mut new, Change::Found(founding));
        let backup = RequestId(5);
        done(&mut new, Change::BeginRestore { backup });
        for part in kept.parts() {
            done(&mut new, Change::RestorePart { backup, part });
        }
        let restored = Restored { backup, cluster: 1, revision: old.revision, next: kept.next, at_ms: 7 };
        done(&mut new, Change::FinishRestore(restored));
        assert_eq!((&new.tenants, &new.rules), (&old.tenants, &old.rules));
        let (was, is) = (&old.registries[&RegistryId(1)], &new.registries[&RegistryId(1)]);
        assert_eq!(is.active_version(), was.active_version());
        assert_eq!((&is.settings, &is.sync.history), (&was.settings, &was.sync.history));
        assert_eq!((is.versions.len(), is.sync.claim.is_none()), (1, true));
    }
}
