//! Suppressions: opt-outs, the entries of live registries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{RequestId, TenantId};

/// Longest free text in an entry, bytes.
pub const MAX_TEXT: usize = 1_024;

/// Most bytes of an entry's metadata, keys and values together.
pub const MAX_METADATA: usize = 4_096;

/// One opt-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Names it: the id of the request that made it.
    pub id: RequestId,
    /// Whose it is: no other tenant is answered from it or sees it.
    pub tenant: TenantId,
    /// For which calls it holds.
    pub scope: Scope,
    /// Who asked for it.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// Where it came in: a call, a web form, another system.
    pub source: String,
    /// Who entered it.
    pub added_by: String,
    /// When, milliseconds since 1970.
    pub added_ms: u64,
    /// The person, as far as known.
    pub consumer_name: String,
    /// Anything else, for people.
    pub notes: String,
    /// When it ends, milliseconds since 1970; it does not end by itself if there is none.
    pub expires_ms: Option<u64>,
    /// When somebody last made sure that it still holds, milliseconds since 1970.
    pub verified_ms: u64,
    /// The caller's own fields.
    pub metadata: BTreeMap<String, String>,
}

/// For which calls of its tenant a suppression holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// All of them.
    Tenant,
    /// Those for this brand.
    Brand(String),
    /// Those of this campaign.
    Campaign(String),
}

/// Who asked for a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The person called.
    Consumer,
    /// The company itself.
    Company,
}

/// How an entry was removed; kept with what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The request that removed it; none if it ended by itself.
    pub request: Option<RequestId>,
    /// Why.
    pub reason: String,
    /// Who.
    pub removed_by: String,
    /// When, milliseconds since 1970.
    pub removed_ms: u64,
}

// === impl Suppression ===

impl Suppression {
    /// An opt-out for all calls of a tenant that does not end by itself, with nothing more said.
    pub fn new(id: RequestId, tenant: TenantId, origin: Origin, added_ms: u64) -> Suppression {
        Suppression {
            id,
            tenant,
            scope: Scope::Tenant,
            origin,
            reason: String::new(),
            source: String::new(),
            added_by: String::new(),
            added_ms,
            consumer_name: String::new(),
            notes: String::new(),
            expires_ms: None,
            verified_ms: added_ms,
            metadata: BTreeMap::new(),
        }
    }
}

// === impl Scope ===

impl Scope {
    /// Whether a suppression of this scope holds for a call of which this is known. A call that
    /// does not say its brand or campaign may be any, so it is suppressed.
    pub fn holds_for(&self, brand: Option<&str>, campaign: Option<&str>) -> bool {
        match self {
            Scope::Tenant => true,
            Scope::Brand(own) => brand.is_none_or(|asked| asked == own),
            Scope::Campaign(own) => campaign.is_none_or(|asked| asked == own),
        }
    }
}

// === impl Origin ===

impl Origin {
    /// The word for it in requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Consumer => "consumer",
            Origin::Company => "company",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_say_its_brand_is_suppressed_by_any() {
        let brand = Scope::Brand("acme".into());
        assert!(brand.holds_for(None, None));
        assert!(brand.holds_for(Some("acme"), Some("spring")));
        assert!(!brand.holds_for(Some("other"), None));
        let campaign = Scope::Campaign("spring".into());
        assert!(campaign.holds_for(Some("acme"), None));
        assert!(!campaign.holds_for(None, Some("autumn")));
        assert!(Scope::Tenant.holds_for(Some("other"), Some("autumn")));
    }
}
