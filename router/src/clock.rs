//! The time, as this router tells it.

use dnc_core::verdict::Now;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Now, for judging: the UTC date is the clock for the age of lists.
pub fn now() -> Now {
    Now { today: today(), ms: now_ms() }
}

/// The UTC date.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// A moment, milliseconds since 1970, as text (RFC 3339); empty if it is none.
pub fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}
