//! Exemptions: why a tenant may call a number although a federal or state registry lists it.
//!
//! An established business relationship lasts 18 months after a purchase and 3 months after an
//! inquiry (16 CFR 310.2(q)), some states allow less; written consent lasts until it is revoked.
//! An exemption never lifts an internal request, a litigation list or a rule.

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ids::{RequestId, TenantId};
use crate::registry::RegistryKind;

/// What an exemption rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ground {
    /// The person bought something.
    Purchase,
    /// The person asked about something.
    Inquiry,
    /// The person agreed in writing.
    Consent,
}

/// One exemption of one tenant for one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// Names it: the id of the request that made it.
    pub id: RequestId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it rests on.
    pub ground: Ground,
    /// The day of the purchase, the inquiry or the consent.
    pub since: Date,
    /// When it ends at the latest, milliseconds since 1970, where it was granted until then.
    pub expires_ms: Option<u64>,
    /// Where the proof is kept: an order number, a recording, a signed form.
    pub proof: String,
    /// SHA-256 of the proof, hexadecimal; may be empty.
    pub proof_sha256: String,
    /// Anything else, for people.
    pub notes: String,
    /// Who entered it.
    pub granted_by: String,
    /// When, milliseconds since 1970.
    pub granted_ms: u64,
}

/// How many months a business relationship lasts, for one registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Months {
    /// After a purchase.
    pub purchase: u8,
    /// After an inquiry.
    pub inquiry: u8,
}

// === impl Ground ===

impl Ground {
    /// The word for it in requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Ground::Purchase => "purchase",
            Ground::Inquiry => "inquiry",
            Ground::Consent => "consent",
        }
    }
}

impl std::str::FromStr for Ground {
    type Err = UnknownGround;

    fn from_str(text: &str) -> Result<Self, UnknownGround> {
        [Ground::Purchase, Ground::Inquiry, Ground::Consent]
            .into_iter()
            .find(|ground| ground.as_str() == text)
            .ok_or(UnknownGround)
    }
}

/// Text that names no ground.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an exemption rests on purchase, inquiry or consent")]
pub struct UnknownGround;

// === impl Months ===

impl Default for Months {
    fn default() -> Self {
        Months { purchase: 18, inquiry: 3 }
    }
}

// === impl Exemption ===

impl Exemption {
    /// Whether it has ended by this clock.
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|end| end <= now_ms)
    }

    /// Whether it lifts the listing of a registry of this kind, which counts relationships in these months, today.
    pub fn lifts(&self, kind: RegistryKind, months: Months, today: Date) -> bool {
        if !matches!(kind, RegistryKind::Federal | RegistryKind::State) || self.since > today {
            return false;
        }
        let months = match self.ground {
            Ground::Consent => return true,
            Ground::Purchase => months.purchase,
            Ground::Inquiry => months.inquiry,
        };
        self.since.checked_add(Span::new().months(months)).is_ok_and(|end| today < end)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn exemption(ground: Ground) -> Exemption {
        Exemption {
            id: RequestId(1),
            tenant: TenantId(1),
            ground,
            since: date(2025, 5, 31),
            expires_ms: None,
            proof: String::new(),
            proof_sha256: String::new(),
            notes: String::new(),
            granted_by: String::new(),
            granted_ms: 0,
        }
    }

    #[test]
    fn a_purchase_lasts_eighteen_months_and_an_inquiry_three() {
        let federal = |e: &Exemption, today| e.lifts(RegistryKind::Federal, Months::default(), today);
        let purchase = exemption(Ground::Purchase);
        assert!(federal(&purchase, date(2026, 11, 29)));
        assert!(!federal(&purchase, date(2026, 11, 30)));
        let inquiry = exemption(Ground::Inquiry);
        assert!(federal(&inquiry, date(2025, 8, 30)));
        assert!(!federal(&inquiry, date(2025, 8, 31)));
        assert!(federal(&exemption(Ground::Consent), date(2040, 1, 1)));
    }

    #[test]
    fn a_registry_can_count_in_other_months() {
        let tennessee = Months { purchase: 12, inquiry: 12 };
        let purchase = exemption(Ground::Purchase);
        assert!(purchase.lifts(RegistryKind::State, tennessee, date(2026, 5, 30)));
        assert!(!purchase.lifts(RegistryKind::State, tennessee, date(2026, 5, 31)));
    }

    #[test]
    fn only_federal_and_state_listings_can_be_lifted_and_not_before_their_day() {
        let consent = exemption(Ground::Consent);
        for kind in RegistryKind::ALL {
            let may = matches!(kind, RegistryKind::Federal | RegistryKind::State);
            assert_eq!(consent.lifts(kind, Months::default(), date(2025, 6, 1)), may, "{kind}");
        }
        assert!(!consent.lifts(RegistryKind::Federal, Months::default(), date(2025, 5, 30)));
    }

    #[test]
    fn an_end_that_has_come_has_come() {
        let ends = Exemption { expires_ms: Some(1_000), ..exemption(Ground::Consent) };
        assert!(!ends.has_expired(999));
        assert!(ends.has_expired(1_000));
    }
}
