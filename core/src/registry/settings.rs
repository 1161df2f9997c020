//! What an operator decides about a registry, and can change at any time.

use serde::{Deserialize, Serialize};

use crate::exemption::Months;
use crate::listfile::Format;

/// Days that a list may be old at the time of a call, where a registry does not say otherwise: 16 CFR 310.4(b)(3)(iv).
pub const MAX_LIST_AGE_DAYS: u16 = 31;

/// Sealed versions that are kept, the active one included, where a registry does not say otherwise.
pub const KEEP_VERSIONS: u8 = 3;

/// What an operator decides about a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Country or state code, for people to read.
    pub jurisdiction: String,
    /// Whether it is consulted. A live registry lists what it holds in any case, and takes nothing new.
    pub enabled: bool,
    /// Days that its lists may be old at the time of a call.
    pub max_age_days: u16,
    /// Sealed versions that are kept, the active one included.
    pub keep_versions: u8,
    /// By how much a load may change it without being forced.
    pub guard: Guard,
    /// How long a business relationship lifts its listings.
    pub exemption_months: Months,
    /// How its files are read.
    pub reading: Reading,
    /// Where its lists are fetched from.
    pub fetch: Option<Fetch>,
    /// When they are fetched.
    pub schedule: Option<Schedule>,
    /// Most requests a second to where it comes from.
    pub rate_limit: u16,
}

/// By how much a load may change an area, or the whole, without being forced. Areas of fewer than
/// [`Guard::FLOOR`] numbers change too much by chance and are not guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Most that it may shrink, percent of what it was; none means any.
    pub shrink_percent: Option<u32>,
    /// Most that it may grow, percent of what it was; none means any.
    pub growth_percent: Option<u32>,
}

/// How a registry's files are read, where they do not say it themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The format, where it is not to be detected.
    pub format: Option<Format>,
    /// Which columns hold what, as JSON that the list reader understands; empty where the format needs none.
    pub mapping: String,
    /// The CSV column that holds the number; empty where its name is one of the usual.
    pub csv_column: String,
    /// The country of numbers that come without one.
    pub default_country: u16,
    /// Digits of a national number of that country, where they are not known.
    pub national_digits: Option<u8>,
}

/// Where a registry's lists come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// A folder (`file:///lists`), a file or folder over `http(s)://`, `s3://bucket/path`, `sftp://user@host/path`.
    pub url: String,
    /// Where one number can be looked up, with `{number}` for its E.164 digits; may be empty.
    pub lookup_url: String,
    /// The provider's key, encrypted.
    pub key: Option<SealedKey>,
}

/// A provider's key under AES-256-GCM, with the registry's id as associated data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// Used once.
    pub nonce: [u8; 12],
    /// The key and its tag.
    pub ciphertext: Vec<u8>,
}

/// When a registry's lists are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields of cron: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// The IANA time zone in which they are meant.
    pub time_zone: String,
}

// === impl Guard ===

impl Guard {
    /// Fewer numbers than this are not guarded.
    pub const FLOOR: u64 = 100;

    /// Whether a change from so many numbers to so many needs to be forced.
    pub fn stops(&self, before: u64, after: u64) -> bool {
        if before < Self::FLOOR {
            return false;
        }
        let (gone, come) = (before.saturating_sub(after), after.saturating_sub(before));
        let beyond = |change: u64, percent: Option<u32>| {
            percent.is_some_and(|percent| u128::from(change) * 100 > u128::from(before) * u128::from(percent))
        };
        beyond(gone, self.shrink_percent) || beyond(come, self.growth_percent)
    }
}

impl Default for Guard {
    fn default() -> Self {
        Guard { shrink_percent: Some(20), growth_percent: Some(100) }
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Settings {
            jurisdiction: String::new(),
            enabled: true,
            max_age_days: MAX_LIST_AGE_DAYS,
            keep_versions: KEEP_VERSIONS,
            guard: Guard::default(),
            exemption_months: Months::default(),
            reading: Reading::default(),
            fetch: None,
            schedule: None,
            rate_limit: 10,
        }
    }
}

// === impl Reading ===

impl Default for Reading {
    fn default() -> Self {
        Reading {
            format: None,
            mapping: String::new(),
            csv_column: String::new(),
            default_country: 1,
            national_digits: None,
        }
    }
}

// === impl SealedKey ===

impl std::fmt::Debug for SealedKey {
    /// Shows that there is one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_stops_what_goes_beyond_it_and_lets_small_lists_be() {
        let guard = Guard { shrink_percent: Some(20), growth_percent: Some(50) };
        assert!(!guard.stops(1_000, 800));
        assert!(guard.stops(1_000, 799));
        assert!(!guard.stops(1_000, 1_500));
        assert!(guard.stops(1_000, 1_501));
        assert!(!guard.stops(99, 0));
        assert!(guard.stops(100, 0));
        let open = Guard { shrink_percent: None, growth_percent: None };
        assert!(!open.stops(u64::MAX, 0));
        assert!(!open.stops(100, u64::MAX));
    }
}
