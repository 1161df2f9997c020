//! The verdict: from what the replicas found and what the catalog says, may this tenant call this number?
//!
//! A number is CLEAR only if nothing that the tenant may be answered from lists it (no suppression of
//! its own, no rule, no list that it holds), or an exemption lifts what does; and if every list that
//! must cover the number does so and is not too old. When that cannot be known it is UNKNOWN; and
//! LISTED wins over both.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::exemption::{Exemption, Ground};
use crate::ids::{RegistryId, RequestId, TenantId, VersionId};
use crate::number::PhoneNumber;
use crate::registry::{RegistryKind, Source};
use crate::suppression::{Origin, Scope, Suppression};
use crate::view::{View, ViewRegistry, ViewTenant};

/// The answer to a check. Only `Clear` may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No registry lists the number, and what must cover it does.
    Clear,
    /// A registry lists it.
    Listed,
    /// It cannot be known.
    Unknown(Cause),
}

/// Why a verdict is UNKNOWN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A list that must cover the number's area does not, or the tenant does not hold it.
    NotCovered,
    /// A list that covers it is older than it may be at the time of a call.
    Stale,
    /// Too few replicas answered.
    Unavailable,
}

/// Why a number is LISTED. The order is the order in which reasons are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The person asked not to be called.
    ConsumerOptOut,
    /// The company entered it.
    InternalSuppression,
    /// A litigation list.
    LitigationList,
    /// A rule matches it.
    MatchedSuppressionRule,
    /// A state's registry.
    StateDncRegistry,
    /// A country's registry.
    FederalDncRegistry,
    /// A wireless list.
    WirelessList,
    /// A partner's list.
    PartnerList,
}

/// What speaks for a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// The registry's name; empty for a rule.
    pub registry: String,
    /// Whether it lists the number.
    pub listed: bool,
    /// Its version that was asked; none for a live registry.
    pub version: Option<VersionId>,
    /// Where the version's part for the number's area comes from; none for a live registry.
    pub source: Option<Source>,
    /// The entry of a live registry.
    pub suppression: Option<RequestId>,
    /// The rule, with its description.
    pub rule: Option<(RequestId, String)>,
    /// Whether an exemption lifts it.
    pub lifted: bool,
}

/// A verdict with its reasons and evidence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Why it is listed; no reason twice, in their fixed order.
    pub reasons: Vec<Reason>,
    /// What speaks for it: what lists it, lifted or not; where nothing does, the lists that cover it.
    pub evidence: Vec<Evidence>,
    /// The exemption that lifts what lists it.
    pub exemption: Option<(RequestId, Ground)>,
}

/// Who asks, and about which call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The tenant.
    pub tenant: TenantId,
    /// For which brand the call is, if that is known.
    pub brand: Option<String>,
    /// Of which campaign it is, if that is known.
    pub campaign: Option<String>,
}

/// The time of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The UTC date: the clock for the age of lists and of business relationships.
    pub today: Date,
    /// Milliseconds since 1970.
    pub ms: u64,
}

/// What the replicas found for one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Bulk registries whose version in the view lists it.
    pub bulk: Vec<RegistryId>,
    /// Entries of live registries, of all tenants.
    pub live: Vec<LiveFinding>,
    /// Exemptions that every counted answer shows, of all tenants.
    pub exemptions: Vec<Exemption>,
}

/// As much of a suppression as judges a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFinding {
    /// The registry that it is in.
    pub registry: RegistryId,
    /// The entry.
    pub id: RequestId,
    /// Whose it is.
    pub tenant: TenantId,
    /// For which calls it holds.
    pub scope: Scope,
    /// Who asked for it.
    pub origin: Origin,
}

/// Judges one number for one asker.
pub fn judge(number: PhoneNumber, findings: &Findings, view: &View, asker: &Asker, now: Now) -> Judgement {
    let Some(tenant) = view.tenant(asker.tenant) else {
        // A tenant that this view does not know holds nothing that could make a number clear.
        return Judgement::unknown(Cause::NotCovered, Vec::new());
    };
    let mut listings = own_listings(findings, view, asker);
    listings.extend(rule_listings(number, view, asker));
    for id in &findings.bulk {
        match view.registry(*id) {
            Some(registry) if registry.answers(tenant, number) => {
                listings.push((reason_of(registry.kind), bulk_evidence(registry, number, true)));
            }
            // A list that the tenant does not hold.
            Some(_) => {}
            // None that this view asked for; if one comes all the same, it lists: the safe side.
            None => {
                let evidence = Evidence { listed: true, ..Evidence::of(format!("registry {id}")) };
                listings.push((Reason::PartnerList, evidence));
            }
        }
    }
    let exemption = lift(&mut listings, findings, view, asker, now);
    listings.sort_by_key(|(reason, _)| *reason);
    let mut reasons: Vec<Reason> = listings.iter().filter(|(_, e)| !e.lifted).map(|(reason, _)| *reason).collect();
    reasons.dedup();
    let mut evidence: Vec<Evidence> = listings.into_iter().map(|(_, evidence)| evidence).collect();
    if !reasons.is_empty() {
        return Judgement { verdict: Verdict::Listed, reasons, evidence, exemption };
    }
    let covering: Vec<&ViewRegistry> =
        view.registries.iter().filter(|registry| registry.answers(tenant, number)).collect();
    for registry in &covering {
        if registry.source(number).is_some() && !evidence.iter().any(|e| e.registry == registry.name) {
            evidence.push(bulk_evidence(registry, number, false));
        }
    }
    match lack(number, &covering, tenant, now.today) {
        Some(cause) => Judgement { exemption, ..Judgement::unknown(cause, evidence) },
        None => Judgement { verdict: Verdict::Clear, reasons, evidence, exemption },
    }
}

/// The tenant's own entries that hold for this call.
fn own_listings(findings: &Findings, view: &View, asker: &Asker) -> Vec<(Reason, Evidence)> {
    let (brand, campaign) = (asker.brand.as_deref(), asker.campaign.as_deref());
    let own = findings.live.iter().filter(|e| e.tenant == asker.tenant && e.scope.holds_for(brand, campaign));
    own.map(|entry| {
        let reason = match entry.origin {
            Origin::Consumer => Reason::ConsumerOptOut,
            Origin::Company => Reason::InternalSuppression,
        };
        // An entry of a registry that this view does not know, or that was given up, still lists: the safe side.
        let name = view.registry(entry.registry).map(|registry| registry.name.clone());
        let registry = name.unwrap_or_else(|| format!("registry {}", entry.registry));
        (reason, Evidence { listed: true, suppression: Some(entry.id), ..Evidence::of(registry) })
    })
    .collect()
}

/// The rules that match.
fn rule_listings(number: PhoneNumber, view: &View, asker: &Asker) -> Vec<(Reason, Evidence)> {
    let matching = view.rules.matching(number, asker.tenant);
    matching
        .into_iter()
        .map(|rule| {
            let named = Some((rule.id, rule.description.clone()));
            (Reason::MatchedSuppressionRule, Evidence { listed: true, rule: named, ..Evidence::of(String::new()) })
        })
        .collect()
}

/// Marks the listings that an exemption of the tenant lifts; gives the first exemption that lifts any.
fn lift(
    listings: &mut [(Reason, Evidence)],
    findings: &Findings,
    view: &View,
    asker: &Asker,
    now: Now,
) -> Option<(RequestId, Ground)> {
    let own: Vec<&Exemption> =
        findings.exemptions.iter().filter(|e| e.tenant == asker.tenant && !e.has_expired(now.ms)).collect();
    let mut used = None;
    for (_, evidence) in listings.iter_mut().filter(|(_, evidence)| evidence.version.is_some()) {
        let Some(registry) = view.registries.iter().find(|r| r.name == evidence.registry) else {
            continue;
        };
        let lifting = own.iter().find(|e| e.lifts(registry.kind, registry.exemption_months, now.today));
        if let Some(exemption) = lifting {
            evidence.lifted = true;
            used = used.or(Some((exemption.id, exemption.ground)));
        }
    }
    used
}

/// What keeps a number that nothing lists from being CLEAR. `covering` are the registries that the tenant is answered from.
fn lack(number: PhoneNumber, covering: &[&ViewRegistry], tenant: &ViewTenant, today: Date) -> Option<Cause> {
    let area = number.area();
    let fresh = |registry: &ViewRegistry| {
        registry.source(number).map(|source| source.age_days(today) <= i64::from(registry.max_age_days))
    };
    let mut stale = false;
    let mut federal = false;
    for registry in covering {
        let Some(is_fresh) = fresh(registry) else {
            continue;
        };
        match registry.kind {
            RegistryKind::Federal => {
                federal = true;
                stale |= !is_fresh;
            }
            RegistryKind::State => stale |= !is_fresh,
            _ => {}
        }
    }
    let requires = &tenant.terms.requires;
    if requires.federal && !federal {
        return Some(Cause::NotCovered);
    }
    for id in requires.registries.iter().filter(|(_, areas)| areas.contains(area)).map(|(id, _)| id) {
        match covering.iter().find(|registry| registry.id == *id).and_then(|registry| fresh(registry)) {
            None => return Some(Cause::NotCovered),
            Some(is_fresh) => stale |= !is_fresh,
        }
    }
    stale.then_some(Cause::Stale)
}

fn reason_of(kind: RegistryKind) -> Reason {
    match kind {
        RegistryKind::Federal => Reason::FederalDncRegistry,
        RegistryKind::State => Reason::StateDncRegistry,
        RegistryKind::Internal => Reason::InternalSuppression,
        RegistryKind::Litigation => Reason::LitigationList,
        RegistryKind::Wireless => Reason::WirelessList,
        RegistryKind::Partner => Reason::PartnerList,
    }
}

fn bulk_evidence(registry: &ViewRegistry, number: PhoneNumber, listed: bool) -> Evidence {
    Evidence {
        listed,
        version: registry.active.as_ref().map(|active| active.id),
        source: registry.source(number).cloned(),
        ..Evidence::of(registry.name.clone())
    }
}

// === impl Reason, Cause, Verdict ===

impl Reason {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::ConsumerOptOut => "consumer_opt_out",
            Reason::InternalSuppression => "internal_suppression",
            Reason::LitigationList => "litigation_list",
            Reason::MatchedSuppressionRule => "matched_suppression_rule",
            Reason::StateDncRegistry => "state_dnc_registry",
            Reason::FederalDncRegistry => "federal_dnc_registry",
            Reason::WirelessList => "wireless_list",
            Reason::PartnerList => "partner_list",
        }
    }
}

impl Cause {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::NotCovered => "not_covered",
            Cause::Stale => "stale",
            Cause::Unavailable => "unavailable",
        }
    }
}

impl Judgement {
    /// The judgement when too few replicas answered.
    pub fn unavailable() -> Judgement {
        Judgement::unknown(Cause::Unavailable, Vec::new())
    }

    fn unknown(cause: Cause, evidence: Vec<Evidence>) -> Judgement {
        Judgement { verdict: Verdict::Unknown(cause), reasons: Vec::new(), evidence, exemption: None }
    }
}

impl Evidence {
    /// What a registry says, as long as it says nothing.
    fn of(registry: String) -> Evidence {
        Evidence { registry, listed: false, version: None, source: None, suppression: None, rule: None, lifted: false }
    }
}

impl LiveFinding {
    /// What judges a check of a suppression in this registry.
    pub fn of(registry: RegistryId, suppression: &Suppression) -> LiveFinding {
        LiveFinding {
            registry,
            id: suppression.id,
            tenant: suppression.tenant,
            scope: suppression.scope.clone(),
            origin: suppression.origin,
        }
    }
}

impl Asker {
    /// A tenant that does not say for which call it asks.
    pub fn tenant(tenant: TenantId) -> Asker {
        Asker { tenant, brand: None, campaign: None }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Clear => "CLEAR",
            Verdict::Listed => "LISTED",
            Verdict::Unknown(_) => "UNKNOWN",
        })
    }
}

#[cfg(test)]
mod tests;
