use std::collections::BTreeMap;

use jiff::civil::date;

use super::*;
use crate::registry::Coverage;
use crate::view::ActiveVersion;

const FEDERAL: RegistryId = RegistryId(1);
const INTERNAL: RegistryId = RegistryId(2);
const LITIGATION: RegistryId = RegistryId(3);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("a valid number")
}

fn source(list_date: Date) -> Source {
    Source { list_date, file: "2026-11-9_201_x.txt".into(), sha256: [7; 32], numbers: 3 }
}

fn registry(id: RegistryId, kind: RegistryKind, coverage: Option<Coverage>) -> ViewRegistry {
    ViewRegistry {
        id,
        name: kind.as_str().into(),
        kind,
        max_age_days: 31,
        active: coverage.map(|coverage| ActiveVersion { id: VersionId(4), coverage }),
    }
}

/// A federal list of area code 201 of 9 November 2026, an internal registry, and a litigation list of everywhere.
fn view() -> View {
    let area = number("2015550100").area();
    let areas = BTreeMap::from([(area, source(date(2026, 11, 9)))]);
    View {
        revision: 5,
        registries: vec![
            registry(FEDERAL, RegistryKind::Federal, Some(Coverage::Areas(areas))),
            registry(INTERNAL, RegistryKind::Internal, None),
            registry(LITIGATION, RegistryKind::Litigation, Some(Coverage::Everywhere(source(date(2026, 1, 1))))),
        ],
    }
}

fn opt_out(origin: Origin) -> Suppression {
    Suppression { id: RequestId(9), origin, reason: "asked on a call".into(), added_by: "agent".into(), added_ms: 1 }
}

#[test]
fn a_covered_unlisted_number_is_clear_with_the_lists_that_were_asked() {
    let judged = judge(number("2015550155"), &Findings::default(), &view(), date(2026, 11, 21));
    assert_eq!(judged.verdict, Verdict::Clear);
    assert!(judged.reasons.is_empty());
    assert_eq!(judged.evidence.len(), 2);
    let federal = &judged.evidence[0];
    assert_eq!(federal.registry, "federal");
    assert_eq!(federal.version, Some(VersionId(4)));
    assert!(!federal.listed);
    assert_eq!(federal.source.as_ref().map(|s| s.list_date), Some(date(2026, 11, 9)));
}

#[test]
fn an_uncovered_area_is_unknown_whatever_other_lists_cover() {
    let judged = judge(number("2125550155"), &Findings::default(), &view(), date(2026, 11, 21));
    assert_eq!(judged.verdict, Verdict::Unknown(Cause::NotCovered));
}

#[test]
fn a_country_without_a_federal_list_is_unknown() {
    let judged = judge(number("+442071234567"), &Findings::default(), &view(), date(2026, 11, 21));
    assert_eq!(judged.verdict, Verdict::Unknown(Cause::NotCovered));
}

#[test]
fn a_list_is_fresh_on_its_31st_day_and_stale_on_its_32nd() {
    let at = |today| judge(number("2015550155"), &Findings::default(), &view(), today).verdict;
    assert_eq!(at(date(2026, 12, 10)), Verdict::Clear);
    assert_eq!(at(date(2026, 12, 11)), Verdict::Unknown(Cause::Stale));
    assert_eq!(at(date(2027, 12, 11)), Verdict::Unknown(Cause::Stale));
}

#[test]
fn a_fresh_federal_list_makes_up_for_a_stale_one() {
    let mut view = view();
    let area = number("2015550100").area();
    let areas = BTreeMap::from([(area, source(date(2020, 1, 1)))]);
    view.registries.push(registry(RegistryId(9), RegistryKind::Federal, Some(Coverage::Areas(areas))));
    let judged = judge(number("2015550155"), &Findings::default(), &view, date(2026, 11, 21));
    assert_eq!(judged.verdict, Verdict::Clear);
}

#[test]
fn a_listed_number_is_listed_even_where_nothing_covers_it_or_lists_are_stale() {
    let findings = Findings { bulk: vec![LITIGATION], live: vec![] };
    let judged = judge(number("2125550155"), &findings, &view(), date(2030, 1, 1));
    assert_eq!(judged.verdict, Verdict::Listed);
    assert_eq!(judged.reasons, [Reason::LitigationList]);
    assert!(judged.evidence[0].listed);
}

#[test]
fn reasons_come_in_their_fixed_order_and_once() {
    let findings = Findings {
        bulk: vec![FEDERAL, LITIGATION],
        live: vec![
            (INTERNAL, opt_out(Origin::Company)),
            (INTERNAL, opt_out(Origin::Consumer)),
            (INTERNAL, opt_out(Origin::Consumer)),
        ],
    };
    let judged = judge(number("2015550100"), &findings, &view(), date(2026, 11, 21));
    assert_eq!(
        judged.reasons,
        [Reason::ConsumerOptOut, Reason::InternalSuppression, Reason::LitigationList, Reason::FederalDncRegistry,]
    );
    assert_eq!(judged.evidence.len(), 5);
    assert_eq!(judged.evidence[0].suppression, Some(RequestId(9)));
    assert_eq!(judged.evidence[4].registry, "federal");
}

#[test]
fn an_entry_of_an_unknown_registry_still_lists() {
    let findings = Findings { bulk: vec![RegistryId(77)], live: vec![(RegistryId(78), opt_out(Origin::Consumer))] };
    let judged = judge(number("2015550100"), &findings, &view(), date(2026, 11, 21));
    assert_eq!(judged.verdict, Verdict::Listed);
    assert_eq!(judged.evidence[1].registry, "registry 77");
}
