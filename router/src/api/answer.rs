//! What a judgement, a malformed number and a registry look like to callers: once, for both forms.
//!
//! gRPC takes its messages from here. REST shows the same values under its own names.

use std::fmt::Write;

use dnc_core::number::{NumberError, PhoneNumber};
use dnc_core::registry::{Coverage, Registry};
use dnc_core::verdict::{Cause, Evidence, Judgement, Reason, Verdict};
use dnc_proto::v1;
use jiff::Timestamp;
use serde::Serialize;

/// How much of a text that is no number comes back with its error, in characters.
const MAX_ECHO_CHARS: usize = 64;

/// The answer to a check of one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The number.
    pub number: PhoneNumber,
    /// May it be called?
    pub verdict: Verdict,
    /// Why it is listed.
    pub reasons: Vec<Reason>,
    /// What speaks for the verdict.
    pub evidence: Vec<v1::Evidence>,
    /// The catalog revision that judged.
    pub revision: u64,
    /// When.
    pub checked_at: Timestamp,
}

// === impl Answer ===

impl Answer {
    /// The answer that a judgement makes.
    pub fn new(number: PhoneNumber, judgement: Judgement, revision: u64, checked_at: Timestamp) -> Self {
        Self {
            number,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            evidence: judgement.evidence.into_iter().map(evidence).collect(),
            revision,
            checked_at,
        }
    }

    /// Only CLEAR may be called.
    pub fn may_call(&self) -> bool {
        self.verdict == Verdict::Clear
    }

    /// Whether it is known to be on a list; `None` if that is not known.
    pub fn on_list(&self) -> Option<bool> {
        match self.verdict {
            Verdict::Clear => Some(false),
            Verdict::Listed => Some(true),
            Verdict::Unknown(_) => None,
        }
    }

    /// Why the verdict is UNKNOWN.
    pub fn cause(&self) -> Option<Cause> {
        match self.verdict {
            Verdict::Unknown(cause) => Some(cause),
            Verdict::Clear | Verdict::Listed => None,
        }
    }

    /// The registries that list it, each once.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = Vec::new();
        for evidence in self.evidence.iter().filter(|e| e.listed) {
            if !sources.contains(&evidence.registry.as_str()) {
                sources.push(&evidence.registry);
            }
        }
        sources
    }

    /// The answer as gRPC sends it.
    pub fn into_message(self, correlation_id: String) -> v1::CheckResponse {
        v1::CheckResponse {
            phone_number: self.number.to_string(),
            verdict: verdict(self.verdict).into(),
            unknown_cause: self.cause().map_or(v1::UnknownCause::Unspecified, cause).into(),
            may_call: self.may_call(),
            reasons: self.reasons.iter().map(|r| reason(*r).into()).collect(),
            evidence: self.evidence,
            revision: self.revision,
            checked_at: Some(moment(self.checked_at)),
            correlation_id,
            error: None,
        }
    }
}

/// The gRPC answer for a text that is not a number, in bulks and streams.
pub fn malformed(
    text: &str,
    error: v1::ItemError,
    correlation_id: String,
    revision: u64,
    checked_at: Timestamp,
) -> v1::CheckResponse {
    v1::CheckResponse {
        phone_number: echo(text),
        revision,
        checked_at: Some(moment(checked_at)),
        correlation_id,
        error: Some(error),
        ..v1::CheckResponse::default()
    }
}

/// What is wrong with a text that is not a number. Never repeats it.
pub fn invalid_number(error: NumberError) -> v1::ItemError {
    v1::ItemError { code: "invalid_number".into(), message: format!("not a phone number: {error}") }
}

/// As much of a text that is no number as goes back to whoever sent it.
pub fn echo(text: &str) -> String {
    text.chars().take(MAX_ECHO_CHARS).collect()
}

/// A moment as gRPC sends it.
pub fn moment(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

fn evidence(evidence: Evidence) -> v1::Evidence {
    let (list_date, file, file_sha256) = match evidence.source {
        Some(source) => (source.list_date.to_string(), source.file, hex(&source.sha256)),
        None => Default::default(),
    };
    v1::Evidence {
        registry: evidence.registry,
        listed: evidence.listed,
        version: evidence.version.map_or(0, |version| version.0),
        list_date,
        file,
        file_sha256,
        suppression_id: evidence.suppression.map_or_else(String::new, |id| id.to_string()),
    }
}

fn verdict(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Clear => v1::Verdict::Clear,
        Verdict::Listed => v1::Verdict::Listed,
        Verdict::Unknown(_) => v1::Verdict::Unknown,
    }
}

fn cause(cause: Cause) -> v1::UnknownCause {
    match cause {
        Cause::NotCovered => v1::UnknownCause::NotCovered,
        Cause::Stale => v1::UnknownCause::Stale,
        Cause::Unavailable => v1::UnknownCause::Unavailable,
    }
}

fn reason(reason: Reason) -> v1::Reason {
    match reason {
        Reason::ConsumerOptOut => v1::Reason::ConsumerOptOut,
        Reason::InternalSuppression => v1::Reason::InternalSuppression,
        Reason::LitigationList => v1::Reason::LitigationList,
        Reason::MatchedSuppressionRule => v1::Reason::MatchedSuppressionRule,
        Reason::StateDncRegistry => v1::Reason::StateDncRegistry,
        Reason::FederalDncRegistry => v1::Reason::FederalDncRegistry,
        Reason::WirelessList => v1::Reason::WirelessList,
        Reason::PartnerList => v1::Reason::PartnerList,
    }
}

/// A registry as gRPC sends it.
pub fn registry(registry: &Registry) -> v1::Registry {
    let active = registry.active_version();
    let coverage = match active {
        Some((_, Coverage::Areas(areas), _)) => areas
            .iter()
            .map(|(area, source)| v1::AreaCoverage {
                area: area.to_string(),
                list_date: source.list_date.to_string(),
                file: source.file.clone(),
                numbers: source.numbers,
            })
            .collect(),
        _ => Vec::new(),
    };
    v1::Registry {
        id: registry.id.0,
        name: registry.name.clone(),
        r#type: registry.kind.as_str().into(),
        jurisdiction: registry.jurisdiction.clone(),
        max_age_days: registry.max_age_days.into(),
        active_version: active.map_or(0, |(id, _, _)| id.0),
        numbers: active.map_or(0, |(_, _, numbers)| numbers),
        coverage,
        covers_everywhere: matches!(active, Some((_, Coverage::Everywhere(_), _))),
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String succeeds");
    }
    text
}

// === REST ===

/// One answer of REST, or one place in a bulk of them.
#[derive(Serialize)]
pub struct Shown<'a> {
    phone_number: String,
    /// `CLEAR`, `LISTED` or `UNKNOWN`; null if the number could not be checked.
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_cause: Option<&'static str>,
    may_call: bool,
    /// Null unless it is known: a caller that reads only this must not take UNKNOWN for clear.
    on_dnc_list: Option<bool>,
    reasons: Vec<&'static str>,
    sources: Vec<&'a str>,
    evidence: Vec<ShownEvidence<'a>>,
    revision: u64,
    checked_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
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

// === impl Shown ===

impl<'a> Shown<'a> {
    /// An answer as REST shows it.
    pub fn answer(answer: &'a Answer, call_id: &'a str) -> Self {
        Self {
            phone_number: answer.number.to_string(),
            verdict: Some(answer.verdict.to_string()),
            unknown_cause: answer.cause().map(Cause::as_str),
            may_call: answer.may_call(),
            on_dnc_list: answer.on_list(),
            reasons: answer.reasons.iter().map(|r| r.as_str()).collect(),
            sources: answer.sources(),
            evidence: answer.evidence.iter().map(ShownEvidence::of).collect(),
            revision: answer.revision,
            checked_at: answer.checked_at.to_string(),
            call_id: filled(call_id),
            error: None,
        }
    }

    /// A place in a bulk whose text is not a number.
    pub fn malformed(text: &str, error: NumberError, revision: u64, checked_at: Timestamp) -> Shown<'static> {
        Shown {
            phone_number: echo(text),
            verdict: None,
            unknown_cause: None,
            may_call: false,
            on_dnc_list: None,
            reasons: Vec::new(),
            sources: Vec::new(),
            evidence: Vec::new(),
            revision,
            checked_at: checked_at.to_string(),
            call_id: None,
            error: Some(invalid_number(error).message),
        }
    }
}

impl<'a> ShownEvidence<'a> {
    fn of(evidence: &'a v1::Evidence) -> Self {
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

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
