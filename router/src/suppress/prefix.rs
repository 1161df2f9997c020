//! Numbers that begin alike, as ranges of E.164 digits.

use crate::failure::Invalid;

/// Fewest digits of a prefix.
const MIN_DIGITS: usize = 3;
/// Digits of the shortest and of the longest number outside North America, and of all numbers in it.
const SHORTEST: u32 = 7;
const LONGEST: u32 = 15;
const NORTH_AMERICAN: u32 = 11;

/// A range of numbers, both ends inclusive.
pub type Range = (u64, u64);

/// The ranges of the numbers that begin so, ascending. Numbers of other lengths are other ranges.
pub fn ranges(prefix: &str) -> Result<Vec<Range>, Invalid> {
    let bad = |detail: &str| Invalid::new("prefix", detail);
    let (international, digits) = match prefix.strip_prefix('+') {
        Some(digits) => (true, digits),
        None => (false, prefix),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad("must be digits, with or without a plus sign in front"));
    }
    if digits.len() < MIN_DIGITS {
        return Err(bad("must have at least 3 digits"));
    }
    let digits = match digits.as_bytes()[0] {
        b'0' => return Err(bad("no number begins with 0")),
        // Without a plus sign and a leading 1, it is an area code and what follows it.
        first if !international && first != b'1' => format!("1{digits}"),
        _ => digits.to_owned(),
    };
    let lengths = if digits.starts_with('1') { NORTH_AMERICAN..=NORTH_AMERICAN } else { SHORTEST..=LONGEST };
    let given = u32::try_from(digits.len()).unwrap_or(u32::MAX);
    if given > *lengths.end() {
        return Err(bad("has more digits than a number"));
    }
    let value: u64 = digits.parse().map_err(|_| bad("has more digits than a number"))?;
    let range = |length: u32| {
        let step = 10_u64.pow(length - given);
        (value * step, value * step + (step - 1))
    };
    Ok(lengths.filter(|length| *length >= given).map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_north_american_prefix_is_one_range_however_it_is_written() {
        let area = vec![(12_010_000_000, 12_019_999_999)];
        for text in ["201", "1201", "+1201"] {
            assert_eq!(ranges(text), Ok(area.clone()), "{text}");
        }
        assert_eq!(ranges("2015550100"), Ok(vec![(12_015_550_100, 12_015_550_100)]));
    }

    #[test]
    fn elsewhere_each_length_of_number_is_a_range_of_its_own() {
        let ranges = ranges("+442").expect("a prefix");
        assert_eq!(ranges.len(), 9);
        assert_eq!(ranges[0], (4_420_000, 4_429_999));
        assert_eq!(ranges[8], (442_000_000_000_000, 442_999_999_999_999));
        assert!(ranges.is_sorted());
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for bad in
            ["", "+", "12", "20", "+44", "0201", "20a", "201-555", "120155501001", "20155501001", "+4412345678901234"]
        {
            assert_eq!(ranges(bad).expect_err(bad).field, "prefix");
        }
    }
}
