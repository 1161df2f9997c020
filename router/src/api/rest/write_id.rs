//! `Idempotency-Key`: a write that is repeated with the same key is done once.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use dnc_core::ids::{RequestId, TenantId};
use sha2::{Digest, Sha256};
use uuid::Builder;

use super::problem::Problem;
use super::read::Tenant;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;

/// The header, as HTTP libraries name it.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Longest key, bytes.
const MAX_KEY: usize = 128;

/// The request id that the header `Idempotency-Key` stands for; none without the header.
///
/// The same key of the same tenant for the same method and path is always the same id, on every
/// router, so the shard recognises a repetition; the same key elsewhere is another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteId(pub Option<RequestId>);

// === impl WriteId ===

impl WriteId {
    fn of(tenant: TenantId, method: &Method, path: &str, key: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"dnc idempotency key 1");
        hash.update(tenant.0.to_be_bytes());
        // None of these can hold a zero byte, so no two requests run together.
        for part in [method.as_str().as_bytes(), path.as_bytes(), key] {
            hash.update(part);
            hash.update([0]);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(Some(RequestId(Builder::from_custom_bytes(id).into_uuid().as_u128())))
    }

    /// The same as [`Self::or_given`], as rooms take it: empty where neither says an id.
    pub fn named(self, request_id: &str) -> Result<String, Invalid> {
        self.or_given(request_id).map(|id| WriteId(id).to_string())
    }

    /// The id of a request that can also name itself in its body or parameters, in the field
    /// `request_id`. If both do, they must mean the same.
    pub fn or_given(self, request_id: &str) -> Result<Option<RequestId>, Invalid> {
        if request_id.is_empty() {
            return Ok(self.0);
        }
        let given = request_id.parse().map_err(|why| Invalid::new("request_id", format!("{why}")))?;
        match self.0 {
            Some(own) if own != given => {
                Err(Invalid::new("request_id", "is another one than the header Idempotency-Key stands for; send one"))
            }
            _ => Ok(Some(given)),
        }
    }
}

impl fmt::Display for WriteId {
    /// Nothing, if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| id.fmt(f))
    }
}

impl<C: Cluster> FromRequestParts<State<C>> for WriteId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State<C>) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes);
        let Some(key) = keys.next().map(<[u8]>::to_vec) else {
            return Ok(Self(None));
        };
        let plain = (1..=MAX_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !plain || keys.next().is_some() {
            let why = format!("one key of 1 to {MAX_KEY} visible ASCII characters");
            return Err(Problem::field("Idempotency-Key", &Invalid::new("Idempotency-Key", why)));
        }
        let Tenant(tenant) = Tenant::from_request_parts(parts, state).await?;
        Ok(Self::of(tenant, &parts.method, parts.uri.path(), &key))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(tenant: u32, method: &Method, path: &str, key: &str) -> WriteId {
        WriteId::of(TenantId(tenant), method, path, key.as_bytes())
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_tenant() {
        let first = id(1, &Method::POST, "/a", "k");
        assert_eq!(first, id(1, &Method::POST, "/a", "k"));
        for other in [
            id(2, &Method::POST, "/a", "k"),
            id(1, &Method::DELETE, "/a", "k"),
            id(1, &Method::POST, "/b", "k"),
            id(1, &Method::POST, "/a", "l"),
            id(1, &Method::POST, "/ak", ""),
        ] {
            assert_ne!(first, other);
        }
    }

    /// Frozen: a retry may reach a router of another release.
    #[test]
    fn a_key_stands_for_this_id() {
        let WriteId(made) = id(1, &Method::POST, "/api/v1/dnc/internal", "order-17");
        let uuid = Uuid::from_u128(made.expect("made").0);
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.to_string(), "94b11a17-f0f5-823b-8750-c8e6dbd4a55f");
    }

    #[test]
    fn a_request_that_names_itself_twice_must_mean_the_same() {
        let made = id(1, &Method::POST, "/a", "k");
        assert_eq!(made.or_given("").expect("no other"), made.0);
        assert_eq!(made.or_given(&made.to_string()).expect("the same"), made.0);
        let other = RequestId(7);
        assert_eq!(WriteId(None).or_given(&other.to_string()).expect("only one"), Some(other));
        assert_eq!(WriteId(None).or_given("").expect("none"), None);
        assert_eq!(made.or_given(&other.to_string()).expect_err("two").field, "request_id");
        assert_eq!(made.or_given("x").expect_err("no id").field, "request_id");
    }
}
