//! What a judgement and a malformed number look like to callers: once, for both forms.
//!
//! gRPC takes its messages from here. REST shows the same messages under its own names; those of a check are in
//! [`crate::shown`].

use std::fmt::Write;
use std::sync::Arc;

use dnc_core::exemption::Ground;
use dnc_core::ids::RequestId;
use dnc_core::number::{NumberError, PhoneNumber};
use dnc_core::registry::{Registry, Version};
use dnc_core::verdict::{Cause, Evidence, Judgement, Reason, Verdict};
use dnc_proto::{PreparedResponse, v1};
use jiff::Timestamp;

use super::told;
use crate::judgement::SharedJudgement;

/// How much of a text that is no number comes back with its error, in characters.
const MAX_ECHO_CHARS: usize = 64;

/// The answer to a check of one number.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The number.
    pub number: PhoneNumber,
    /// What it is judged, with reasons and evidence.
    pub judged: Arc<SharedJudgement>,
    /// The catalog revision that judged.
    pub revision: u64,
    /// When.
    pub checked_at: Timestamp,
}

// === impl Answer ===

impl Answer {
    /// May it be called?
    pub fn verdict(&self) -> Verdict {
        self.judged.verdict()
    }

    /// The answer as a message.
    pub fn into_message(self, correlation_id: String) -> v1::CheckResponse {
        let own = self.own(correlation_id);
        v1::CheckResponse {
            phone_number: own.phone_number,
            revision: own.revision,
            checked_at: own.checked_at,
            correlation_id: own.correlation_id,
            ..shared(&self.judged)
        }
    }

    /// The answer as a message to be sent, of which most is encoded.
    pub fn into_prepared(self, correlation_id: String) -> PreparedResponse {
        PreparedResponse { shared: self.judged.encoded(), own: self.own(correlation_id) }
    }

    /// What the answer shares with no other.
    fn own(&self, correlation_id: String) -> v1::CheckResponse {
        v1::CheckResponse {
            phone_number: self.number.to_string(),
            revision: self.revision,
            checked_at: Some(moment(self.checked_at)),
            correlation_id,
            ..v1::CheckResponse::default()
        }
    }
}

/// What all answers with a judgement share.
pub fn shared(judged: &SharedJudgement) -> v1::CheckResponse {
    let (told, judged) = (judged.told(), judged.verdict());
    let cause = match judged {
        Verdict::Unknown(why) => cause(why),
        Verdict::Clear | Verdict::Listed => v1::UnknownCause::Unspecified,
    };
    v1::CheckResponse {
        verdict: verdict(judged).into(),
        unknown_cause: cause.into(),
        // Only CLEAR may be called.
        may_call: judged == Verdict::Clear,
        reasons: told.reasons.clone(),
        evidence: told.evidence.clone(),
        exemption: told.exemption.clone(),
        ..v1::CheckResponse::default()
    }
}

/// The answer that many numbers share.
pub fn packed(judgement: &Judgement) -> v1::PackedAnswer {
    v1::PackedAnswer {
        verdict: packed_verdict(judgement.verdict).into(),
        reasons: judgement.reasons.iter().map(|r| reason(*r).into()).collect(),
        evidence: judgement.evidence.iter().cloned().map(evidence).collect(),
        exemption: judgement.exemption.map(lifting),
    }
}

/// A verdict in one byte.
fn packed_verdict(verdict: Verdict) -> v1::PackedVerdict {
    match verdict {
        Verdict::Clear => v1::PackedVerdict::Clear,
        Verdict::Listed => v1::PackedVerdict::Listed,
        Verdict::Unknown(Cause::NotCovered) => v1::PackedVerdict::NotCovered,
        Verdict::Unknown(Cause::Stale) => v1::PackedVerdict::Stale,
        Verdict::Unknown(Cause::Unavailable) => v1::PackedVerdict::Unavailable,
    }
}

fn lifting((id, ground): (RequestId, Ground)) -> v1::LiftingExemption {
    v1::LiftingExemption { id: id.to_string(), ground: ground.as_str().into() }
}

/// The answer for a text that is not a number, in bulks and streams.
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
fn echo(text: &str) -> String {
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
    let (rule_id, description) = evidence.rule.unzip();
    v1::Evidence {
        registry: evidence.registry,
        listed: evidence.listed,
        version: evidence.version.map_or(0, |version| version.0),
        list_date,
        file,
        file_sha256,
        suppression_id: evidence.suppression.map_or_else(String::new, |id| id.to_string()),
        rule_id: rule_id.map_or_else(String::new, |id| id.to_string()),
        rule: description.unwrap_or_default(),
        lifted: evidence.lifted,
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

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String succeeds");
    }
    text
}

/// The versions of a registry as gRPC sends them, newest first.
pub fn versions(registry: &Registry, revision: u64) -> v1::ListVersionsResponse {
    let versions = registry.versions.values().rev().map(|known| version(registry, known)).collect();
    v1::ListVersionsResponse { registry: registry.name.clone(), versions, revision }
}

fn version(registry: &Registry, version: &Version) -> v1::Version {
    let begun = v1::Version {
        id: version.id.0,
        state: told::version_state(registry, version).into(),
        parent: version.parent().map_or(0, |id| id.0),
        begun_ms: version.begun_ms,
        activated_ms: version.activated_ms,
        ..v1::Version::default()
    };
    let Some(content) = version.content() else {
        return begun;
    };
    let report = &content.report;
    v1::Version {
        numbers: content.numbers,
        areas: content.coverage.areas().map_or(0, |areas| areas as u64),
        covers_everywhere: content.coverage.areas().is_none(),
        list_date: content.coverage.oldest().map_or_else(String::new, |date| date.to_string()),
        processed: report.processed,
        added: report.added,
        dropped: report.dropped,
        unchanged: report.unchanged,
        failed: report.failed,
        duration_ms: report.duration_ms,
        forced: report.forced,
        ..begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{clear, listed, number};

    /// Listed by a rule and by a list, of which an exemption lifts the second.
    fn with_everything() -> Judgement {
        let mut judgement = listed("state");
        let rule = Some((RequestId(9), "no pay phones".to_owned()));
        judgement.evidence.push(Evidence { rule, version: None, source: None, ..judgement.evidence[0].clone() });
        judgement.evidence[0].lifted = true;
        judgement.reasons.push(Reason::MatchedSuppressionRule);
        Judgement { exemption: Some((RequestId(8), Ground::Consent)), ..judgement }
    }

    #[test]
    fn what_is_sent_prepared_is_what_the_message_says() {
        let unknown = |why| Judgement { verdict: Verdict::Unknown(why), ..clear("federal") };
        let judgements = [
            clear("federal"),
            listed("federal"),
            unknown(Cause::NotCovered),
            unknown(Cause::Stale),
            Judgement::unavailable(),
            with_everything(),
        ];
        for judgement in judgements {
            let judged = Arc::new(SharedJudgement::from(judgement));
            for phone_number in ["2015550100", "2015550101"] {
                let (number, judged) = (number(phone_number), Arc::clone(&judged));
                let answer = Answer { number, judged, revision: 7, checked_at: Timestamp::UNIX_EPOCH };
                let message = answer.clone().into_message("c".into());
                assert_eq!(message.may_call, answer.verdict() == Verdict::Clear);
                assert_eq!(answer.into_prepared("c".into()).into_message(), Ok(message));
            }
        }
    }
}
