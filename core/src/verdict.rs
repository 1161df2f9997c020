//! The verdict: from what the replicas found and what the catalog says, may this number be called?
//!
//! A number is CLEAR only if no registry lists it and a federal registry covers it with a list
//! that is not too old. When that cannot be known it is UNKNOWN; and LISTED wins over both.

use std::fmt;

use jiff::civil::Date;

use crate::command::{Origin, Suppression};
use crate::ids::{RegistryId, RequestId, VersionId};
use crate::number::PhoneNumber;
use crate::registry::{RegistryKind, Source};
use crate::view::{View, ViewRegistry};

/// The answer to a check. Only `Clear` may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No registry lists the number, and what must cover it does.
    Clear,
    /// A registry lists it.
    Listed,
    /// It cannot be known.
    Unknown(Cause),
}

/// Why a verdict is UNKNOWN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No federal registry covers the number's area.
    NotCovered,
    /// The covering list is older than it may be at the time of a call.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The registry's name.
    pub registry: String,
    /// Whether it lists the number.
    pub listed: bool,
    /// Its version that was asked; none for a live registry.
    pub version: Option<VersionId>,
    /// Where the version's part for the number's area comes from; none for a live registry.
    pub source: Option<Source>,
    /// The entry of a live registry.
    pub suppression: Option<RequestId>,
}

/// A verdict with its reasons and evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Why it is listed; no reason twice, in their fixed order.
    pub reasons: Vec<Reason>,
    /// What speaks for it: for LISTED the registries that list it, else those that cover it.
    pub evidence: Vec<Evidence>,
}

/// What the replicas found for one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Bulk registries whose version in the view lists it.
    pub bulk: Vec<RegistryId>,
    /// Entries of live registries.
    pub live: Vec<(RegistryId, Suppression)>,
}

/// Judges one number. `today` is the UTC date of the check: the clock for the age of lists.
pub fn judge(number: PhoneNumber, findings: &Findings, view: &View, today: Date) -> Judgement {
    let area = number.area();
    let mut reasons = Vec::new();
    let mut evidence = Vec::new();
    for (registry, suppression) in &findings.live {
        reasons.push(match suppression.origin {
            Origin::Consumer => Reason::ConsumerOptOut,
            Origin::Company => Reason::InternalSuppression,
        });
        evidence.push(Evidence {
            // An entry of a registry that this view does not know still lists: the safe side.
            registry: view.registry(*registry).map_or_else(|| format!("registry {registry}"), |r| r.name.clone()),
            listed: true,
            version: None,
            source: None,
            suppression: Some(suppression.id),
        });
    }
    for id in &findings.bulk {
        let known = view.registry(*id);
        reasons.push(known.map_or(Reason::PartnerList, |r| reason_of(r.kind)));
        evidence.push(bulk_evidence(*id, known, number, true));
    }
    if !reasons.is_empty() {
        let mut order: Vec<(Reason, Evidence)> = reasons.into_iter().zip(evidence).collect();
        order.sort_by_key(|(reason, _)| *reason);
        let (mut reasons, evidence): (Vec<_>, Vec<_>) = order.into_iter().unzip();
        reasons.dedup();
        return Judgement { verdict: Verdict::Listed, reasons, evidence };
    }
    let mut cause = Some(Cause::NotCovered);
    for registry in &view.registries {
        let Some(source) = registry.active.as_ref().and_then(|active| active.coverage.source(area)) else {
            continue;
        };
        evidence.push(bulk_evidence(registry.id, Some(registry), number, false));
        if registry.kind == RegistryKind::Federal {
            let fresh = age_days(source.list_date, today) <= i64::from(registry.max_age_days);
            cause = match cause {
                _ if fresh => None,
                Some(_) => Some(Cause::Stale),
                None => None,
            };
        }
    }
    Judgement { verdict: cause.map_or(Verdict::Clear, Verdict::Unknown), reasons: Vec::new(), evidence }
}

/// Days between a list's own date and today; a list dated tomorrow is as fresh as can be.
fn age_days(list_date: Date, today: Date) -> i64 {
    today.since(list_date).map_or(i64::MAX, |span| i64::from(span.get_days()))
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

fn bulk_evidence(id: RegistryId, registry: Option<&ViewRegistry>, number: PhoneNumber, listed: bool) -> Evidence {
    let active = registry.and_then(|r| r.active.as_ref());
    Evidence {
        registry: registry.map_or_else(|| format!("registry {id}"), |r| r.name.clone()),
        listed,
        version: active.map(|a| a.id),
        source: active.and_then(|a| a.coverage.source(number.area()).cloned()),
        suppression: None,
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
        Judgement { verdict: Verdict::Unknown(Cause::Unavailable), reasons: Vec::new(), evidence: Vec::new() }
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
