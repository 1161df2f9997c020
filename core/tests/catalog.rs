//! The catalog under random changes: what must hold after each of them, whoever proposes what in which order.
//!
//! Beside the catalog runs a plain model of what the shards store: which version wrote which block, and what is pruned.
//! Whatever is kept must read the same after every change.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry, NodeAddresses};
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::registry::{
    Claim, Content, Coverage, LoadReport, Outcome, RegistryKind, Settings, Source, SyncRecord, Trigger, VersionState,
};
use dnc_core::rule::{Pattern, Rule};
use dnc_core::tenant::{AreaSet, Holds, Requires, Terms};
use dnc_core::view::View;
use jiff::civil::date;
use proptest::collection::vec;
use proptest::prelude::*;

/// Blocks of each registry in the model.
const BLOCKS: u8 = 3;

/// What somebody does. Small numbers choose among what is there, and sometimes what is not.
#[derive(Clone, Debug)]
enum Op {
    Register(u8),
    CreateRegistry { name: u8, kind: u8, owner: u8 },
    UpdateRegistry { registry: u8, edition: u8, keep: u8, enabled: bool },
    Retire(u8),
    Begin { registry: u8, load: u8 },
    Stage { registry: u8, version: u8, block: u8 },
    Seal { registry: u8, version: u8, numbers: u8 },
    Activate { registry: u8, version: u8, honest: bool },
    Summon { registry: u8, version: Option<u8> },
    Discard { registry: u8, version: u8 },
    Prune(u8),
    Forget,
    CreateTenant { name: u8, terms: u8 },
    UpdateTenant { tenant: u8, edition: u8, terms: u8 },
    AddRule { id: u8, area: u8, tenant: u8 },
    RemoveRule(u8),
    Claim { registry: u8, sync: u8, since: u8 },
    EndSync { registry: u8, sync: u8, next: Option<u8> },
    Schedule { registry: u8, next: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let versions = prop_oneof![
        6 => (0..4u8, any::<u8>()).prop_map(|(registry, load)| Op::Begin { registry, load }),
        6 => (0..4u8, any::<u8>(), 0..BLOCKS)
            .prop_map(|(registry, version, block)| Op::Stage { registry, version, block }),
        8 => (0..4u8, any::<u8>(), 0..3u8)
            .prop_map(|(registry, version, numbers)| Op::Seal { registry, version, numbers }),
        8 => (0..4u8, any::<u8>(), prop::bool::weighted(0.8))
            .prop_map(|(registry, version, honest)| Op::Activate { registry, version, honest }),
        2 => (0..4u8, proptest::option::of(any::<u8>()))
            .prop_map(|(registry, version)| Op::Summon { registry, version }),
        2 => (0..4u8, any::<u8>()).prop_map(|(registry, version)| Op::Discard { registry, version }),
        3 => (0..4u8).prop_map(Op::Prune),
        3 => Just(Op::Forget),
    ];
    let rest = prop_oneof![
        1 => (0..3u8).prop_map(Op::Register),
        3 => (0..6u8, 0..6u8, 0..4u8).prop_map(|(name, kind, owner)| Op::CreateRegistry { name, kind, owner }),
        3 => (0..4u8, 0..3u8, 1..5u8, any::<bool>())
            .prop_map(|(registry, edition, keep, enabled)| Op::UpdateRegistry { registry, edition, keep, enabled }),
        1 => (0..8u8).prop_map(Op::Retire),
        2 => (0..4u8, 0..5u8).prop_map(|(name, terms)| Op::CreateTenant { name, terms }),
        2 => (0..4u8, 0..3u8, 0..5u8)
            .prop_map(|(tenant, edition, terms)| Op::UpdateTenant { tenant, edition, terms }),
        2 => (0..6u8, 0..3u8, 0..4u8).prop_map(|(id, area, tenant)| Op::AddRule { id, area, tenant }),
        1 => (0..6u8).prop_map(Op::RemoveRule),
        2 => (0..4u8, 0..4u8, 0..20u8).prop_map(|(registry, sync, since)| Op::Claim { registry, sync, since }),
        2 => (0..4u8, 0..4u8, proptest::option::of(0..9u8))
            .prop_map(|(registry, sync, next)| Op::EndSync { registry, sync, next }),
        1 => (0..4u8, 0..9u8).prop_map(|(registry, next)| Op::Schedule { registry, next }),
    ];
    prop_oneof![3 => versions, 2 => rest]
}

/// The catalog, and what the shards store.
struct World {
    catalog: Catalog,
    /// Which version wrote a block, and what.
    store: BTreeMap<(RegistryId, VersionId, u8), u32>,
    /// What each version holds, block by block.
    expected: BTreeMap<VersionId, BTreeMap<u8, u32>>,
    /// What the last prune of a registry looked for, and found to be still there.
    pruned: Option<(RegistryId, BTreeSet<VersionId>, BTreeSet<VersionId>)>,
    /// The greatest ids ever given.
    given: (u32, u64, u32),
    writes: u32,
}

impl World {
    fn founded() -> World {
        let mut catalog = Catalog::default();
        catalog.apply(Change::Found(Founding {
            cluster: 1,
            log_key: [0; 32],
            shards: 1,
            replication: 1,
            initial_nodes: 1,
        }));
        for (name, kind) in [("a", RegistryKind::Federal), ("b", RegistryKind::State), ("c", RegistryKind::Internal)] {
            catalog.apply(Change::CreateRegistry(NewRegistry::named(name, kind)));
        }
        let given = (catalog.next.registry, catalog.next.version, catalog.next.tenant);
        World { catalog, store: BTreeMap::new(), expected: BTreeMap::new(), pruned: None, given, writes: 0 }
    }

    /// A registry's number: one that is there, mostly.
    fn registry(&self, at: u8) -> RegistryId {
        RegistryId(u32::from(at) + 1)
    }

    /// One of a registry's versions; of another registry, sometimes.
    fn version(&self, registry: RegistryId, at: u8) -> VersionId {
        let own = self.catalog.registries.get(&registry).map(|r| r.versions.keys().copied().collect::<Vec<_>>());
        let own = own.unwrap_or_default();
        if own.is_empty() || at > 250 { VersionId(u64::from(at)) } else { own[usize::from(at) % own.len()] }
    }

    fn change(&self, op: &Op) -> Option<Change> {
        let catalog = &self.catalog;
        Some(match *op {
            Op::Register(node) => Change::RegisterNode {
                incarnation: node.into(),
                addresses: NodeAddresses { service: "s".into(), raft: "r".into() },
                zone: String::new(),
            },
            Op::CreateRegistry { name, kind, owner } => Change::CreateRegistry(NewRegistry {
                owner: (owner > 0).then_some(TenantId(owner.into())),
                ..NewRegistry::named(
                    ["a", "b", "d", "e", "f", "Bad Name"][usize::from(name)],
                    RegistryKind::ALL[usize::from(kind)],
                )
            }),
            Op::UpdateRegistry { registry, edition, keep, enabled } => {
                let registry = self.registry(registry);
                let now = catalog.registries.get(&registry).map_or(0, |r| r.edition);
                let settings = Settings { keep_versions: keep, enabled, ..Settings::default() };
                Change::UpdateRegistry { registry, edition: now.saturating_sub(u64::from(edition / 2)), settings }
            }
            Op::Retire(registry) => Change::RetireRegistry { registry: self.registry(registry) },
            Op::Begin { registry, load } => {
                Change::BeginVersion { registry: self.registry(registry), load: load.into(), now_ms: 1 }
            }
            Op::Seal { registry, version, numbers } => {
                let registry = self.registry(registry);
                Change::SealVersion { registry, version: self.version(registry, version), content: content(numbers) }
            }
            Op::Activate { registry, version, honest } => {
                let registry = self.registry(registry);
                let from = if honest { catalog.active(registry) } else { Some(VersionId(2)) };
                Change::Activate { registry, version: self.version(registry, version), from, now_ms: 2 }
            }
            Op::Summon { registry, version } => {
                let registry = self.registry(registry);
                Change::Summon { registry, version: version.map(|version| self.version(registry, version)) }
            }
            Op::Discard { registry, version } => {
                let registry = self.registry(registry);
                Change::Discard { registry, version: self.version(registry, version) }
            }
            Op::Forget => {
                let (registry, versions, holding) = self.pruned.clone()?;
                Change::Forget { registry, versions, holding }
            }
            Op::CreateTenant { name, terms } => Change::CreateTenant {
                name: ["default", "t", "u", "No Name"][usize::from(name)].into(),
                terms: self::terms(terms),
            },
            Op::UpdateTenant { tenant, edition, terms } => {
                let tenant = TenantId(u32::from(tenant));
                let now = catalog.tenants.get(&tenant).map_or(0, |t| t.edition);
                Change::UpdateTenant {
                    tenant,
                    edition: now.saturating_sub(u64::from(edition / 2)),
                    terms: self::terms(terms),
                }
            }
            Op::AddRule { id, area, tenant } => Change::AddRule(Rule {
                id: RequestId(id.into()),
                tenant: (tenant > 0).then_some(TenantId(tenant.into())),
                pattern: Pattern::parse("area_code", ["201", "202", "203"][usize::from(area)]).unwrap(),
                description: String::new(),
                author: String::new(),
                created_ms: 0,
            }),
            Op::RemoveRule(id) => Change::RemoveRule { rule: RequestId(id.into()) },
            Op::Claim { registry, sync, since } => Change::ClaimSync {
                registry: self.registry(registry),
                claim: Claim {
                    sync: sync.into(),
                    router: String::new(),
                    since_ms: since.into(),
                    until_ms: u64::from(since) + 5,
                },
            },
            Op::EndSync { registry, sync, next } => Change::EndSync {
                registry: self.registry(registry),
                record: SyncRecord {
                    sync: sync.into(),
                    trigger: Trigger::Request,
                    started_ms: 0,
                    completed_ms: 1,
                    outcome: Outcome::Done,
                    version: None,
                    added: 0,
                    removed: 0,
                    unchanged: 0,
                    message: String::new(),
                },
                next_ms: next.map(u64::from),
            },
            Op::Schedule { registry, next } => {
                Change::ScheduleSync { registry: self.registry(registry), next_ms: next.into() }
            }
            Op::Stage { .. } | Op::Prune(_) => return None,
        })
    }

    /// Does it, and looks at what must hold.
    fn run(&mut self, op: &Op) {
        match *op {
            Op::Stage { registry, version, block } => self.stage(self.registry(registry), version, block),
            Op::Prune(registry) => self.prune(self.registry(registry)),
            _ => {
                if let Some(change) = self.change(op) {
                    self.propose(&change);
                }
            }
        }
        self.check();
    }

    fn propose(&mut self, change: &Change) {
        let before = self.catalog.clone();
        let decision = self.catalog.apply(change.clone());
        let after = &self.catalog;
        // A refusal, or a change that says what is the case, leaves everything as it was; any other is one revision.
        if matches!(decision, Decision::Refused(_)) || after.revision == before.revision {
            assert_eq!(after, &before, "{change:?} {decision:?}");
        } else {
            assert_eq!(after.revision, before.revision + 1);
        }
        assert!(after.view_revision == before.view_revision || after.view_revision == after.revision);
        // What can change a verdict makes a new view.
        let (old, new) = (View::of(&before), View::of(after));
        if (&old.registries, &old.tenants, &old.rules) != (&new.registries, &new.tenants, &new.rules) {
            assert_eq!(after.view_revision, after.revision, "{change:?}");
        }
        // The same again has no effect, and is answered alike or refused.
        let mut again = after.clone();
        let repeated = again.apply(change.clone());
        assert_eq!(&again, after, "{change:?} {repeated:?}");
        if !matches!(repeated, Decision::Refused(_)) {
            assert_eq!(repeated, decision, "{change:?}");
        }
        match (change, &decision) {
            (Change::Activate { registry, version, .. }, Decision::Done { .. }) => {
                let known = &before.registries[registry].versions[version];
                assert!(matches!(known.state, VersionState::Sealed(_)), "{known:?} became active");
                assert!(before.registries[registry].kept().contains(version), "{known:?} was not kept");
            }
            (Change::BeginVersion { registry, .. }, Decision::Version { id, parent, .. })
                if !before.registries[registry].versions.contains_key(id) =>
            {
                let inherited = parent.and_then(|parent| self.expected.get(&parent)).cloned();
                self.expected.insert(*id, inherited.unwrap_or_default());
            }
            _ => {}
        }
        self.check_ids(&before);
    }

    fn stage(&mut self, registry: RegistryId, version: u8, block: u8) {
        let version = self.version(registry, version);
        let known = self.catalog.registries.get(&registry).and_then(|r| r.versions.get(&version));
        if known.is_some_and(|known| known.state == VersionState::Staging) {
            self.writes += 1;
            self.store.insert((registry, version, block), self.writes);
            self.expected.entry(version).or_default().insert(block, self.writes);
        }
    }

    /// What a shard does: a block stays if some kept version reads it.
    fn prune(&mut self, registry: RegistryId) {
        let Some(known) = self.catalog.registries.get(&registry) else { return };
        let mut needed = BTreeSet::new();
        for id in known.kept() {
            for block in 0..BLOCKS {
                needed.extend(self.holder(registry, id, block));
            }
        }
        self.store.retain(|key, _| key.0 != registry || needed.contains(key));
        let discarded = known.versions.values().filter(|v| v.state == VersionState::Discarded).map(|v| v.id);
        let ancestors = known.versions.values().flat_map(|v| v.ancestry.iter().copied());
        let looked: BTreeSet<VersionId> = discarded.chain(ancestors).collect();
        let holding = self.store.keys().filter(|key| key.0 == registry).map(|key| key.1);
        let holding = holding.filter(|id| looked.contains(id)).collect();
        self.pruned = Some((registry, looked, holding));
    }

    /// The version that a version's block is found in.
    fn holder(&self, registry: RegistryId, id: VersionId, block: u8) -> Option<(RegistryId, VersionId, u8)> {
        let version = self.catalog.registries.get(&registry)?.versions.get(&id)?;
        let line = version.line().into_iter().map(|id| (registry, id, block));
        line.into_iter().find(|key| self.store.contains_key(key))
    }

    fn check_ids(&mut self, before: &Catalog) {
        let catalog = &self.catalog;
        for id in catalog.registries.keys().filter(|id| !before.registries.contains_key(id)) {
            assert!(id.0 > self.given.0, "registry {id} is given twice");
            self.given.0 = id.0;
        }
        let versions = |catalog: &Catalog| -> BTreeSet<VersionId> {
            catalog.registries.values().flat_map(|registry| registry.versions.keys().copied()).collect()
        };
        for id in versions(catalog).difference(&versions(before)) {
            assert!(id.0 > self.given.1, "version {id} is given twice");
            self.given.1 = id.0;
        }
        for id in catalog.tenants.keys().filter(|id| !before.tenants.contains_key(id)) {
            assert!(id.0 > self.given.2, "tenant {id} is given twice");
            self.given.2 = id.0;
        }
        assert!(before.registries.keys().all(|id| catalog.registries.contains_key(id)));
        assert!(before.tenants.keys().all(|id| catalog.tenants.contains_key(id)));
    }

    fn check(&self) {
        let catalog = &self.catalog;
        let names: BTreeSet<&str> = catalog.registries.values().map(|r| r.name.as_str()).collect();
        assert_eq!(names.len(), catalog.registries.len(), "names of registries are unique");
        let names: BTreeSet<&str> = catalog.tenants.values().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), catalog.tenants.len(), "names of tenants are unique");
        for registry in catalog.registries.values() {
            let kept = registry.kept();
            let answering = registry.active.into_iter().chain(registry.previous);
            let staging = registry.versions.values().filter(|v| v.state == VersionState::Staging);
            let parents = staging.filter_map(|v| v.parent());
            for id in answering.clone().chain(parents) {
                assert!(kept.contains(&id), "{id} is needed and not kept");
            }
            for id in answering.chain(registry.summoned) {
                let known = &registry.versions[&id];
                assert!(known.content().is_some(), "{known:?} answers checks, or is to");
            }
            for version in registry.versions.values().filter(|v| v.content().is_some()) {
                assert!(kept.contains(&version.id), "{version:?} can become active and is not kept");
            }
            for id in kept.iter().filter(|id| registry.versions.contains_key(id)) {
                let read: BTreeMap<u8, u32> = (0..BLOCKS)
                    .filter_map(|block| Some((block, self.store[&self.holder(registry.id, *id, block)?])))
                    .collect();
                assert_eq!(read, self.expected[id], "version {id} reads otherwise than it was written");
            }
        }
        for tenant in catalog.tenants.values() {
            for id in tenant.terms.requires.registries.keys() {
                assert!(!catalog.registries[id].retired, "{} requires a retired registry", tenant.name);
            }
        }
    }
}

fn content(numbers: u8) -> Content {
    let source = Source { list_date: date(2026, 1, 1), file: "f".into(), sha256: [0; 32], numbers: u64::from(numbers) };
    Content {
        coverage: Coverage::Everywhere(source),
        numbers: numbers.into(),
        by_area: BTreeMap::new(),
        checksum: 0,
        report: LoadReport::default(),
    }
}

fn terms(which: u8) -> Terms {
    let registry = |id: u32| BTreeMap::from([(RegistryId(id), AreaSet::All)]);
    match which {
        0 => Terms::everything(),
        1 => Terms::default(),
        2 => Terms { holds: Holds::These(registry(4)), ..Terms::default() },
        n => Terms { requires: Requires { federal: true, registries: registry(n.into()) }, ..Terms::default() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_proposed_the_catalog_stays_whole(ops in vec(op(), 1..120)) {
        let mut world = World::founded();
        for op in &ops {
            world.run(op);
        }
    }
}
