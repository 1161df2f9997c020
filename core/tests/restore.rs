//! A catalog that is restored: nothing counts until all of it does, and then it is what it was.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

use dnc_core::catalog::{
    Catalog, Change, Decision, Founding, NewRegistry, NextIds, NodeAddresses, Refusal, RestorePart, Restored,
};
use dnc_core::ids::{RequestId, TenantId};
use dnc_core::registry::{Content, Coverage, LoadReport, RegistryKind, Source};
use dnc_core::rule::{Pattern, Rule};
use dnc_core::tenant::Terms;
use dnc_core::view::View;
use jiff::civil::date;

const BACKUP: RequestId = RequestId(77);

fn founded() -> Catalog {
    let mut catalog = Catalog::default();
    let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
    done(&mut catalog, Change::Found(founding));
    catalog
}

fn done(catalog: &mut Catalog, change: Change) {
    let decision = catalog.apply(change);
    assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
}

/// A catalog with a bit of everything: its active version was made from another one.
fn filled() -> Catalog {
    let mut catalog = founded();
    done(&mut catalog, Change::CreateTenant { name: "acme".into(), terms: Terms::everything() });
    done(&mut catalog, Change::CreateRegistry(NewRegistry::named("federal", RegistryKind::Federal)));
    done(&mut catalog, Change::CreateRegistry(NewRegistry::named("internal", RegistryKind::Internal)));
    let registry = catalog.registry_named("federal").unwrap().id;
    for load in 1..3 {
        let from = catalog.active(registry);
        let Decision::Version { id: version, .. } = catalog.apply(Change::BeginVersion { registry, load, now_ms: 5 })
        else {
            panic!("not begun");
        };
        let source = Source { list_date: date(2026, 11, 9), file: "a.txt".into(), sha256: [3; 32], numbers: 5 };
        let content = Content {
            coverage: Coverage::Everywhere(source),
            numbers: 5,
            by_area: Default::default(),
            checksum: 9,
            report: LoadReport::default(),
        };
        done(&mut catalog, Change::SealVersion { registry, version, content });
        done(&mut catalog, Change::Activate { registry, version, from, now_ms: 6 });
    }
    done(&mut catalog, Change::AddRule(rule()));
    catalog
}

fn rule() -> Rule {
    Rule {
        id: RequestId(4),
        tenant: Some(TenantId(2)),
        pattern: Pattern::parse("prefix", "201555").unwrap(),
        description: String::new(),
        author: String::new(),
        created_ms: 0,
    }
}

/// What a backup brings of it.
fn parts(catalog: &Catalog) -> Vec<RestorePart> {
    let registries = catalog.registries.values().cloned().map(|mut registry| {
        registry.versions.retain(|id, _| Some(*id) == registry.active);
        registry.versions.values_mut().for_each(|version| version.ancestry.clear());
        registry.previous = None;
        RestorePart::Registry(Box::new(registry))
    });
    let tenants = catalog.tenants.values().cloned().map(RestorePart::Tenant);
    tenants.chain(registries).chain(catalog.rules.values().cloned().map(RestorePart::Rule)).collect()
}

fn restored(next: NextIds) -> Restored {
    Restored { backup: BACKUP, cluster: 9, revision: 50, next, at_ms: 7 }
}

#[test]
fn nothing_counts_until_all_of_it_does_and_then_it_judges_as_before() {
    let old = filled();
    let mut new = founded();
    let empty = View::of(&new);
    // As every cluster is founded: they hold nothing, and make room.
    done(&mut new, Change::CreateRegistry(NewRegistry::named("internal", RegistryKind::Internal)));
    done(&mut new, Change::BeginRestore { backup: BACKUP });
    // Twice: an interrupted restore is begun again.
    for _ in 0..2 {
        done(&mut new, Change::BeginRestore { backup: BACKUP });
        for part in parts(&old) {
            done(&mut new, Change::RestorePart { backup: BACKUP, part });
            assert_eq!(View { revision: empty.revision, ..View::of(&new) }, empty);
        }
    }
    let addresses = NodeAddresses { service: "a:1".into(), raft: "a:2".into() };
    done(&mut new, Change::RegisterNode { incarnation: 5, addresses, zone: String::new() });
    // Nor does a node's repair wait for it.
    new.apply(Change::ReportDamage { incarnation: 5 });
    done(&mut new, Change::GrantRepair { node: 1 });
    let addresses = NodeAddresses { service: "b:1".into(), raft: "b:2".into() };
    new.apply(Change::RegisterNode { incarnation: 6, addresses, zone: String::new() });
    done(&mut new, Change::Succeed { damaged: 5, incarnation: 6 });
    let other = new.apply(Change::CreateRegistry(NewRegistry::named("x", RegistryKind::State)));
    assert_eq!(other, Decision::Refused(Refusal::Restoring));
    assert_eq!(new.apply(Change::BeginRestore { backup: RequestId(1) }), Decision::Refused(Refusal::Restoring));
    done(&mut new, Change::FinishRestore(restored(old.next)));
    let revision = new.revision;
    assert_eq!(View { revision, ..View::of(&old) }, View::of(&new));
    assert_eq!((new.next.registry, new.next.version, new.next.tenant), (2, 2, 2));
    assert_eq!((new.next.node, new.nodes.len()), (2, 2));
    // Repeated, it changes nothing.
    done(&mut new, Change::FinishRestore(restored(old.next)));
    done(&mut new, Change::BeginRestore { backup: BACKUP });
    assert_eq!((new.revision, new.restoring.is_some()), (revision, false));
}

#[test]
fn a_read_changes_nothing_and_names_the_revision() {
    let mut catalog = filled();
    let before = catalog.clone();
    assert_eq!(catalog.apply(Change::Read), Decision::Done { revision: before.revision });
    assert_eq!(catalog, before);
}

#[test]
fn a_cluster_in_which_something_was_made_takes_no_backup() {
    let mut changed = Vec::new();
    let mut with = |change| {
        let mut catalog = founded();
        done(&mut catalog, change);
        changed.push(catalog);
    };
    with(Change::CreateRegistry(NewRegistry { now_ms: 5, ..NewRegistry::named("x", RegistryKind::State) }));
    with(Change::CreateTenant { name: "acme".into(), terms: Terms::default() });
    with(Change::UpdateTenant { tenant: TenantId(1), edition: 1, terms: Terms::default() });
    with(Change::AddRule(Rule { tenant: None, ..rule() }));
    for mut catalog in changed {
        let refused = catalog.apply(Change::BeginRestore { backup: BACKUP });
        assert!(matches!(refused, Decision::Refused(Refusal::NotEmpty(_))), "{refused:?}");
    }
}

#[test]
fn what_makes_no_catalog_is_refused() {
    let old = filled();
    let mut new = founded();
    let part = RestorePart::Rule(rule());
    let early = new.apply(Change::RestorePart { backup: BACKUP, part: part.clone() });
    assert_eq!(early, Decision::Refused(Refusal::NoRestore));
    done(&mut new, Change::BeginRestore { backup: BACKUP });
    let other = new.apply(Change::RestorePart { backup: RequestId(1), part });
    assert_eq!(other, Decision::Refused(Refusal::NoRestore));
    let whole = RestorePart::Registry(Box::new(old.registry_named("federal").unwrap().clone()));
    let refused = new.apply(Change::RestorePart { backup: BACKUP, part: whole });
    assert!(matches!(refused, Decision::Refused(Refusal::BadRestore(_))), "{refused:?}");
    // Ids that would be given again.
    for part in parts(&old) {
        done(&mut new, Change::RestorePart { backup: BACKUP, part });
    }
    for next in [NextIds::default(), NextIds { version: 1, ..old.next }, NextIds { tenant: 1, ..old.next }] {
        let refused = new.apply(Change::FinishRestore(restored(next)));
        assert!(matches!(refused, Decision::Refused(Refusal::BadRestore(_))), "{refused:?}");
    }
    done(&mut new, Change::FinishRestore(restored(old.next)));
}
