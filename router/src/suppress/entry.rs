//! An entry as a caller writes it, and what it means: parsed here, valid ever after.

use std::collections::BTreeMap;

use dnc_core::ids::{BadRequestId, RequestId, TenantId};
use dnc_core::number::{NumberError, PhoneNumber};
use dnc_core::suppression::{MAX_METADATA, MAX_TEXT, Origin, Scope, Suppression};
use jiff::Timestamp;
use uuid::Uuid;

use crate::failure::Invalid;
use crate::options::MAX_ID_BYTES;

/// Seconds after which an entry can end at the latest: a century is meant as never.
const MAX_EXPIRES_IN: u64 = 100 * 366 * 24 * 3_600;

/// A number to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// A live registry; [`super::DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Why; may be empty.
    pub reason: String,
    /// Where it came in; may be empty.
    pub source: String,
    /// Who enters it; may be empty.
    pub added_by: String,
    /// `consumer`, `company`, or empty for consumer.
    pub origin: String,
    /// The person; may be empty.
    pub consumer_name: String,
    /// Anything else; may be empty.
    pub notes: String,
    /// When it ends, RFC 3339; empty if it does not, or if `expires_in` says it.
    pub expires_at: String,
    /// In how many seconds it ends.
    pub expires_in: Option<u64>,
    /// `tenant`, `brand NAME`, `campaign NAME`, or empty for tenant.
    pub scope: String,
    /// The caller's own fields.
    pub metadata: BTreeMap<String, String>,
    /// Names the request; made here if empty.
    pub request_id: String,
}

// === impl Addition ===

impl Addition {
    /// What it says, as an entry of this tenant.
    pub fn read(self, id: RequestId, tenant: TenantId, now_ms: u64) -> Result<(PhoneNumber, Suppression), Invalid> {
        let number = number(&self.phone_number)?;
        let entry = Suppression {
            scope: scope(&self.scope)?,
            reason: self.reason,
            source: self.source,
            added_by: self.added_by,
            consumer_name: self.consumer_name,
            notes: self.notes,
            expires_ms: ends(&self.expires_at, self.expires_in, now_ms)?,
            metadata: self.metadata,
            ..Suppression::new(id, tenant, origin(&self.origin)?, now_ms)
        };
        check_sizes(&entry)?;
        Ok((number, entry))
    }
}

/// Refuses an entry with a text that is too long.
pub fn check_sizes(entry: &Suppression) -> Result<(), Invalid> {
    Invalid::limit("reason", &entry.reason, MAX_TEXT)?;
    Invalid::limit("source", &entry.source, MAX_TEXT)?;
    Invalid::limit("added_by", &entry.added_by, MAX_ID_BYTES)?;
    Invalid::limit("consumer_name", &entry.consumer_name, MAX_TEXT)?;
    Invalid::limit("notes", &entry.notes, MAX_TEXT)?;
    let metadata: usize = entry.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata > MAX_METADATA {
        return Err(Invalid::new("metadata", format!("longer than {MAX_METADATA} bytes, keys and values together")));
    }
    Ok(())
}

/// The number that a caller means.
pub fn number(text: &str) -> Result<PhoneNumber, Invalid> {
    let bad = |error: NumberError| Invalid::new("phone_number", format!("not a phone number: {error}"));
    PhoneNumber::parse(text).map_err(bad)
}

/// The id that a request brings, or a new one.
pub fn request_id(given: &str) -> Result<RequestId, Invalid> {
    match given {
        "" => Ok(RequestId(Uuid::now_v7().as_u128())),
        given => given.parse().map_err(|why: BadRequestId| Invalid::new("request_id", why.to_string())),
    }
}

/// A point in time, milliseconds since 1970.
pub fn time(field: &'static str, text: &str) -> Result<u64, Invalid> {
    let bad = || Invalid::new(field, "must be a time as in RFC 3339, such as 2027-01-31T12:00:00Z, after 1970");
    let time: Timestamp = text.parse().map_err(|_| bad())?;
    u64::try_from(time.as_millisecond()).map_err(|_| bad())
}

/// A time as answers have it: RFC 3339, UTC.
pub fn shown_time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}

/// Who asked for it.
pub fn origin(text: &str) -> Result<Origin, Invalid> {
    match text {
        "" | "consumer" => Ok(Origin::Consumer),
        "company" => Ok(Origin::Company),
        _ => Err(Invalid::new("origin", "must be consumer or company")),
    }
}

/// For which calls it holds.
pub fn scope(text: &str) -> Result<Scope, Invalid> {
    let bad = || {
        Invalid::new("scope", format!("must be tenant, brand NAME or campaign NAME, of at most {MAX_ID_BYTES} bytes"))
    };
    let (kind, name) = match text {
        "" | "tenant" => return Ok(Scope::Tenant),
        other => other.split_once(' ').ok_or_else(bad)?,
    };
    if name.trim().is_empty() || name.len() > MAX_ID_BYTES || name.chars().any(char::is_control) {
        return Err(bad());
    }
    match kind {
        "brand" => Ok(Scope::Brand(name.into())),
        "campaign" => Ok(Scope::Campaign(name.into())),
        _ => Err(bad()),
    }
}

/// A scope as callers write it.
pub fn shown_scope(scope: &Scope) -> String {
    match scope {
        Scope::Tenant => "tenant".into(),
        Scope::Brand(name) => format!("brand {name}"),
        Scope::Campaign(name) => format!("campaign {name}"),
    }
}

/// When an entry ends. It cannot have ended before it began.
pub fn ends(at: &str, in_seconds: Option<u64>, now_ms: u64) -> Result<Option<u64>, Invalid> {
    let end = match (at, in_seconds) {
        ("", None) => return Ok(None),
        (at, None) => time("expires_at", at)?,
        ("", Some(seconds)) if (1..=MAX_EXPIRES_IN).contains(&seconds) => now_ms + seconds * 1_000,
        ("", Some(_)) => {
            return Err(Invalid::new("expires_in", format!("must be 1 to {MAX_EXPIRES_IN} seconds")));
        }
        (_, Some(_)) => return Err(Invalid::new("expires_in", "cannot be given together with expires_at")),
    };
    if end <= now_ms {
        return Err(Invalid::new("expires_at", "must not be in the past"));
    }
    Ok(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_from_what_is_shown() {
        for scope in [Scope::Tenant, Scope::Brand("acme inc".into()), Scope::Campaign("spring".into())] {
            assert_eq!(self::scope(&shown_scope(&scope)), Ok(scope));
        }
        assert_eq!(scope(""), Ok(Scope::Tenant));
        for bad in ["brand", "brand ", "brand  ", "planet earth", "brand a\nb", &format!("brand {}", "x".repeat(129))] {
            assert_eq!(scope(bad).expect_err(bad).field, "scope");
        }
    }

    #[test]
    fn an_end_is_a_time_or_a_span_and_lies_ahead() {
        let now = 1_800_000_000_000;
        assert_eq!(ends("", None, now), Ok(None));
        assert_eq!(ends("", Some(60), now), Ok(Some(now + 60_000)));
        assert_eq!(ends(&shown_time(now + 1), None, now), Ok(Some(now + 1)));
        for (at, span, field) in [
            (shown_time(now), None, "expires_at"),
            ("tomorrow".into(), None, "expires_at"),
            ("2027-01-01".into(), None, "expires_at"),
            ("1969-12-31T00:00:00Z".into(), None, "expires_at"),
            (String::new(), Some(0), "expires_in"),
            (String::new(), Some(u64::MAX), "expires_in"),
            (shown_time(now + 1), Some(1), "expires_in"),
        ] {
            assert_eq!(ends(&at, span, now).expect_err(&at).field, field);
        }
    }

    #[test]
    fn a_time_reads_back_from_what_is_shown_to_the_millisecond() {
        for ms in [0, 1, 999, 1_000, 1_800_000_000_123] {
            assert_eq!(time("from", &shown_time(ms)), Ok(ms));
        }
    }
}
