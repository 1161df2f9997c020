//! The days that a report is about.

use jiff::civil::Date;

use crate::failure::Invalid;

/// Most days in one report.
pub const MAX_DAYS: i32 = 400;

/// Some days, one at least; UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    first: Date,
    last: Date,
}

// === impl Period ===

impl Period {
    /// From one day to another, both included.
    pub fn parse(start_date: &str, end_date: &str) -> Result<Period, Invalid> {
        let (first, last) = (parse("start_date", start_date)?, parse("end_date", end_date)?);
        if last < first {
            return Err(Invalid::new("end_date", "must not be before start_date"));
        }
        let period = Period { first, last };
        if period.len() > MAX_DAYS {
            return Err(Invalid::new("end_date", format!("a report is about {MAX_DAYS} days at most")));
        }
        Ok(period)
    }

    /// One day.
    pub fn day(day: Date) -> Period {
        Period { first: day, last: day }
    }

    /// The first day.
    pub fn first(self) -> Date {
        self.first
    }

    /// The last day.
    pub fn last(self) -> Date {
        self.last
    }

    /// How many days.
    pub fn len(self) -> i32 {
        self.last.since(self.first).map_or(i32::MAX, |span| span.get_days().saturating_add(1))
    }

    /// Each day.
    pub fn days(self) -> impl Iterator<Item = Date> {
        std::iter::successors(Some(self.first), |day| day.tomorrow().ok()).take_while(move |day| *day <= self.last)
    }

    /// Whether a time, milliseconds since 1970, is on one of them.
    pub fn contains_ms(self, ms: u64) -> bool {
        day_of(ms).is_some_and(|day| self.first <= day && day <= self.last)
    }
}

fn parse(field: &'static str, text: &str) -> Result<Date, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, "is required: a day as YYYY-MM-DD"));
    }
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| plain).ok_or_else(|| Invalid::new(field, "must be a day as YYYY-MM-DD"))
}

fn day_of(ms: u64) -> Option<Date> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_period_includes_both_its_ends() {
        let period = Period::parse("2026-10-31", "2026-11-02").expect("a period");
        assert_eq!(period.len(), 3);
        let days: Vec<Date> = period.days().collect();
        assert_eq!(days, [date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]);
        assert_eq!(Period::day(date(2026, 11, 1)).days().count(), 1);
        let at =
            |text: &str| u64::try_from(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()).expect("now");
        assert!(period.contains_ms(at("2026-10-31T00:00:00Z")));
        assert!(period.contains_ms(at("2026-11-02T23:59:59Z")));
        assert!(!period.contains_ms(at("2026-11-03T00:00:00Z")));
        assert!(!period.contains_ms(at("2026-10-30T23:59:59Z")));
    }

    #[test]
    fn what_is_no_period_is_refused_by_field() {
        for (start, end, field) in [
            ("", "2026-11-02", "start_date"),
            ("2026-11-02", "", "end_date"),
            ("2026-13-01", "2026-11-02", "start_date"),
            ("2026-11-02", "yesterday", "end_date"),
            ("2026-11-02", "2026-11-02T00:00:00Z", "end_date"),
            ("20261102", "2026-11-02", "start_date"),
            ("2026-11-02", "2026-11-01", "end_date"),
            ("2025-01-01", "2026-11-01", "end_date"),
        ] {
            assert_eq!(Period::parse(start, end).expect_err("no period").field, field, "{start} {end}");
        }
        assert_eq!(Period::parse("2025-01-01", "2026-02-04").expect("as long as it may be").len(), MAX_DAYS);
    }
}
