//! Phone numbers: parsed once at the edge, valid ever after.
//!
//! A number reaches the cluster by two doors. A *query* names a number that someone wants to call, so it must be a
//! number that can exist: [`PhoneNumber::parse`] is strict and refuses what it would have to guess. A *list* names
//! numbers that must not be called, so nothing on it may get lost: [`PhoneNumber::from_national`] keeps every ten-digit
//! number it is given, dialable or not.
//!
//! A phone number is personal data. No error here repeats its input, and `Debug`, which ends up in logs, hides the
//! digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::area::{Area, country_code_of};
use crate::block::BlockId;

/// The longest text that [`PhoneNumber::parse`] looks at, in characters.
pub const MAX_QUERY_CHARS: usize = 32;

/// E.164 allows at most this many digits, country code included.
pub(crate) const MAX_DIGITS: u32 = 15;
/// Shorter than this, an international number is not complete.
pub(crate) const MIN_DIGITS: u32 = 7;
/// Ten digits of a North American number: everything below this, leading zeros counted.
const NANP_NATIONAL_END: u64 = 10_000_000_000;
/// The country digit of the North American Numbering Plan, in front of ten national digits.
const NANP_START: u64 = 10_000_000_000;
/// One past the last North American number.
const NANP_END: u64 = 20_000_000_000;

/// A phone number in E.164: country code and national number, no prefix.
///
/// Numbers of the North American plan always have eleven digits here, the first of them 1; all others have 7 to 15 and
/// never begin with 1. So a `u64` names exactly one number, and comparing numbers is comparing integers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PhoneNumber(u64);

/// Why a text or an integer is not a phone number. The message never contains the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing, or nothing but separators.
    #[error("no digits")]
    Empty,
    /// More than [`MAX_QUERY_CHARS`] characters.
    #[error("longer than {MAX_QUERY_CHARS} characters")]
    TooLong,
    /// A character outside ASCII, digits of other scripts among them.
    #[error("a character that is not ASCII")]
    NonAscii,
    /// A letter: an extension, or a number spelled as a word.
    #[error("a letter")]
    Letter,
    /// A character that neither is a digit nor separates digits.
    #[error("a character that has no place in a phone number")]
    Character,
    /// A plus sign after the first digit, or a second one.
    #[error("a plus sign that is not in front")]
    MisplacedPlus,
    /// Fewer digits than a complete number has.
    #[error("too few digits")]
    TooFewDigits,
    /// More digits than a number can have.
    #[error("too many digits")]
    TooManyDigits,
    /// More than ten digits, not beginning with 1, and no plus sign: the country would be a guess.
    #[error("a number outside +1 needs a leading plus sign and its country code")]
    CountryMissing,
    /// No country code begins with 0.
    #[error("a country code cannot begin with 0")]
    CountryCode,
    /// A trunk prefix after a country code, as in `+44 (0)20`: it is not part of the number that is dialled.
    #[error("a trunk prefix (0) after the country code: leave it out")]
    TrunkPrefix,
    /// A North American area code is 2 to 9, then 0 to 8, then any digit.
    #[error("not a North American area code")]
    AreaCode,
    /// A North American exchange is 2 to 9 and two more digits, and never ends in 11.
    #[error("not a North American exchange")]
    Exchange,
    /// An integer that is no E.164 number.
    #[error("not an E.164 number")]
    OutOfRange,
}

// === impl PhoneNumber ===

impl PhoneNumber {
    /// Reads the number that a caller asks about.
    ///
    /// Ten digits, or eleven beginning with 1, are North American and must follow its plan. Other countries need a
    /// leading `+` and 7 to 15 digits. Spaces, dots, hyphens, slashes and parentheses may stand between the digits, and
    /// `tel:` in front. What can be read in two ways (a trunk prefix in parentheses, a country code without its plus)
    /// is refused: a check of the wrong number would come back clear.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if text.len() > MAX_QUERY_CHARS && text.chars().nth(MAX_QUERY_CHARS).is_some() {
            return Err(NumberError::TooLong);
        }
        if !text.is_ascii() {
            return Err(NumberError::NonAscii);
        }
        let bytes = text.as_bytes();
        let bytes = match bytes.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"tel:") => &bytes[4..],
            _ => bytes,
        };
        let Digits { value, count, plus } = Digits::read(bytes)?;
        match (plus, count) {
            (_, 0) => Err(NumberError::Empty),
            (true, _) => Self::from_international(value, count, true),
            (false, 10) => Self::strict_nanp(value),
            (false, 11) if value / NANP_START == 1 => Self::strict_nanp(value - NANP_START),
            (false, 0..10) => Err(NumberError::TooFewDigits),
            (false, _) => Err(NumberError::CountryMissing),
        }
    }

    /// The number that a caller asks about, given by its E.164 digits as an integer: 12015550100 is what [`Self::parse`]
    /// reads from `+12015550100`, and what that refuses is refused here.
    #[inline]
    pub fn asked(digits: u64) -> Result<Self, NumberError> {
        if (NANP_START..NANP_END).contains(&digits) {
            return Self::strict_nanp(digits - NANP_START);
        }
        Self::from_international(digits, digit_count(digits), true)
    }

    /// A number from a list: the digits after the country code.
    ///
    /// For country 1 the caller has counted ten digits, leading zeros included; every value below 10^10 is kept,
    /// whether such a number can be dialled or not. For other countries the digits are appended to the code, so a
    /// national number that begins with 0 cannot be given this way.
    pub fn from_national(digits: u64, country_code: u16) -> Result<Self, NumberError> {
        if country_code == 1 {
            return match digits {
                0..NANP_NATIONAL_END => Ok(Self(NANP_START + digits)),
                _ => Err(NumberError::TooManyDigits),
            };
        }
        if !crate::area::is_country_code(country_code) {
            return Err(NumberError::CountryCode);
        }
        let scale = 10_u64.checked_pow(digit_count(digits)).ok_or(NumberError::TooManyDigits)?;
        let value = u64::from(country_code)
            .checked_mul(scale)
            .and_then(|high| high.checked_add(digits))
            .ok_or(NumberError::TooManyDigits)?;
        Self::from_international(value, digit_count(value), false)
    }

    /// The number with these E.164 digits, as [`Self::to_u64`] gives them.
    #[inline]
    pub fn from_u64(value: u64) -> Result<Self, NumberError> {
        if (NANP_START..NANP_END).contains(&value) {
            return Ok(Self(value));
        }
        match Self::from_international(value, digit_count(value), false) {
            Ok(number) => Ok(number),
            Err(_) => Err(NumberError::OutOfRange),
        }
    }

    /// The E.164 digits as an integer.
    #[inline]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The block that holds this number: all of its digits but the last four.
    #[inline]
    pub const fn block(self) -> BlockId {
        BlockId(self.0 / 10_000)
    }

    /// The last four digits, 0 to 9,999: the number's place within its block.
    #[inline]
    pub const fn line(self) -> u16 {
        (self.0 % 10_000) as u16
    }

    /// What coverage counts this number under: its area code, or its country outside North America.
    #[inline]
    pub fn area(self) -> Area {
        if self.is_nanp() {
            // At most 1999, so it fits.
            return Area::from_code((self.0 / 10_000_000) as u16);
        }
        let mut leading = self.0;
        while leading >= 1_000 {
            leading /= 10;
        }
        Area::from_code(country_code_of(leading as u16))
    }

    /// Whether this is a number of the North American Numbering Plan (country code 1).
    #[inline]
    pub const fn is_nanp(self) -> bool {
        self.0 >= NANP_START && self.0 < NANP_END
    }

    /// `value` has `count` digits, leading zeros counted, and begins with a country code.
    pub(crate) fn from_international(value: u64, count: u32, strict: bool) -> Result<Self, NumberError> {
        if count > MAX_DIGITS {
            return Err(NumberError::TooManyDigits);
        }
        if count < MIN_DIGITS {
            return Err(NumberError::TooFewDigits);
        }
        let first_digit = value / 10_u64.pow(count - 1);
        match (first_digit, count) {
            (0, _) => Err(NumberError::CountryCode),
            (1, 11) if strict => Self::strict_nanp(value - NANP_START),
            (1, ..11) => Err(NumberError::TooFewDigits),
            (1, 12..) => Err(NumberError::TooManyDigits),
            _ if strict && has_trunk_prefix(value) => Err(NumberError::TrunkPrefix),
            _ => Ok(Self(value)),
        }
    }

    /// Ten digits that must be a number that can be dialled.
    fn strict_nanp(national: u64) -> Result<Self, NumberError> {
        let area_code = national / 10_000_000;
        let exchange = national / 10_000 % 1_000;
        if area_code < 200 || area_code / 10 % 10 == 9 {
            return Err(NumberError::AreaCode);
        }
        if exchange < 200 || exchange % 100 == 11 {
            return Err(NumberError::Exchange);
        }
        Ok(Self(NANP_START + national))
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    /// Hides the digits: logs print values with `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

impl FromStr for PhoneNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

impl TryFrom<u64> for PhoneNumber {
    type Error = NumberError;

    fn try_from(value: u64) -> Result<Self, NumberError> {
        Self::from_u64(value)
    }
}

impl From<PhoneNumber> for u64 {
    fn from(number: PhoneNumber) -> u64 {
        number.0
    }
}

/// Countries whose national numbers begin with 0 behind the country code too: Italy with San Marino and the Vatican, and
/// the African plans that kept their zeros when they grew.
const ZERO_BELONGS: [u64; 7] = [39, 225, 229, 241, 242, 378, 379];

/// Whether a 0 follows the country code that is a trunk prefix someone left in: everywhere but in a few countries it is
/// not dialled from abroad, and a list holds the number without it.
pub(crate) fn has_trunk_prefix(value: u64) -> bool {
    let mut leading = value;
    while leading >= 10_000 {
        leading /= 10;
    }
    if leading / 1_000 == 1 {
        // Area codes of the North American plan follow rules of their own.
        return false;
    }
    let code = u64::from(country_code_of((leading / 10) as u16));
    let code_and_next = match code {
        0..10 => leading / 100,
        10..100 => leading / 10,
        _ => leading,
    };
    code_and_next == code * 10 && !ZERO_BELONGS.contains(&code)
}

/// Digits of `value` in decimal; one for zero.
fn digit_count(value: u64) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

// === impl Digits ===

/// What a query holds besides separators.
struct Digits {
    value: u64,
    count: u32,
    plus: bool,
}

impl Digits {
    fn read(bytes: &[u8]) -> Result<Self, NumberError> {
        let mut digits = Self { value: 0, count: 0, plus: false };
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    if digits.count == MAX_DIGITS {
                        return Err(NumberError::TooManyDigits);
                    }
                    digits.value = digits.value * 10 + u64::from(byte - b'0');
                    digits.count += 1;
                }
                b'+' if digits.plus || digits.count > 0 => return Err(NumberError::MisplacedPlus),
                b'+' => digits.plus = true,
                b'(' if digits.plus && digits.count > 0 && bytes[at..].starts_with(b"(0)") => {
                    return Err(NumberError::TrunkPrefix);
                }
                b' ' | b'-' | b'.' | b'/' | b'(' | b')' => {}
                b'a'..=b'z' | b'A'..=b'Z' => return Err(NumberError::Letter),
                _ => return Err(NumberError::Character),
            }
        }
        Ok(digits)
    }
}
