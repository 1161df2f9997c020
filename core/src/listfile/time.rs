//! From the text of a time to a time in UTC.
//!
//! The times of a change list decide which of its changes counts, so a text that could mean two times is refused: the
//! widths of digits are exact, and how much a time tells (its [`TimeForm`]) is kept, for times that tell more and times
//! that tell less cannot be put in order.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

/// Years that a list can know of. Placeholders such as 0001-01-01 and 9999-12-31 are no times.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// How much a time tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// The day alone.
    Date,
    /// Day and time of day, in a zone that it does not name.
    Local,
    /// A point in time.
    Zoned,
}

/// A time as it was read.
pub(super) type Read = (DateTime, TimeForm);

/// Reads `2026-08-29` or `20260829`, and behind it maybe `T08:00`, with seconds, their fraction and a zone.
pub(super) fn iso(text: &[u8]) -> Option<Read> {
    let mut scan = Scan { rest: text };
    let mut parts = Parts { year: scan.digits(4, 4)?, ..Parts::default() };
    let dashed = scan.eat(b'-');
    parts.month = scan.digits(2, 2)?;
    if dashed && !scan.eat(b'-') {
        return None;
    }
    parts.day = scan.digits(2, 2)?;
    if scan.rest.is_empty() {
        return parts.read(TimeForm::Date);
    }
    if !(scan.eat(b'T') || scan.eat(b't') || scan.eat(b' ')) {
        return None;
    }
    parts.hour = scan.digits(2, 2)?;
    if !scan.eat(b':') {
        return None;
    }
    parts.minute = scan.digits(2, 2)?;
    if scan.eat(b':') {
        parts.second = scan.digits(2, 2)?;
        if scan.eat(b'.') {
            parts.nanosecond = scan.fraction()?;
        }
    }
    if scan.rest.is_empty() {
        return parts.read(TimeForm::Local);
    }
    parts.offset = scan.zone()?;
    scan.rest.is_empty().then(|| parts.read(TimeForm::Zoned))?
}

// === Reading ===

/// What is left of a text.
pub(super) struct Scan<'a> {
    pub rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number of `least` to `most` (at most four) digits, as many as there are.
    pub fn digits(&mut self, least: usize, most: usize) -> Option<i16> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        Some(self.take(count)?.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0')))
    }

    /// One to nine digits of a second, in nanoseconds.
    pub fn fraction(&mut self) -> Option<i32> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let value = self.take(count)?.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
        Some(value * 10_i32.pow(9 - count as u32))
    }

    /// `Z`, `+05`, `+0530` or `+05:30`, in seconds east of UTC.
    pub fn zone(&mut self) -> Option<i64> {
        if self.eat(b'Z') || self.eat(b'z') {
            return Some(0);
        }
        let sign = match self.take(1)? {
            b"+" => 1,
            b"-" => -1,
            _ => return None,
        };
        let hours = self.digits(2, 2)?;
        let colon = self.eat(b':');
        let minutes = match self.rest.first() {
            Some(b'0'..=b'9') => self.digits(2, 2)?,
            _ if colon => return None,
            _ => 0,
        };
        (hours <= 14 && minutes <= 59).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
    }
}

/// What a time is made of.
#[derive(Default)]
pub(super) struct Parts {
    pub year: i16,
    pub month: i16,
    pub day: i16,
    pub hour: i16,
    pub minute: i16,
    pub second: i16,
    pub nanosecond: i32,
    /// Seconds east of UTC.
    pub offset: i64,
}

impl Parts {
    /// The time that these make, if there is such a time.
    pub fn read(&self, form: TimeForm) -> Option<Read> {
        // All fields but the year have two digits.
        let date = Date::new(self.year, self.month as i8, self.day as i8).ok()?;
        let time = Time::new(self.hour as i8, self.minute as i8, self.second as i8, self.nanosecond).ok()?;
        if !YEARS.contains(&self.year) {
            return None;
        }
        let at = date.to_datetime(time).checked_sub(SignedDuration::from_secs(self.offset)).ok()?;
        Some((at, form))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_times_of_change_lists_are_read() {
        let eight = date(2026, 8, 29).at(8, 0, 0, 0);
        for (text, expected, form) in [
            ("2026-08-29", date(2026, 8, 29).at(0, 0, 0, 0), TimeForm::Date),
            ("20260829", date(2026, 8, 29).at(0, 0, 0, 0), TimeForm::Date),
            ("2026-08-29T08:00:00", eight, TimeForm::Local),
            ("2026-08-29 08:00", eight, TimeForm::Local),
            ("2026-08-29T08:00:00.25", date(2026, 8, 29).at(8, 0, 0, 250_000_000), TimeForm::Local),
            ("2026-08-29T08:00:00Z", eight, TimeForm::Zoned),
            ("2026-08-29T04:00:00-04:00", eight, TimeForm::Zoned),
            ("2026-08-29T13:30:00.000+0530", eight, TimeForm::Zoned),
            ("2026-08-29T10:00+02", eight, TimeForm::Zoned),
            ("2026-12-31T22:00:00-05:00", date(2027, 1, 1).at(3, 0, 0, 0), TimeForm::Zoned),
        ] {
            assert_eq!(iso(text.as_bytes()), Some((expected, form)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "A",
            "2026",
            "2026-8-29",
            "2026-0829",
            "202608-29",
            "2026-13-01",
            "2026-02-29",
            "0001-01-01",
            "9999-12-31",
            "08/29/2026",
            "2026-08-29T",
            "2026-08-29T8:00",
            "2026-08-29T0800",
            "2026-08-29T24:00",
            "2026-08-29T08:00:60",
            "2026-08-29T08:00:00.",
            "2026-08-29T08:00:00.1234567890",
            "2026-08-29T08:00:00+15:00",
            "2026-08-29T08:00:00+5",
            "2026-08-29T08:00:00+05:",
            "2026-08-29T08:00:00ZZ",
            "2026-08-29Z",
        ] {
            assert_eq!(iso(text.as_bytes()), None, "{text}");
        }
    }
}
