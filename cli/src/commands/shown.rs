//! Answers as `-o json` prints them: the names of the REST API.

use dnc_proto::v1::{CheckResponse, Evidence, Reason, UnknownCause, Verdict};
use serde::Serialize;

/// The answer for one number.
#[derive(Serialize)]
pub struct Shown<'a> {
    phone_number: &'a str,
    /// Null if the number could not be checked.
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_cause: Option<String>,
    may_call: bool,
    /// Null unless it is known: a script that reads only this must not take UNKNOWN for clear.
    on_dnc_list: Option<bool>,
    reasons: Vec<String>,
    sources: Vec<&'a str>,
    evidence: Vec<ShownEvidence<'a>>,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownEvidence<'a> {
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
}

/// The word for a verdict. What this program does not know is not CLEAR.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "CLEAR",
        Verdict::Listed => "LISTED",
        Verdict::Unknown | Verdict::Unspecified => "UNKNOWN",
    }
}

/// The word for a reason, as in `federal_dnc_registry`.
pub fn reason_word(reason: Reason) -> String {
    word(reason.as_str_name(), "REASON_")
}

/// The word for a cause, as in `not_covered`.
pub fn cause_word(cause: UnknownCause) -> String {
    word(cause.as_str_name(), "UNKNOWN_CAUSE_")
}

/// The registries that list the number, each once.
pub fn sources(evidence: &[Evidence]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for evidence in evidence.iter().filter(|evidence| evidence.listed) {
        if !sources.contains(&evidence.registry.as_str()) {
            sources.push(&evidence.registry);
        }
    }
    sources
}

fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

// === impl Shown ===

impl<'a> Shown<'a> {
    /// An answer's fields under their printed names.
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
            revision: answer.revision,
            checked_at: answer.checked_at.as_ref().and_then(|at| {
                let moment = jiff::Timestamp::new(at.seconds, at.nanos).ok()?;
                Some(moment.to_string())
            }),
            error: answer.error.as_ref().map(|error| error.message.as_str()),
        }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_rest_api() {
        for reason in dnc_core_reasons() {
            let known = Reason::from_str_name(&format!("REASON_{}", reason.as_str().to_uppercase())).unwrap();
            assert_eq!(reason_word(known), reason.as_str());
        }
        assert_eq!(cause_word(UnknownCause::NotCovered), "not_covered");
    }

    fn dnc_core_reasons() -> Vec<dnc_core::verdict::Reason> {
        use dnc_core::verdict::Reason::*;
        vec![
            ConsumerOptOut,
            InternalSuppression,
            LitigationList,
            MatchedSuppressionRule,
            StateDncRegistry,
            FederalDncRegistry,
            WirelessList,
            PartnerList,
        ]
    }

    #[test]
    fn neither_unknown_nor_an_error_says_that_a_number_is_on_no_list() {
        let unknown = CheckResponse { verdict: Verdict::Unknown.into(), ..CheckResponse::default() };
        assert_eq!(Shown::of(&unknown).on_dnc_list, None);
        let unspecified = CheckResponse::default();
        assert_eq!(Shown::of(&unspecified).verdict, Some("UNKNOWN"));
        assert_eq!(Shown::of(&unspecified).on_dnc_list, None);
    }
}
