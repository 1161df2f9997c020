//! Lines of `NPA,7digits` and lines of digits.
//!
//! A national list has a quarter of a billion lines, nearly all of one shape, so two shapes have a fast path that reads
//! eight digits at a time. Every other line, good or bad, takes the slow path, which gives the same answer for those
//! shapes too.

use memchr::memchr;

use super::field::{Country, local_number};
use super::input::Input;
use super::tally::Tally;
use super::{LineError, ListFileError, Options};
use crate::number::PhoneNumber;

/// Reads the whole file.
pub(super) fn read(input: &mut Input<'_, '_>, options: &Options, tally: &mut Tally<'_>) -> Result<(), ListFileError> {
    let country = Country::new(options)?;
    let fast = options.default_country == 1;
    // Digits and comma of the line before, without spaces and line end.
    let mut previous_length = 0;
    while let Some(lines) = input.lines(tally.line())? {
        let mut at = 0;
        while let Some(rest) = lines.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let offset = lines.offset + at as u64;
            if let Some((number, text, length)) = fast.then(|| common_line(rest)).flatten() {
                tally.accept(number, offset)?;
                tally.next_lines(1);
                at += length;
                previous_length = text;
                continue;
            }
            let (line, length, ended) = match memchr(b'\n', rest) {
                Some(end) => (&rest[..end], end + 1, true),
                None => (rest, rest.len(), false),
            };
            lines.limit.check(line, tally.line())?;
            let line = line.trim_ascii();
            if !line.is_empty() {
                match number_of(line, country) {
                    // Cut within its last digits, a longer number can look like a shorter one.
                    _ if !ended && line.len() < previous_length => tally.reject(offset, LineError::CutOff)?,
                    Ok(number) => tally.accept(number, offset)?,
                    Err(_) if memchr(b'\r', line).is_some() => tally.reject(offset, LineError::CarriageReturn)?,
                    Err(why) => tally.reject(offset, why)?,
                }
                previous_length = line.len();
            }
            tally.next_lines(1);
            at += length;
        }
    }
    Ok(())
}

/// The number on one line, without its line end.
pub(super) fn number_of(line: &[u8], country: Country) -> Result<PhoneNumber, LineError> {
    let Some(comma) = memchr(b',', line) else {
        return country.number(line);
    };
    let (area_code, local) = (&line[..comma], &line[comma + 1..]);
    if local.contains(&b',') {
        return Err(super::field::not_digits(line).unwrap_or(LineError::Columns));
    }
    local_number(area_code.trim_ascii(), local.trim_ascii())
}

/// The number of a whole line of one of the two common shapes, the length of its text, and that with its line end.
#[inline]
fn common_line(rest: &[u8]) -> Option<(PhoneNumber, usize, usize)> {
    let (national, text) = match rest.first_chunk::<11>() {
        Some(&[a, b, c, b',', d, e, f, g, h, i, j]) => {
            (three_digits([a, b, c])? * 10_000_000 + eight_digits([b'0', d, e, f, g, h, i, j])?, 11)
        }
        Some(&[a, b, c, d, e, f, g, h, i, j, _]) => {
            (three_digits([b'0', a, b])? * 100_000_000 + eight_digits([c, d, e, f, g, h, i, j])?, 10)
        }
        None => return None,
    };
    let end = match rest[text..] {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => return None,
    };
    Some((PhoneNumber::from_national(national, 1).ok()?, text, text + end))
}

fn three_digits(digits: [u8; 3]) -> Option<u64> {
    let [a, b, c] = digits.map(|digit| u64::from(digit.wrapping_sub(b'0')));
    (a.max(b).max(c) <= 9).then(|| a * 100 + b * 10 + c)
}

/// The value of eight ASCII digits, all read at once: they lie in one `u64`, and each step joins neighbours, so that
/// pairs, then fours, then all eight stand in one field.
#[inline]
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(digits);
    // A digit has 3 in its upper half, and still has it after 6 is added to its lower half.
    let upper = word & 0xf0f0_f0f0_f0f0_f0f0;
    let upper_plus_six = word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0;
    if upper | upper_plus_six >> 4 != 0x3333_3333_3333_3333 {
        return None;
    }
    let ones = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = ones.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(1 + (10_000 << 32)) >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_common_shapes_are_read_at_once() {
        for (line, text, length) in [
            ("201,5550100\n", 11, 12),
            ("201,5550100\r\n", 11, 13),
            ("2015550100\n", 10, 11),
            ("2015550100\r\n202", 10, 12),
        ] {
            let number = PhoneNumber::from_national(2_015_550_100, 1).unwrap();
            assert_eq!(common_line(line.as_bytes()), Some((number, text, length)), "{line}");
        }
        for line in
            ["", "201,5550100", "201,5550100\r", "201,555010\n", "201-5550100\n", "12015550100\n", "201,55501000\n"]
        {
            assert_eq!(common_line(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn eight_digits_have_their_value(value in 0_u64..100_000_000) {
            let digits: [u8; 8] = format!("{value:08}").into_bytes().try_into().unwrap();
            prop_assert_eq!(eight_digits(digits), Some(value));
        }

        #[test]
        fn one_byte_that_is_no_digit_spoils_all(at in 0_usize..8, byte in any::<u8>()) {
            let mut digits = *b"20155501";
            digits[at] = byte;
            prop_assert_eq!(eight_digits(digits).is_some(), byte.is_ascii_digit());
        }

        #[test]
        fn the_fast_path_agrees_with_the_slow_one(line in "[0-9,x]{0,3}[0-9]{7,8}[0-9,\r]{0,2}") {
            let country = Country::new(&Options::default()).unwrap();
            if let Some((number, text, _)) = common_line(format!("{line}\n").as_bytes()) {
                prop_assert_eq!(number_of(&line.as_bytes()[..text], country), Ok(number));
                prop_assert_eq!(text, line.trim_end().len());
            }
        }
    }
}
