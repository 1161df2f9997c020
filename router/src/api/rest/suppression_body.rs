//! What requests give of opt-outs: entries to be added, and which are to be removed or verified.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::openapi::{IdText, NameText, PhoneText};
use super::read::filled;
use crate::suppress::Addition;

/// Body of an addition.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSuppression)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    #[schema(value_type = PhoneText)]
    phone_number: String,
    /// Why; may be empty.
    #[schema(max_length = 1024)]
    reason: String,
    /// Who enters it; may be empty.
    #[schema(max_length = 128)]
    added_by: String,
    /// A live registry; without it, `internal`.
    #[serde(default)]
    #[schema(value_type = NameText)]
    registry: String,
    /// Where it came in.
    #[serde(default)]
    #[schema(max_length = 1024)]
    source: String,
    /// Who wants it, `consumer` or `company`; without it, `consumer`.
    #[serde(default)]
    #[schema(pattern = "^(consumer|company)?$")]
    origin: String,
    /// The person.
    #[serde(default)]
    #[schema(max_length = 1024)]
    consumer_name: String,
    /// Anything else, for people.
    #[serde(default)]
    #[schema(max_length = 1024)]
    notes: String,
    /// When it ends, which lies ahead; not together with `expires_in`. Without either it does not end.
    #[serde(default, deserialize_with = "filled")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// In how many seconds it ends.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3_162_240_000_u64)]
    expires_in: Option<u64>,
    /// For which calls: `tenant`, `brand NAME` or `campaign NAME`; without it, for all of the tenant's.
    #[serde(default)]
    #[schema(
        max_length = 137,
        pattern = r"^(tenant|(brand|campaign) [^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*)?$"
    )]
    scope: String,
    /// The caller's own fields; 4096 bytes at most, keys and values together.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Names the request, as an `Idempotency-Key` does. Not in an item of a bulk: the bulk is named.
    #[serde(default)]
    #[schema(value_type = IdText)]
    pub request_id: String,
}

/// Parameters of a removal.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RemoveParams {
    /// Why.
    #[serde(default)]
    #[param(required = true, max_length = 1024, pattern = r"\S")]
    pub reason: String,
    /// Who removes it.
    #[serde(default)]
    #[param(max_length = 128)]
    pub removed_by: String,
    /// A live registry; without it, `internal`.
    #[serde(default)]
    #[param(value_type = NameText)]
    pub registry: String,
    /// Names the request, as an `Idempotency-Key` does. One that holds a time, as UUIDs of version 7 do,
    /// removes only what was added before; the time must not lie ahead.
    #[serde(default)]
    #[param(value_type = IdText)]
    pub request_id: String,
    /// The entries to remove, with commas between them; without it, all that stand.
    #[serde(default)]
    #[param(value_type = Vec<IdText>, style = Form, explode = false, max_items = 1000)]
    pub entry_ids: String,
}

/// Body of a verification.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = Verification)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// A live registry; without it, `internal`.
    #[serde(default)]
    #[schema(value_type = NameText)]
    pub registry: String,
    /// Names the request, as an `Idempotency-Key` does.
    #[serde(default)]
    #[schema(value_type = IdText)]
    pub request_id: String,
}

// === impl AddBody ===

impl From<AddBody> for Addition {
    fn from(body: AddBody) -> Self {
        Self {
            phone_number: body.phone_number,
            registry: body.registry,
            reason: body.reason,
            source: body.source,
            added_by: body.added_by,
            origin: body.origin,
            consumer_name: body.consumer_name,
            notes: body.notes,
            expires_at: body.expires_at.unwrap_or_default(),
            expires_in: body.expires_in,
            scope: body.scope,
            metadata: body.metadata,
            request_id: body.request_id,
        }
    }
}
