use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::date;

use super::*;
use crate::area::Area;
use crate::exemption::Months;
use crate::registry::Coverage;
use crate::rule::{Pattern, Rule, RuleSet};
use crate::tenant::{AreaSet, DEFAULT_TENANT_ID, Holds, Requires, Terms};
use crate::view::ActiveVersion;

const FEDERAL: RegistryId = RegistryId(1);
const INTERNAL: RegistryId = RegistryId(2);
const LITIGATION: RegistryId = RegistryId(3);
const STATE: RegistryId = RegistryId(4);
const OTHER_TENANT: TenantId = TenantId(2);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("a valid number")
}

fn area(text: &str) -> Area {
    text.parse().expect("an area")
}

fn source(list_date: Date) -> Source {
    Source { list_date, file: "2026-11-9_201_x.txt".into(), sha256: [7; 32], numbers: 3 }
}

fn one_area(code: &str, list_date: Date) -> Coverage {
    Coverage::Areas(BTreeMap::from([(area(code), source(list_date))]))
}

fn registry(id: RegistryId, kind: RegistryKind, coverage: Option<Coverage>) -> ViewRegistry {
    ViewRegistry {
        id,
        name: kind.as_str().into(),
        kind,
        owner: None,
        max_age_days: 31,
        exemption_months: Months::default(),
        active: coverage.map(|coverage| ActiveVersion { id: VersionId(4), coverage }),
    }
}

/// A federal list of area code 201 of 9 November 2026, an internal registry, and a litigation list of everywhere.
fn view() -> View {
    View {
        revision: 5,
        registries: vec![
            registry(FEDERAL, RegistryKind::Federal, Some(one_area("201", date(2026, 11, 9)))),
            registry(INTERNAL, RegistryKind::Internal, None),
            registry(LITIGATION, RegistryKind::Litigation, Some(Coverage::Everywhere(source(date(2026, 1, 1))))),
        ],
        tenants: vec![
            ViewTenant { id: DEFAULT_TENANT_ID, name: "default".into(), terms: Terms::everything() },
            ViewTenant { id: OTHER_TENANT, name: "other".into(), terms: Terms::default() },
        ],
        rules: Arc::default(),
    }
}

fn opt_out(registry: RegistryId, origin: Origin) -> LiveFinding {
    LiveFinding { registry, id: RequestId(9), tenant: DEFAULT_TENANT_ID, scope: Scope::Tenant, origin }
}

fn consent() -> Exemption {
    Exemption {
        id: RequestId(8),
        tenant: DEFAULT_TENANT_ID,
        ground: Ground::Consent,
        since: date(2026, 1, 1),
        expires_ms: Some(1_000),
        proof: "form 7".into(),
        proof_sha256: String::new(),
        notes: String::new(),
        granted_by: String::new(),
        granted_ms: 0,
    }
}

fn on(today: Date) -> Now {
    Now { today, ms: 999 }
}

fn ask(text: &str, findings: &Findings, view: &View, today: Date) -> Judgement {
    judge(number(text), findings, view, &Asker::tenant(DEFAULT_TENANT_ID), on(today))
}

const TODAY: Date = date(2026, 11, 21);

fn nothing() -> Findings {
    Findings::default()
}

#[test]
fn a_covered_unlisted_number_is_clear_with_the_lists_that_were_asked() {
    let judged = ask("2015550155", &nothing(), &view(), TODAY);
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
    assert_eq!(ask("2125550155", &nothing(), &view(), TODAY).verdict, Verdict::Unknown(Cause::NotCovered));
}

#[test]
fn a_country_without_a_federal_list_is_unknown() {
    assert_eq!(ask("+442071234567", &nothing(), &view(), TODAY).verdict, Verdict::Unknown(Cause::NotCovered));
}

#[test]
fn a_list_is_fresh_on_its_31st_day_and_stale_on_its_32nd() {
    let at = |today| ask("2015550155", &nothing(), &view(), today).verdict;
    assert_eq!(at(date(2026, 12, 10)), Verdict::Clear);
    assert_eq!(at(date(2026, 12, 11)), Verdict::Unknown(Cause::Stale));
    assert_eq!(at(date(2027, 12, 11)), Verdict::Unknown(Cause::Stale));
    // A list dated tomorrow, by a clock that is behind.
    assert_eq!(at(date(2026, 11, 8)), Verdict::Clear);
}

#[test]
fn a_fresh_federal_list_does_not_make_up_for_a_stale_one() {
    let mut view = view();
    let stale = ViewRegistry {
        name: "federal-2".into(),
        ..registry(RegistryId(9), RegistryKind::Federal, Some(one_area("201", date(2020, 1, 1))))
    };
    view.registries.push(stale);
    assert_eq!(ask("2015550155", &nothing(), &view, TODAY).verdict, Verdict::Unknown(Cause::Stale));
}

#[test]
fn a_stale_state_list_that_covers_the_number_makes_it_unknown() {
    let mut view = view();
    view.registries.push(registry(STATE, RegistryKind::State, Some(one_area("201", date(2026, 10, 1)))));
    assert_eq!(ask("2015550155", &nothing(), &view, TODAY).verdict, Verdict::Unknown(Cause::Stale));
    view.registries[3].max_age_days = 60;
    assert_eq!(ask("2015550155", &nothing(), &view, TODAY).verdict, Verdict::Clear);
}

#[test]
fn a_listed_number_is_listed_even_where_nothing_covers_it_or_lists_are_stale() {
    let findings = Findings { bulk: vec![LITIGATION], ..nothing() };
    let judged = ask("2125550155", &findings, &view(), date(2030, 1, 1));
    assert_eq!(judged.verdict, Verdict::Listed);
    assert_eq!(judged.reasons, [Reason::LitigationList]);
    assert!(judged.evidence[0].listed);
}

#[test]
fn reasons_come_in_their_fixed_order_and_once() {
    let findings = Findings {
        bulk: vec![FEDERAL, LITIGATION],
        live: vec![
            opt_out(INTERNAL, Origin::Company),
            opt_out(INTERNAL, Origin::Consumer),
            opt_out(INTERNAL, Origin::Consumer),
        ],
        ..nothing()
    };
    let judged = ask("2015550100", &findings, &view(), TODAY);
    assert_eq!(
        judged.reasons,
        [Reason::ConsumerOptOut, Reason::InternalSuppression, Reason::LitigationList, Reason::FederalDncRegistry]
    );
    assert_eq!(judged.evidence.len(), 5);
    assert_eq!(judged.evidence[0].suppression, Some(RequestId(9)));
    assert_eq!(judged.evidence[4].registry, "federal");
}

#[test]
fn an_entry_of_an_unknown_registry_still_lists() {
    let live = vec![opt_out(RegistryId(78), Origin::Consumer)];
    let findings = Findings { bulk: vec![RegistryId(77)], live, ..nothing() };
    let judged = ask("2015550100", &findings, &view(), TODAY);
    assert_eq!(judged.verdict, Verdict::Listed);
    assert_eq!(judged.evidence[1].registry, "registry 77");
}

#[test]
fn a_tenant_is_not_answered_from_what_it_does_not_hold() {
    let findings =
        Findings { bulk: vec![FEDERAL, LITIGATION], live: vec![opt_out(INTERNAL, Origin::Consumer)], ..nothing() };
    let mut view = view();
    let asks = |view: &View| judge(number("2015550100"), &findings, view, &Asker::tenant(OTHER_TENANT), on(TODAY));
    let judged = asks(&view);
    assert_eq!(judged.verdict, Verdict::Unknown(Cause::NotCovered));
    assert!(judged.evidence.is_empty());
    let areas = AreaSet::These(BTreeSet::from([area("202")]));
    view.tenants[1].terms.holds = Holds::These(BTreeMap::from([(FEDERAL, areas)]));
    assert_eq!(asks(&view).verdict, Verdict::Unknown(Cause::NotCovered));
    view.tenants[1].terms.holds = Holds::These(BTreeMap::from([(FEDERAL, AreaSet::All)]));
    assert_eq!(asks(&view).reasons, [Reason::FederalDncRegistry]);
    // Its own it holds anyway, and nobody else does.
    view.registries[2].owner = Some(OTHER_TENANT);
    assert_eq!(asks(&view).reasons, [Reason::LitigationList, Reason::FederalDncRegistry]);
    assert!(!ask("2015550100", &findings, &view, TODAY).reasons.contains(&Reason::LitigationList));
}

#[test]
fn a_tenant_that_nobody_knows_is_never_told_that_a_number_is_clear() {
    let stranger = Asker::tenant(TenantId(99));
    let judged = judge(number("2015550155"), &nothing(), &view(), &stranger, on(TODAY));
    assert_eq!(judged.verdict, Verdict::Unknown(Cause::NotCovered));
}

#[test]
fn what_a_tenant_requires_must_cover_the_number_and_be_fresh() {
    let mut view = view();
    view.registries.push(registry(STATE, RegistryKind::Partner, Some(one_area("201", date(2026, 11, 9)))));
    let mut requires = |federal, registries: &[(RegistryId, AreaSet)]| {
        let registries = registries.iter().cloned().collect();
        view.tenants[0].terms.requires = Requires { federal, registries };
        ask("2015550155", &nothing(), &view, TODAY).verdict
    };
    assert_eq!(requires(true, &[(STATE, AreaSet::All)]), Verdict::Clear);
    assert_eq!(requires(false, &[]), Verdict::Clear);
    assert_eq!(requires(true, &[(INTERNAL, AreaSet::All)]), Verdict::Unknown(Cause::NotCovered));
    assert_eq!(requires(true, &[(RegistryId(50), AreaSet::All)]), Verdict::Unknown(Cause::NotCovered));
    let elsewhere = AreaSet::These(BTreeSet::from([area("202")]));
    assert_eq!(requires(true, &[(RegistryId(50), elsewhere)]), Verdict::Clear);
    // The litigation list is older than it may be: nobody minds, unless it is required.
    assert_eq!(requires(true, &[(LITIGATION, AreaSet::All)]), Verdict::Unknown(Cause::Stale));
}

#[test]
fn a_scoped_suppression_holds_for_its_calls_and_for_those_that_do_not_say() {
    let entry = LiveFinding { scope: Scope::Brand("acme".into()), ..opt_out(INTERNAL, Origin::Consumer) };
    let findings = Findings { live: vec![entry], ..nothing() };
    let verdict = |brand: Option<&str>| {
        let asker = Asker { brand: brand.map(str::to_owned), ..Asker::tenant(DEFAULT_TENANT_ID) };
        judge(number("2015550155"), &findings, &view(), &asker, on(TODAY)).verdict
    };
    assert_eq!(verdict(None), Verdict::Listed);
    assert_eq!(verdict(Some("acme")), Verdict::Listed);
    assert_eq!(verdict(Some("other")), Verdict::Clear);
}

#[test]
fn a_rule_lists_and_is_named_with_its_description() {
    let rule = Rule {
        id: RequestId(5),
        tenant: None,
        pattern: Pattern::parse("prefix", "201555").expect("a pattern"),
        description: "test exchange".into(),
        author: "ops".into(),
        created_ms: 0,
    };
    let mut view = view();
    view.rules = Arc::new(RuleSet::new(&BTreeMap::from([(rule.id, rule)])));
    let judged = ask("2015550155", &nothing(), &view, TODAY);
    assert_eq!(judged.reasons, [Reason::MatchedSuppressionRule]);
    assert_eq!(judged.evidence[0].rule, Some((RequestId(5), "test exchange".into())));
    assert_eq!(ask("2012220155", &nothing(), &view, TODAY).verdict, Verdict::Clear);
}

#[test]
fn an_exemption_lifts_a_federal_listing_and_the_answer_names_it() {
    let findings = Findings { bulk: vec![FEDERAL], exemptions: vec![consent()], ..nothing() };
    let judged = ask("2015550155", &findings, &view(), TODAY);
    assert_eq!(judged.verdict, Verdict::Clear);
    assert_eq!(judged.exemption, Some((RequestId(8), Ground::Consent)));
    assert!(judged.evidence[0].listed && judged.evidence[0].lifted);
    // Not that of another tenant, and not once it has ended.
    let of_other = Exemption { tenant: OTHER_TENANT, ..consent() };
    let findings = Findings { bulk: vec![FEDERAL], exemptions: vec![of_other], ..nothing() };
    assert_eq!(ask("2015550155", &findings, &view(), TODAY).verdict, Verdict::Listed);
    let ended = Exemption { expires_ms: Some(999), ..consent() };
    let findings = Findings { bulk: vec![FEDERAL], exemptions: vec![ended], ..nothing() };
    assert_eq!(ask("2015550155", &findings, &view(), TODAY).verdict, Verdict::Listed);
}

#[test]
fn no_exemption_lifts_an_internal_request_a_litigation_list_or_a_rule() {
    let live = vec![opt_out(INTERNAL, Origin::Consumer)];
    let findings = Findings { bulk: vec![FEDERAL], live, exemptions: vec![consent()] };
    let judged = ask("2015550155", &findings, &view(), TODAY);
    assert_eq!(judged.verdict, Verdict::Listed);
    assert_eq!(judged.reasons, [Reason::ConsumerOptOut]);
    let findings = Findings { bulk: vec![FEDERAL, LITIGATION], exemptions: vec![consent()], ..nothing() };
    assert_eq!(ask("2015550155", &findings, &view(), TODAY).reasons, [Reason::LitigationList]);
}

#[test]
fn an_exempted_number_is_still_unknown_where_lists_are_stale() {
    let findings = Findings { bulk: vec![FEDERAL], exemptions: vec![consent()], ..nothing() };
    let judged = ask("2015550155", &findings, &view(), date(2027, 1, 1));
    assert_eq!(judged.verdict, Verdict::Unknown(Cause::Stale));
}
