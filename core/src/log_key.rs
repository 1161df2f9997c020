//! How a phone number may be named in logs and traces: by an HMAC under the cluster's key.
//!
//! A plain hash hides nothing, for all numbers there are can be hashed in minutes. Under a secret
//! key the same number has the same name on every process, and only who holds the key can tell
//! which number it is.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::number::PhoneNumber;

/// Digits of a number's name.
const DIGITS: usize = 16;

/// The key under which phone numbers appear in logs: `Founding::log_key` of the catalog.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogKey(pub [u8; 32]);

// === impl LogKey ===

impl LogKey {
    /// The name of a number: the first 16 hexadecimal digits of HMAC-SHA256 over its E.164 digits as a big-endian `u64`.
    pub fn of(&self, number: PhoneNumber) -> String {
        self.name(&number.to_u64().to_be_bytes())
    }

    /// The name of digits that may be a number: of the number, if they are one.
    pub fn of_digits(&self, digits: &str) -> String {
        PhoneNumber::parse(digits).map_or_else(|_| self.name(digits.as_bytes()), |number| self.of(number))
    }

    fn name(&self, bytes: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(bytes);
        let mut name = String::with_capacity(DIGITS);
        for byte in mac.finalize().into_bytes().iter().take(DIGITS / 2) {
            for half in [byte >> 4, byte & 15] {
                name.push(char::from_digit(u32::from(half), 16).expect("half a byte is one digit"));
            }
        }
        name
    }
}

impl fmt::Debug for LogKey {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_name_under_one_key_and_another_under_another() {
        let number = PhoneNumber::parse("+12015550100").expect("a number");
        let other = PhoneNumber::parse("+12015550101").expect("a number");
        let key = LogKey([7; 32]);
        let name = key.of(number);
        assert_eq!(name.len(), DIGITS);
        assert_eq!(name, key.of(number));
        assert_ne!(name, key.of(other));
        assert_eq!(name, key.of_digits("2015550100"));
        assert_ne!(key.of_digits("20155501001234567890"), key.of_digits("20155501001234567891"));
        assert_ne!(name, LogKey([8; 32]).of(number));
        assert!(!name.contains("2015550100"));
        assert_eq!(format!("{key:?}"), "LogKey(…)");
    }
}
