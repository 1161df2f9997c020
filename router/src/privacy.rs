//! Keeps phone numbers out of logs and traces that callers put into ids and names.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use dnc_core::catalog::Catalog;
use dnc_core::log_key::LogKey;

/// So many digits may be a phone number.
const DIGITS: usize = 7;

/// The key under which numbers appear in logs, once the cluster is known.
pub fn log_key(catalog: &Catalog) -> Option<LogKey> {
    catalog.founding.as_ref().map(|founding| LogKey(founding.log_key))
}

/// The text with everything that may be a phone number replaced by its name under the key; without a key, by a mask.
///
/// The same digits have the same name, so that a call can still be followed through the logs.
pub fn masked(text: &str, key: Option<LogKey>) -> Cow<'_, str> {
    let runs = if is_uuid(text) { digit_groups(text) } else { runs(text) };
    if runs.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for run in runs {
        masked.push_str(&text[from..run.start]);
        let digits: String = text[run.clone()].chars().filter(char::is_ascii_digit).collect();
        match key {
            Some(key) => write!(masked, "<{}>", key.of_digits(&digits)).expect("a string takes all"),
            None => masked.push_str("<digits>"),
        }
        from = run.end;
    }
    masked.push_str(&text[from..]);
    Cow::Owned(masked)
}

/// Runs of digits, as numbers are written: with up to three separators between two digits.
fn runs(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut runs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let (start, mut last, mut digits, mut next) = (at, at, 0, at);
        while next < bytes.len() && (bytes[next].is_ascii_digit() || (is_separator(bytes[next]) && next - last <= 3)) {
            if bytes[next].is_ascii_digit() {
                (last, digits) = (next, digits + 1);
            }
            next += 1;
        }
        if digits >= DIGITS {
            runs.push(start..last + 1);
        }
        at = last + 1;
    }
    runs
}

fn is_separator(byte: u8) -> bool {
    b" -.()/_".contains(&byte)
}

/// 8-4-4-4-12 hexadecimal digits. Most of what names requests; its groups are no parts of one number.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The groups of a UUID that are nothing but digits and long enough to be a number.
fn digit_groups(text: &str) -> Vec<Range<usize>> {
    [0..8, 24..36].into_iter().filter(|group| text[group.clone()].bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_number_is_masked_however_it_is_written() {
        for text in [
            "2015550100",
            "+12015550100",
            "call-2015550100-7",
            "(201) 555-0100",
            "201.555.0100",
            "201 - 555 - 0100",
            "5550100",
            "00000000-0000-4000-8000-012015550100",
        ] {
            let masked = masked(text, None);
            assert!(masked.contains("<digits>"), "{text}: {masked}");
            assert!(!masked.contains("5550100") && !masked.contains("0100"), "{text}: {masked}");
        }
    }

    #[test]
    fn what_is_none_stays_as_it_is() {
        for text in ["", "r-1", "agent 47", "0192f0c1-70a3-7000-8abc-a00000000007", "a1b2c3d4e5f6g7h8", "555-010"] {
            assert_eq!(masked(text, None), text);
        }
    }

    #[test]
    fn under_a_key_the_same_number_has_the_same_name_and_another_has_another() {
        let key = Some(LogKey([1; 32]));
        let name = masked("2015550100", key);
        assert_eq!(masked("+1 (201) 555-0100", key).trim_start_matches('+'), name);
        assert_ne!(masked("2015550101", key), name);
        assert_eq!(masked("x2015550100y", key), format!("x{name}y"));
    }

    #[test]
    fn texts_that_are_not_ascii_are_cut_where_characters_end() {
        assert_eq!(masked("né 2015550100 é", None), "né <digits> é");
    }
}
