//! Answers as JSON: the one shape of each that REST answers with and `-o json` prints. A check's is here; registries,
//! tenants, rules and loads have files of their own.

mod import;
pub mod registry;
pub mod rule;
pub mod sync;
pub mod tenant;
pub mod versions;

use dnc_proto::v1::{CheckResponse, Evidence, Reason, UnknownCause, Verdict};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::import::{AreaShown, BadLineShown, ImportShown};
pub use self::versions::ActivatedShown;

/// The answer for one number, alone or in a bulk.
#[derive(Serialize, ToSchema)]
#[schema(as = Answer)]
pub struct Shown<'a> {
    /// In E.164; as much as was sent of what is no number.
    phone_number: &'a str,
    /// `CLEAR`, `LISTED` or `UNKNOWN`; null if the number could not be checked.
    #[schema(pattern = "^(CLEAR|LISTED|UNKNOWN)$")]
    verdict: Option<&'static str>,
    /// Why it is UNKNOWN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(not_covered|stale|unavailable|unspecified)$", nullable = false)]
    unknown_cause: Option<&'static str>,
    /// Whether it is CLEAR.
    may_call: bool,
    /// Null unless it is known: a caller that reads only this must not take UNKNOWN for clear.
    on_dnc_list: Option<bool>,
    /// Why it is LISTED, the weightiest first.
    reasons: Vec<&'static str>,
    /// The registries that list it.
    sources: Vec<&'a str>,
    evidence: Vec<ShownEvidence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<ShownExemption<'a>>,
    /// The revision of the catalog by which it was judged.
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
    /// Why the number could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The exemption that lifts listings.
#[derive(Serialize, ToSchema)]
#[schema(as = LiftingExemption)]
struct ShownExemption<'a> {
    id: &'a str,
    ground: &'a str,
}

/// What one registry or rule says of a number.
#[derive(Serialize, ToSchema)]
#[schema(as = Evidence)]
struct ShownEvidence<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    registry: &'a str,
    listed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_date: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// An exemption lifts this listing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lifted: bool,
}

/// The word for a verdict. What this program does not know is not CLEAR.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "CLEAR",
        Verdict::Listed => "LISTED",
        Verdict::Unknown | Verdict::Unspecified => "UNKNOWN",
    }
}

/// The word for a reason.
pub fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "unspecified",
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

/// The word for a cause.
pub fn cause_word(cause: UnknownCause) -> &'static str {
    match cause {
        UnknownCause::Unspecified => "unspecified",
        UnknownCause::NotCovered => "not_covered",
        UnknownCause::Stale => "stale",
        UnknownCause::Unavailable => "unavailable",
    }
}

/// The registries that list the number, each once; a listing that an exemption lifts is none.
fn sources(evidence: &[Evidence]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    let listing = |evidence: &&Evidence| evidence.listed && !evidence.lifted && !evidence.registry.is_empty();
    for evidence in evidence.iter().filter(listing) {
        if !sources.contains(&evidence.registry.as_str()) {
            sources.push(&evidence.registry);
        }
    }
    sources
}

fn moment(at: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn some(id: u64) -> Option<u64> {
    Some(id).filter(|id| *id > 0)
}

// === impl Shown ===

impl<'a> Shown<'a> {
    /// An answer's fields under the names that they are shown by.
    pub fn of(answer: &'a CheckResponse) -> Self {
        let verdict = answer.error.is_none().then(|| answer.verdict());
        Self {
            phone_number: &answer.phone_number,
            verdict: verdict.map(verdict_word),
            unknown_cause: (verdict == Some(Verdict::Unknown)).then(|| cause_word(answer.unknown_cause())),
            may_call: answer.may_call,
            on_dnc_list: match verdict {
                Some(Verdict::Clear) => Some(false),
                Some(Verdict::Listed) => Some(true),
                _ => None,
            },
            reasons: answer.reasons().map(reason_word).collect(),
            sources: sources(&answer.evidence),
            evidence: answer.evidence.iter().map(ShownEvidence::of).collect(),
            exemption: answer
                .exemption
                .as_ref()
                .map(|exemption| ShownExemption { id: &exemption.id, ground: &exemption.ground }),
            revision: answer.revision,
            checked_at: answer.checked_at.as_ref().and_then(moment),
            call_id: None,
            error: answer.error.as_ref().map(|error| error.message.as_str()),
        }
    }

    /// With the caller's id of the call, unless it is empty.
    pub fn with_call_id(self, call_id: &'a str) -> Self {
        Self { call_id: filled(call_id), ..self }
    }
}

impl<'a> ShownEvidence<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        Self {
            registry: &evidence.registry,
            listed: evidence.listed,
            version: (evidence.version > 0).then_some(evidence.version),
            list_date: filled(&evidence.list_date),
            file: filled(&evidence.file),
            file_sha256: filled(&evidence.file_sha256),
            suppression_id: filled(&evidence.suppression_id),
            rule_id: filled(&evidence.rule_id),
            rule: filled(&evidence.rule),
            lifted: evidence.lifted,
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::verdict;

    use super::*;

    #[test]
    fn words_are_those_of_the_core_and_of_the_public_names() {
        use verdict::Reason::*;
        let reasons = [
            ConsumerOptOut,
            InternalSuppression,
            LitigationList,
            MatchedSuppressionRule,
            StateDncRegistry,
            FederalDncRegistry,
            WirelessList,
            PartnerList,
        ];
        for reason in reasons {
            let named = Reason::from_str_name(&format!("REASON_{}", reason.as_str().to_uppercase())).unwrap();
            assert_eq!(reason_word(named), reason.as_str());
        }
        for cause in [verdict::Cause::NotCovered, verdict::Cause::Stale, verdict::Cause::Unavailable] {
            let name = format!("UNKNOWN_CAUSE_{}", cause.as_str().to_uppercase());
            assert_eq!(cause_word(UnknownCause::from_str_name(&name).unwrap()), cause.as_str());
        }
    }

    #[test]
    fn neither_unknown_nor_an_error_says_that_a_number_is_on_no_list() {
        let unknown = CheckResponse { verdict: Verdict::Unknown.into(), ..CheckResponse::default() };
        assert_eq!(Shown::of(&unknown).on_dnc_list, None);
        let unspecified = CheckResponse::default();
        assert_eq!(Shown::of(&unspecified).verdict, Some("UNKNOWN"));
        assert_eq!(Shown::of(&unspecified).on_dnc_list, None);
        let error = Some(dnc_proto::v1::ItemError::default());
        let failed = CheckResponse { verdict: Verdict::Clear.into(), error, ..CheckResponse::default() };
        assert_eq!(Shown::of(&failed).verdict, None);
        assert_eq!(Shown::of(&failed).on_dnc_list, None);
    }
}
