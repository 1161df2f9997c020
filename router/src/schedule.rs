//! When lists are fetched: five fields of cron in a time zone. Pure: whoever asks brings the time.
//!
//! A time that a day does not have, because clocks go forward over it, comes right after the gap; one that a day has
//! twice comes once.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use dnc_core::registry::{self, RegistryKind};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Longest text of a schedule, bytes.
const MAX_CRON: usize = 128;
/// Longest name of a time zone, bytes.
const MAX_ZONE: usize = 64;

/// The time zone of the national registry, and of states that are not listed below.
const EASTERN: &str = "America/New_York";

/// States that keep lists of their own, and the time zone of their capitals.
const STATES: [(&str, &str); 12] = [
    ("CO", "America/Denver"),
    ("FL", EASTERN),
    ("IN", "America/Indiana/Indianapolis"),
    ("LA", "America/Chicago"),
    ("MA", EASTERN),
    ("MO", "America/Chicago"),
    ("MS", "America/Chicago"),
    ("OK", "America/Chicago"),
    ("PA", EASTERN),
    ("TN", "America/Chicago"),
    ("TX", "America/Chicago"),
    ("WY", "America/Denver"),
];

/// A schedule that is one.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why something is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Not five fields of cron.
    #[error("a schedule is five fields of cron: minute, hour, day of month, month, day of week")]
    Cron,
    /// No such time zone.
    #[error("no such time zone: it is named as the IANA does, such as America/New_York")]
    Zone,
    /// A time that never comes.
    #[error("this time never comes")]
    Never,
}

// === impl Schedule ===

impl Schedule {
    /// Reads a schedule.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Schedule, BadSchedule> {
        if cron.len() > MAX_CRON || cron.split_ascii_whitespace().count() != 5 {
            return Err(BadSchedule::Cron);
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(cron).map_err(|_| BadSchedule::Cron)?;
        if time_zone.is_empty() || time_zone.len() > MAX_ZONE {
            return Err(BadSchedule::Zone);
        }
        let zone = TimeZone::get(time_zone).map_err(|_| BadSchedule::Zone)?;
        let schedule = Schedule { cron, zone };
        // From a leap year's first day on, every day that can come comes within the search's reach.
        schedule.next_after(0).map(|_| schedule).ok_or(BadSchedule::Never)
    }

    /// Reads the schedule of a registry.
    pub fn of(schedule: &registry::Schedule) -> Result<Schedule, BadSchedule> {
        Schedule::parse(&schedule.cron, &schedule.time_zone)
    }

    /// The first time after this one, milliseconds since 1970.
    pub fn next_after(&self, ms: u64) -> Option<u64> {
        let after = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok().filter(|next| *next > ms)
    }
}

/// When lists of this kind are fetched where nobody says otherwise: the federal ones at two in the morning in the East,
/// those of states at three, local time.
pub fn usual(kind: RegistryKind, jurisdiction: &str) -> registry::Schedule {
    let state = jurisdiction.strip_prefix("US-").unwrap_or(jurisdiction);
    let (hour, zone) = match kind {
        RegistryKind::State => {
            let known = STATES.iter().find(|(code, _)| code.eq_ignore_ascii_case(state));
            (3, known.map_or(EASTERN, |(_, zone)| zone))
        }
        _ => (2, EASTERN),
    };
    registry::Schedule { cron: format!("0 {hour} * * *"), time_zone: zone.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond().try_into().expect("after 1970")
    }

    fn next(schedule: &Schedule, after: &str) -> String {
        let next = schedule.next_after(ms(after)).expect("a next time");
        Timestamp::from_millisecond(next.try_into().expect("small")).expect("a time").to_string()
    }

    #[test]
    fn the_next_time_is_after_the_given_one_and_in_its_own_zone() {
        let federal = Schedule::of(&usual(RegistryKind::Federal, "US")).expect("a schedule");
        assert_eq!(next(&federal, "2026-01-10T06:59:59.999Z"), "2026-01-10T07:00:00Z");
        assert_eq!(next(&federal, "2026-01-10T07:00:00Z"), "2026-01-11T07:00:00Z");
        assert_eq!(next(&federal, "2026-07-10T07:00:00Z"), "2026-07-11T06:00:00Z");
    }

    #[test]
    fn a_time_that_clocks_jump_over_comes_after_the_gap_and_the_day_after_as_usual() {
        // On 8 March 2026 clocks in New York go from 2:00 to 3:00, which is 7:00 UTC.
        let federal = Schedule::parse("0 2 * * *", EASTERN).expect("a schedule");
        assert_eq!(next(&federal, "2026-03-08T00:00:00Z"), "2026-03-08T07:00:00Z");
        assert_eq!(next(&federal, "2026-03-08T07:00:00Z"), "2026-03-09T06:00:00Z");
    }

    #[test]
    fn a_time_that_a_day_has_twice_comes_once() {
        // On 1 November 2026 clocks in New York go from 2:00 back to 1:00: half past one is 5:30 and 6:30 UTC.
        let schedule = Schedule::parse("30 1 * * *", EASTERN).expect("a schedule");
        let first = next(&schedule, "2026-11-01T00:00:00Z");
        assert_eq!(first, "2026-11-01T05:30:00Z");
        assert_eq!(next(&schedule, &first), "2026-11-02T06:30:00Z");
    }

    #[test]
    fn states_with_lists_of_their_own_have_their_own_time() {
        for (jurisdiction, zone) in
            [("CO", "America/Denver"), ("US-TX", "America/Chicago"), ("wy", "America/Denver"), ("CA", EASTERN)]
        {
            let usual = usual(RegistryKind::State, jurisdiction);
            assert_eq!((usual.cron.as_str(), usual.time_zone.as_str()), ("0 3 * * *", zone), "{jurisdiction}");
        }
        for (_, zone) in STATES {
            assert!(Schedule::parse("0 3 * * *", zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (cron, zone, why) in [
            ("", EASTERN, BadSchedule::Cron),
            ("0 2 * *", EASTERN, BadSchedule::Cron),
            ("0 0 2 * * *", EASTERN, BadSchedule::Cron),
            ("@daily", EASTERN, BadSchedule::Cron),
            ("60 2 * * *", EASTERN, BadSchedule::Cron),
            ("0 2 * * *", "", BadSchedule::Zone),
            ("0 2 * * *", "Mars/Olympus", BadSchedule::Zone),
            ("0 2 30 2 *", EASTERN, BadSchedule::Never),
        ] {
            assert_eq!(Schedule::parse(cron, zone).expect_err(cron), why, "{cron} {zone}");
        }
        assert!(Schedule::parse("0 2 29 2 *", EASTERN).is_ok());
    }
}
