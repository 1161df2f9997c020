//! Who asks, under which ids, and how long they wait.

use std::time::Duration;

use dnc_core::ids::TenantId;
use dnc_core::log_key::LogKey;
use dnc_core::tenant::{DEFAULT_TENANT, DEFAULT_TENANT_ID};
use dnc_core::verdict::Asker;
use dnc_meta::Known;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::failure::{Failure, Invalid, Kind};
use crate::options::MAX_ID_BYTES;
use crate::privacy::masked;
use crate::telemetry::Api;

/// The header and metadata key of the request id.
pub const REQUEST_ID: &str = "x-request-id";

/// The header and metadata key of the tenant's name.
pub const TENANT: &str = "x-dnc-tenant";

/// The least that is kept back from a caller's own time-out, so that the answer still travels.
const MARGIN_MAX: Duration = Duration::from_millis(20);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Which door they came through.
    pub api: Api,
    /// Names the request in logs and traces.
    pub request_id: String,
    /// Their id of the call; may be empty.
    pub call_id: String,
    /// Who they are; may be empty.
    pub checked_by: String,
    /// For which tenant, and about which call.
    pub asker: Asker,
}

/// A tenant's name that no tenant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTenant {
    /// There is none.
    #[error("there is no tenant of this name")]
    Nobody,
    /// This router cannot say.
    #[error("this router does not know the tenants yet")]
    NotYet,
}

// === impl Failure for UnknownTenant ===

impl Failure for UnknownTenant {
    fn kind(&self) -> Kind {
        match self {
            UnknownTenant::Nobody => Kind::NotFound,
            UnknownTenant::NotYet => Kind::Unavailable,
        }
    }
}

// === impl Caller ===

impl Caller {
    /// A caller whose ids are short enough.
    pub fn new(
        api: Api,
        request_id: String,
        asker: Asker,
        call_id: String,
        checked_by: String,
    ) -> Result<Self, Invalid> {
        Invalid::limit("call_id", &call_id, MAX_ID_BYTES)?;
        Invalid::limit("checked_by", &checked_by, MAX_ID_BYTES)?;
        Ok(Self { api, request_id, call_id, checked_by, asker })
    }

    /// The span in which their request is answered. Ids can hold numbers: these are named by the key. It is there for traces, and for
    /// whoever turns the log's level up: writing its fields would cost more than most checks.
    pub fn span(&self, kind: &'static str, key: Option<LogKey>) -> tracing::Span {
        tracing::debug_span!(
            // Of whoever says what was checked: whoever wants to read that wants to read this.
            target: "dnc_router::api::checks",
            "check",
            kind,
            api = self.api.as_str(),
            request_id = &*masked(&self.request_id, key),
            call_id = &*masked(&self.call_id, key),
            checked_by = &*masked(&self.checked_by, key),
        )
    }
}

/// The tenant that a request names in its metadata or headers; the default one if it names none.
pub fn tenant(known: &Known, given: Option<&[u8]>) -> Result<TenantId, UnknownTenant> {
    let name = match given {
        None => DEFAULT_TENANT,
        Some(name) => std::str::from_utf8(name).map_err(|_| UnknownTenant::Nobody)?,
    };
    if name == DEFAULT_TENANT {
        // There from the founding on: a router that does not know the catalog yet says so in its answer.
        return Ok(DEFAULT_TENANT_ID);
    }
    let found = known.view.tenant_named(name).map(|tenant| tenant.id);
    found.ok_or(if known.catalog.founding.is_some() { UnknownTenant::Nobody } else { UnknownTenant::NotYet })
}

/// What a request says of the call that it is about.
pub fn asker(tenant: TenantId, brand: String, campaign: String) -> Result<Asker, Invalid> {
    Invalid::limit("brand", &brand, MAX_ID_BYTES)?;
    Invalid::limit("campaign", &campaign, MAX_ID_BYTES)?;
    let said = |text: String| (!text.is_empty()).then_some(text);
    Ok(Asker { tenant, brand: said(brand), campaign: said(campaign) })
}

/// The request's own id if it is printable and not too long, else a new one.
pub fn request_id(given: Option<&[u8]>) -> String {
    given
        .filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
        .filter(|id| id.iter().all(u8::is_ascii_graphic))
        .and_then(|id| std::str::from_utf8(id).ok())
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The request id of a gRPC call.
pub fn grpc_request_id(metadata: &MetadataMap) -> String {
    request_id(metadata.get(REQUEST_ID).map(|value| value.as_bytes()))
}

/// When a check must be answered: after the default time, or a little before the caller stops waiting.
pub fn deadline(metadata: &MetadataMap, default: Duration) -> Instant {
    Instant::now() + time_for(grpc_timeout(metadata), default)
}

fn time_for(timeout: Option<Duration>, default: Duration) -> Duration {
    timeout.map_or(default, |timeout| {
        let margin = (timeout / 10).min(MARGIN_MAX);
        default.min(timeout - margin)
    })
}

/// The caller's time-out: up to eight digits and a unit ("gRPC over HTTP2", Timeout).
pub fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    parse_timeout(metadata.get("grpc-timeout")?.to_str().ok()?)
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().last()?;
    let digits = &text[..unit_at];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(value * 3_600),
        'M' => Duration::from_secs(value * 60),
        'S' => Duration::from_secs(value),
        'm' => Duration::from_millis(value),
        'u' => Duration::from_micros(value),
        'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_reads_in_every_unit_and_rubbish_is_none() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("250m", Duration::from_millis(250)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("5n", Duration::from_nanos(5)),
        ] {
            assert_eq!(parse_timeout(text), Some(expected), "{text}");
        }
        for bad in ["", "m", "1", "123456789m", "-1m", "1x", "1é", "1.5S", "+1S"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_shorter_of_the_two_times_counts_less_a_margin_to_answer_in() {
        let second = Duration::from_secs(1);
        assert_eq!(time_for(None, second), second);
        assert_eq!(time_for(Some(Duration::from_secs(9)), second), second);
        assert_eq!(time_for(Some(Duration::from_millis(300)), second), Duration::from_millis(280));
        assert_eq!(time_for(Some(Duration::from_millis(10)), second), Duration::from_millis(9));
        assert_eq!(time_for(Some(Duration::ZERO), second), Duration::ZERO);
    }

    #[test]
    fn a_request_id_is_taken_if_it_is_printable_and_short_and_made_otherwise() {
        assert_eq!(request_id(Some(b"abc-1")), "abc-1");
        let longest = "x".repeat(MAX_ID_BYTES);
        assert_eq!(request_id(Some(longest.as_bytes())), longest);
        let too_long = "x".repeat(MAX_ID_BYTES + 1);
        for bad in [&b""[..], b"a b", b"a\n", "é".as_bytes(), too_long.as_bytes()] {
            let made = request_id(Some(bad));
            assert_eq!(Uuid::parse_str(&made).expect("a UUID").get_version_num(), 7);
        }
        assert_ne!(request_id(None), request_id(None));
    }

    #[test]
    fn ids_that_are_too_long_are_refused_by_field() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        let call = Caller::new(Api::Grpc, String::new(), Asker::tenant(TenantId(1)), long.clone(), String::new());
        assert_eq!(call.expect_err("too long").field, "call_id");
        let by = Caller::new(Api::Grpc, String::new(), Asker::tenant(TenantId(1)), String::new(), long);
        assert_eq!(by.expect_err("too long").field, "checked_by");
    }
}
