//! Rates, sizes and times as people write and read them.

use std::time::Duration;

use indicatif::HumanBytes;

/// A number of bytes (a second): `20MB`, `512KiB`, `20MB/s`, `1000`.
pub fn rate(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
    ];
    let plain = text.trim().to_ascii_lowercase();
    let plain = plain.strip_suffix("/s").unwrap_or(&plain);
    let digits = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
    let (count, unit) = plain.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, size)| *size);
    let parsed = count.parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
    parsed.ok_or_else(|| "a number of bytes such as 20MB, 512KiB or 1000000".into())
}

/// A size.
pub fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// A time, in the two greatest units that it has.
pub fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The time that a plan still takes.
pub fn time_left(seconds: Option<u64>, is_assumed: bool) -> String {
    match seconds {
        Some(seconds) if is_assumed => format!("{} left, assumed", time(seconds)),
        Some(seconds) => format!("about {} left", time(seconds)),
        None => "time left not known".into(),
    }
}

/// Seconds of a flag.
pub fn limit(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_units_and_nonsense_is_refused() {
        for (text, bytes) in [("1000", 1_000), ("20MB", 20_000_000), ("512KiB", 512 << 10), ("3 gb/s", 3_000_000_000)] {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "20XB", "-1", "1.5MB", "99999999999999GB"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_two_units_at_most() {
        let told = [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, text) in told {
            assert_eq!(time(seconds), text);
        }
        assert_eq!(time_left(Some(61), false), "about 1 min 1 s left");
        assert_eq!(time_left(Some(61), true), "1 min 1 s left, assumed");
    }
}
