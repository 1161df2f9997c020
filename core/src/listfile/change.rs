//! The national registry's change list: lines of `number,time,A|D`.
//!
//! No real file of this kind has been seen, so it is read with every width of number and in every usual form of time,
//! and refused where a line could mean two things.

use memchr::memchr;

use super::field::{Country, local_number, not_digits};
use super::input::Input;
use super::tally::Tally;
use super::time::{self, TimeForm};
use super::{Action, LineError, ListChange, ListFileError, Options};

/// Reads the whole file.
pub(super) fn read(input: &mut Input<'_, '_>, options: &Options, tally: &mut Tally<'_>) -> Result<(), ListFileError> {
    let country = Country::new(options)?;
    let mut previous_length = 0;
    while let Some(lines) = input.lines(tally.line())? {
        let mut offset = lines.offset;
        for line in lines.bytes.split_inclusive(|&byte| byte == b'\n') {
            lines.limit.check(line, tally.line())?;
            let ended = line.ends_with(b"\n");
            let begin = offset;
            offset += line.len() as u64;
            let line = line.trim_ascii();
            if !line.is_empty() {
                match change_of(line, country) {
                    Ok((change, form)) => tally.accept_change(change, form, begin)?,
                    // The action stands last, so a line that was cut off has lost it.
                    Err(why) if !ended && !why.is_fatal() && line.len() < previous_length => {
                        tally.reject(begin, LineError::CutOff)?;
                    }
                    Err(why) => tally.reject(begin, why)?,
                }
                previous_length = line.len();
            }
            tally.next_lines(1);
        }
    }
    Ok(())
}

/// The change on one line, without its line end.
fn change_of(line: &[u8], country: Country) -> Result<(ListChange, TimeForm), LineError> {
    if memchr(b'\r', line).is_some() {
        return Err(LineError::CarriageReturn);
    }
    let (number, time, action) = match fields_of(line) {
        ([number, time, action, _], 3) => (country.number(number), time, action),
        ([area_code, local, time, action], 4) => (local_number(area_code, local), time, action),
        _ => return Err(not_digits(line).unwrap_or(LineError::Columns)),
    };
    // First of all: a line that does something unknown to a number is worse than one whose number is unknown.
    let action = match action {
        b"A" | b"a" => Action::Add,
        b"D" | b"d" => Action::Delete,
        _ => return Err(LineError::UnknownAction),
    };
    let number = number.map_err(|why| not_digits(line).unwrap_or(why))?;
    let (at, form) = time::iso(time).ok_or_else(|| not_digits(line).unwrap_or(LineError::Time))?;
    Ok((ListChange { number, at, action }, form))
}

/// Whether a line looks like one of a change list, good or bad: a number, then a time or an action.
pub(super) fn looks_like_change(line: &[u8]) -> bool {
    if not_digits(line).is_some() {
        return false;
    }
    let digits = |field: &[u8], least: usize, most: usize| {
        let field = field.strip_prefix(b"+").unwrap_or(field);
        (least..=most).contains(&field.len()) && field.iter().all(u8::is_ascii_digit)
    };
    let is_action = |field: &[u8]| field.len() == 1 && field[0].is_ascii_alphabetic();
    let is_time =
        |field: &[u8]| field.len() >= 8 && field[0].is_ascii_digit() && field.iter().any(|byte| b"-:/T".contains(byte));
    match fields_of(line) {
        ([number, time, action, _], 3) => digits(number, 7, 15) && (is_action(action) || is_time(time)),
        ([area_code, local, time, action], 4) => {
            digits(area_code, 3, 3) && digits(local, 7, 7) && (is_action(action) || is_time(time))
        }
        _ => false,
    }
}

/// The first four fields of a line, and how many it has.
fn fields_of(line: &[u8]) -> ([&[u8]; 4], usize) {
    let mut fields: [&[u8]; 4] = [b""; 4];
    let mut count = 0;
    for field in line.split(|&byte| byte == b',') {
        if let Some(place) = fields.get_mut(count) {
            *place = unquoted(field);
        }
        count += 1;
    }
    (fields, count)
}

fn unquoted(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_time_or_an_action_looks_like_a_change() {
        for line in [
            "2015550143,2026-11-10T08:00:00,A",
            "12015550143,2026-11-10,X",
            "+6555550143,2026-11-10T08:00:00Z,D",
            "201,5550143,20261110,A",
            "201,5550143,11/10/2026,",
            "\"2015550143\",\"2026-11-10\",\"A\"",
        ] {
            assert!(looks_like_change(line.as_bytes()), "{line}");
        }
        for line in ["2015550143", "201,5550143", "2015550143,Doe", "2015550143,Doe,Main Street", "a,b,c", "1,2,3,4,5"]
        {
            assert!(!looks_like_change(line.as_bytes()), "{line}");
        }
    }
}
