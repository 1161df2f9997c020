//! Entries of live registries, and exemptions, as JSON: the one shape that REST answers with, that
//! exports hold and that `dnc` prints.

use std::collections::BTreeMap;

use dnc_core::exemption::Exemption;
use dnc_core::number::PhoneNumber;
use dnc_core::query::Entry;
use dnc_core::suppression::Removal;
use dnc_proto::v1;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::suppress::{shown_scope, shown_time};

/// One suppression. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Suppression)]
#[serde(deny_unknown_fields)]
pub struct SuppressionShown {
    /// Names the entry.
    pub suppression_id: String,
    /// E.164.
    pub phone_number: String,
    /// The live registry.
    pub registry: String,
    /// `tenant`, `brand NAME` or `campaign NAME`.
    pub scope: String,
    /// `consumer` or `company`.
    #[schema(pattern = "^(consumer|company)$")]
    pub origin: String,
    /// Why.
    pub reason: String,
    /// Where it came in.
    pub source: String,
    /// Who entered it.
    pub added_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub added_at: String,
    /// The person, as far as known.
    pub consumer_name: String,
    /// Anything else, for people.
    pub notes: String,
    /// When it ends; null if it does not end by itself.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When somebody last made sure that it still holds.
    #[schema(format = DateTime)]
    pub last_verified_at: String,
    /// The caller's own fields.
    pub metadata: BTreeMap<String, String>,
    /// How it was removed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<RemovalShown>,
}

/// How an entry or an exemption was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Removal)]
#[serde(deny_unknown_fields)]
pub struct RemovalShown {
    /// The request that did it; null if it ended by itself.
    pub request_id: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub removed_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub removed_at: String,
}

/// One exemption. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Exemption)]
#[serde(deny_unknown_fields)]
pub struct ExemptionShown {
    /// Names the exemption.
    pub exemption_id: String,
    /// E.164.
    pub phone_number: String,
    /// `purchase`, `inquiry` or `consent`.
    #[schema(pattern = "^(purchase|inquiry|consent)$")]
    pub ground: String,
    /// The day of it.
    #[schema(format = Date)]
    pub since: String,
    /// When it ends at the latest; null if it was granted without an end.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Where the proof is kept.
    pub proof: String,
    /// SHA-256 of the proof, hexadecimal.
    pub proof_sha256: String,
    /// Anything else, for people.
    pub notes: String,
    /// Who entered it.
    pub granted_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub granted_at: String,
    /// How it was ended, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<RemovalShown>,
}

fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

// === impl SuppressionShown ===

impl SuppressionShown {
    /// An entry of the registry of this name.
    pub(crate) fn of(entry: Entry, registry: &str) -> Self {
        let suppression = entry.suppression;
        Self {
            suppression_id: suppression.id.to_string(),
            phone_number: entry.number.to_string(),
            registry: registry.to_owned(),
            scope: shown_scope(&suppression.scope),
            origin: suppression.origin.as_str().into(),
            reason: suppression.reason,
            source: suppression.source,
            added_by: suppression.added_by,
            added_at: shown_time(suppression.added_ms),
            consumer_name: suppression.consumer_name,
            notes: suppression.notes,
            expires_at: suppression.expires_ms.map(shown_time),
            last_verified_at: shown_time(suppression.verified_ms),
            metadata: suppression.metadata,
            removal: entry.removal.map(RemovalShown::of),
        }
    }
}

impl From<SuppressionShown> for v1::Suppression {
    fn from(shown: SuppressionShown) -> Self {
        Self {
            suppression_id: shown.suppression_id,
            phone_number: shown.phone_number,
            registry: shown.registry,
            scope: shown.scope,
            origin: shown.origin,
            reason: shown.reason,
            source: shown.source,
            added_by: shown.added_by,
            added_at: shown.added_at,
            consumer_name: shown.consumer_name,
            notes: shown.notes,
            expires_at: shown.expires_at.unwrap_or_default(),
            last_verified_at: shown.last_verified_at,
            metadata: shown.metadata.into_iter().collect(),
            removal: shown.removal.map(v1::Removal::from),
        }
    }
}

impl From<v1::Suppression> for SuppressionShown {
    fn from(message: v1::Suppression) -> Self {
        Self {
            suppression_id: message.suppression_id,
            phone_number: message.phone_number,
            registry: message.registry,
            scope: message.scope,
            origin: message.origin,
            reason: message.reason,
            source: message.source,
            added_by: message.added_by,
            added_at: message.added_at,
            consumer_name: message.consumer_name,
            notes: message.notes,
            expires_at: said(message.expires_at),
            last_verified_at: message.last_verified_at,
            metadata: message.metadata.into_iter().collect(),
            removal: message.removal.map(RemovalShown::from),
        }
    }
}

// === impl RemovalShown ===

impl RemovalShown {
    pub(crate) fn of(removal: Removal) -> Self {
        Self {
            request_id: removal.request.map(|request| request.to_string()),
            reason: removal.reason,
            removed_by: removal.removed_by,
            removed_at: shown_time(removal.removed_ms),
        }
    }
}

impl From<RemovalShown> for v1::Removal {
    fn from(shown: RemovalShown) -> Self {
        Self {
            request_id: shown.request_id.unwrap_or_default(),
            reason: shown.reason,
            removed_by: shown.removed_by,
            removed_at: shown.removed_at,
        }
    }
}

impl From<v1::Removal> for RemovalShown {
    fn from(message: v1::Removal) -> Self {
        Self {
            request_id: said(message.request_id),
            reason: message.reason,
            removed_by: message.removed_by,
            removed_at: message.removed_at,
        }
    }
}

// === impl ExemptionShown ===

impl ExemptionShown {
    pub(crate) fn of(number: PhoneNumber, exemption: Exemption, removal: Option<Removal>) -> Self {
        Self {
            exemption_id: exemption.id.to_string(),
            phone_number: number.to_string(),
            ground: exemption.ground.as_str().into(),
            since: exemption.since.to_string(),
            expires_at: exemption.expires_ms.map(shown_time),
            proof: exemption.proof,
            proof_sha256: exemption.proof_sha256,
            notes: exemption.notes,
            granted_by: exemption.granted_by,
            granted_at: shown_time(exemption.granted_ms),
            removal: removal.map(RemovalShown::of),
        }
    }
}

impl From<ExemptionShown> for v1::Exemption {
    fn from(shown: ExemptionShown) -> Self {
        Self {
            exemption_id: shown.exemption_id,
            phone_number: shown.phone_number,
            ground: shown.ground,
            since: shown.since,
            expires_at: shown.expires_at.unwrap_or_default(),
            proof: shown.proof,
            proof_sha256: shown.proof_sha256,
            notes: shown.notes,
            granted_by: shown.granted_by,
            granted_at: shown.granted_at,
            removal: shown.removal.map(v1::Removal::from),
        }
    }
}

impl From<v1::Exemption> for ExemptionShown {
    fn from(message: v1::Exemption) -> Self {
        Self {
            exemption_id: message.exemption_id,
            phone_number: message.phone_number,
            ground: message.ground,
            since: message.since,
            expires_at: said(message.expires_at),
            proof: message.proof,
            proof_sha256: message.proof_sha256,
            notes: message.notes,
            granted_by: message.granted_by,
            granted_at: message.granted_at,
            removal: message.removal.map(RemovalShown::from),
        }
    }
}
