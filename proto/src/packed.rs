//! Reading packed answers.

use crate::v1;

impl v1::PackedCheckResponse {
    /// What a bulk would have answered for the number at a position, but for what it repeats of the request (the number, its
    /// correlation id) and of the response (revision, time). `None` where there is no such number, or the message is not whole.
    pub fn result(&self, at: usize) -> Option<v1::CheckResponse> {
        let byte = i32::from(*self.verdicts.get(at)?);
        let verdict = v1::PackedVerdict::try_from(byte).ok()?;
        if verdict == v1::PackedVerdict::Invalid {
            let place = self.errors.binary_search_by_key(&at, |error| error.at as usize).ok()?;
            return Some(v1::CheckResponse { error: self.errors[place].error.clone(), ..v1::CheckResponse::default() });
        }
        let answer = match self.answer.get(at) {
            Some(place) => self.answers.get(*place as usize).filter(|answer| answer.verdict == byte)?,
            None if self.answer.is_empty() => self.answers.iter().find(|answer| answer.verdict == byte)?,
            None => return None,
        };
        let (verdict, cause) = match verdict {
            v1::PackedVerdict::Clear => (v1::Verdict::Clear, v1::UnknownCause::Unspecified),
            v1::PackedVerdict::Listed => (v1::Verdict::Listed, v1::UnknownCause::Unspecified),
            v1::PackedVerdict::NotCovered => (v1::Verdict::Unknown, v1::UnknownCause::NotCovered),
            v1::PackedVerdict::Stale => (v1::Verdict::Unknown, v1::UnknownCause::Stale),
            v1::PackedVerdict::Unavailable => (v1::Verdict::Unknown, v1::UnknownCause::Unavailable),
            v1::PackedVerdict::Unspecified | v1::PackedVerdict::Invalid => return None,
        };
        Some(v1::CheckResponse {
            verdict: verdict.into(),
            unknown_cause: cause.into(),
            may_call: verdict == v1::Verdict::Clear,
            reasons: answer.reasons.clone(),
            evidence: answer.evidence.clone(),
            exemption: answer.exemption.clone(),
            ..v1::CheckResponse::default()
        })
    }
}
