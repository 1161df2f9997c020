//! From the digits of a line or a field to a number.

use super::{LineError, ListFileError, Options};
use crate::area::is_country_code;
use crate::number::{NumberError, PhoneNumber, has_trunk_prefix};

/// The country that numbers without one belong to.
#[derive(Clone, Copy)]
pub(super) struct Country {
    code: u16,
    /// Digits of a national number, if all have the same.
    national_digits: Option<u32>,
}

// === impl Country ===

impl Country {
    pub fn new(options: &Options) -> Result<Self, ListFileError> {
        let code = options.default_country;
        let national_digits = match options.national_digits {
            Some(given) if code == 1 && given != 10 => return Err(ListFileError::DefaultCountry),
            Some(given @ 4..=14) => Some(u32::from(given)),
            Some(_) => return Err(ListFileError::DefaultCountry),
            None => usual_digits(code),
        };
        if is_country_code(code) { Ok(Self { code, national_digits }) } else { Err(ListFileError::DefaultCountry) }
    }

    /// The country that a column names by its calling code.
    pub fn named(self, text: &[u8]) -> Result<Self, LineError> {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        if !matches!(digits, [b'1'..=b'9', rest @ ..] if rest.len() <= 2) {
            return Err(LineError::Country);
        }
        // At most 999.
        let code = value_of(digits).map_err(|_| LineError::Country)? as u16;
        match code {
            _ if code == self.code => Ok(self),
            _ if is_country_code(code) => Ok(Self { code, national_digits: usual_digits(code) }),
            _ => Err(LineError::Country),
        }
    }

    /// Whether this is country 1, where an area code and seven digits make a number.
    pub fn is_nanp(self) -> bool {
        self.code == 1
    }

    /// The number that these bytes write: digits, with a plus sign in front if they begin with a country code.
    ///
    /// Without the plus, national digits are taken as they are, and the country code in front of them is recognised by
    /// the length, which is why the length must be known.
    pub fn number(self, text: &[u8]) -> Result<PhoneNumber, LineError> {
        if let Some(digits) = text.strip_prefix(b"+") {
            let value = value_of(digits)?;
            if has_trunk_prefix(value) {
                return Err(LineError::TrunkPrefix);
            }
            return PhoneNumber::from_international(value, digits.len() as u32, false).map_err(line_error);
        }
        let value = value_of(text)?;
        let digits = text.len() as u32;
        let national_digits = self.national_digits.ok_or(LineError::CountryMissing)?;
        let scale = 10_u64.pow(national_digits);
        let has_code = digits > national_digits && value / scale == u64::from(self.code) && text.first() != Some(&b'0');
        let national = match digits {
            _ if digits < national_digits => return Err(LineError::TooFewDigits),
            _ if digits == national_digits => value,
            _ if has_code => value % scale,
            _ => return Err(LineError::TooManyDigits),
        };
        // In North America every ten digits are kept; elsewhere a leading zero is no part of the number.
        if self.code != 1 && national < scale / 10 {
            return Err(LineError::TrunkPrefix);
        }
        PhoneNumber::from_national(national, self.code).map_err(line_error)
    }

    /// The same, with the separators that people write between digits. Columns of a table may have them; plain lines
    /// may not, where a date would look like a number.
    pub fn separated_number(self, text: &[u8]) -> Result<PhoneNumber, LineError> {
        self.number(Compact::new(&[text])?.as_bytes())
    }

    /// The number in a line that names this country in a column of its own.
    ///
    /// Where the length of national numbers is not known, digits are national ones if they cannot begin with the
    /// country code as well.
    pub fn own_number(self, text: &[u8]) -> Result<PhoneNumber, LineError> {
        let compact = Compact::new(&[text])?;
        let digits = compact.as_bytes();
        let number = match self.national_digits {
            None if !digits.starts_with(b"+") => {
                let value = value_of(digits)?;
                if digits.starts_with(b"0") {
                    return Err(LineError::TrunkPrefix);
                }
                if digits.starts_with(self.code.to_string().as_bytes()) {
                    return Err(LineError::CountryMissing);
                }
                PhoneNumber::from_national(value, self.code).map_err(line_error)?
            }
            _ => self.number(digits)?,
        };
        let is_own = if self.is_nanp() { number.is_nanp() } else { number.area().to_u16() == self.code };
        if is_own { Ok(number) } else { Err(LineError::OtherCountry) }
    }

    /// A number in two columns: an area code and what follows it.
    pub fn joined_number(self, area_code: &[u8], local: &[u8]) -> Result<PhoneNumber, LineError> {
        if self.is_nanp() {
            return local_number(Compact::new(&[area_code])?.as_bytes(), Compact::new(&[local])?.as_bytes());
        }
        if area_code.is_empty() || local.is_empty() {
            return Err(LineError::Missing);
        }
        let compact = Compact::new(&[area_code, local])?;
        // Of two columns, neither has room for the country: that is what tells how long national numbers are.
        match self.national_digits {
            Some(expected) if compact.count > expected as usize => Err(LineError::TooManyDigits),
            _ => self.own_number(compact.as_bytes()),
        }
    }
}

/// Digits, with the separators between them left out.
struct Compact {
    digits: [u8; 16],
    count: usize,
}

impl Compact {
    fn new(texts: &[&[u8]]) -> Result<Self, LineError> {
        let mut compact = Self { digits: [0; 16], count: 0 };
        for text in texts {
            for &byte in *text {
                match byte {
                    b' ' | b'-' | b'.' | b'/' | b'(' | b')' => {}
                    _ if compact.count == compact.digits.len() => {
                        return Err(not_digits(text).unwrap_or(LineError::TooManyDigits));
                    }
                    _ => {
                        compact.digits[compact.count] = byte;
                        compact.count += 1;
                    }
                }
            }
            if compact.count == 0 {
                return Err(not_digits(text).unwrap_or(LineError::Missing));
            }
        }
        // `+44 (0)20`: the digits would make another number.
        let has_trunk_prefix = texts.iter().any(|text| text.windows(3).any(|three| three == b"(0)"));
        if has_trunk_prefix && compact.digits.starts_with(b"+") {
            return Err(LineError::TrunkPrefix);
        }
        Ok(compact)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.count]
    }
}

/// How many digits the national numbers of a country have, where all have the same.
fn usual_digits(country: u16) -> Option<u32> {
    match country {
        1 | 44 | 91 => Some(10),
        65 => Some(8),
        _ => None,
    }
}

/// A number written as an area code and seven digits.
pub(super) fn local_number(area_code: &[u8], local: &[u8]) -> Result<PhoneNumber, LineError> {
    let (high, low) = (value_of(area_code)?, value_of(local)?);
    for (digits, expected) in [(area_code.len(), 3), (local.len(), 7)] {
        match digits {
            _ if digits < expected => return Err(LineError::TooFewDigits),
            _ if digits > expected => return Err(LineError::TooManyDigits),
            _ => {}
        }
    }
    PhoneNumber::from_national(high * 10_000_000 + low, 1).map_err(line_error)
}

/// The value of up to 15 digits.
fn value_of(digits: &[u8]) -> Result<u64, LineError> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(not_digits(digits).unwrap_or(LineError::NotDigits));
    }
    match digits.len() {
        0 => Err(LineError::TooFewDigits),
        1..=15 => Ok(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))),
        _ => Err(LineError::TooManyDigits),
    }
}

/// What the bytes are if they are no text.
pub(super) fn not_digits(bytes: &[u8]) -> Option<LineError> {
    if bytes.contains(&0) {
        return Some(LineError::NulByte);
    }
    std::str::from_utf8(bytes).is_err().then_some(LineError::NotUtf8)
}

fn line_error(error: NumberError) -> LineError {
    match error {
        NumberError::TooFewDigits => LineError::TooFewDigits,
        NumberError::TooManyDigits => LineError::TooManyDigits,
        NumberError::CountryCode => LineError::CountryCode,
        _ => LineError::NotDigits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(default_country: u16, national_digits: Option<u8>) -> Result<Country, ListFileError> {
        Country::new(&Options { default_country, national_digits, ..Options::default() })
    }

    fn values(country: Country, cases: &[(&str, Result<u64, LineError>)]) {
        for (text, expected) in cases {
            assert_eq!(country.number(text.as_bytes()).map(PhoneNumber::to_u64), *expected, "{text}");
        }
    }

    #[test]
    fn north_american_digits_are_kept_whatever_they_are() {
        values(
            country(1, None).unwrap(),
            &[
                ("2015550100", Ok(12_015_550_100)),
                ("12015550100", Ok(12_015_550_100)),
                ("+12015550100", Ok(12_015_550_100)),
                ("0000000000", Ok(10_000_000_000)),
                ("2010000201", Ok(12_010_000_201)),
                ("+6561234567", Ok(6_561_234_567)),
                ("22015550100", Err(LineError::TooManyDigits)),
                ("0012015550100", Err(LineError::TooManyDigits)),
                ("201555010", Err(LineError::TooFewDigits)),
                ("+1201555010", Err(LineError::TooFewDigits)),
                ("+0201555010", Err(LineError::CountryCode)),
                ("+4402079460958", Err(LineError::TrunkPrefix)),
                ("", Err(LineError::TooFewDigits)),
                ("+", Err(LineError::TooFewDigits)),
                ("1234567890123456", Err(LineError::TooManyDigits)),
                ("201555010x", Err(LineError::NotDigits)),
                ("201555010\0", Err(LineError::NulByte)),
            ],
        );
    }

    #[test]
    fn other_countries_need_a_known_length_or_a_plus_sign() {
        values(
            country(65, None).unwrap(),
            &[
                ("61234567", Ok(6_561_234_567)),
                ("6561234567", Ok(6_561_234_567)),
                ("65612345", Ok(6_565_612_345)),
                ("+12015550100", Ok(12_015_550_100)),
                ("01234567", Err(LineError::TrunkPrefix)),
                ("6501234567", Err(LineError::TrunkPrefix)),
                ("6612345678", Err(LineError::TooManyDigits)),
                ("2015550100", Err(LineError::TooManyDigits)),
                ("6123456", Err(LineError::TooFewDigits)),
            ],
        );
        values(
            country(353, None).unwrap(),
            &[("12345678", Err(LineError::CountryMissing)), ("+35312345678", Ok(35_312_345_678))],
        );
        values(country(353, Some(9)).unwrap(), &[("861234567", Ok(353_861_234_567))]);
    }

    #[test]
    fn impossible_defaults_are_refused() {
        for (code, digits) in [(0, None), (650, None), (1, Some(9)), (65, Some(0)), (65, Some(15)), (65, Some(255))] {
            assert!(matches!(country(code, digits), Err(ListFileError::DefaultCountry)), "{code}");
        }
        assert!(country(1, Some(10)).is_ok());
    }

    #[test]
    fn columns_may_hold_separators() {
        let country = country(1, None).unwrap();
        for (text, expected) in [
            ("(201) 555-0100", Ok(12_015_550_100)),
            ("+1.201.555.0100", Ok(12_015_550_100)),
            ("+44 (0)20 7946 0958", Err(LineError::TrunkPrefix)),
            ("2.01555E+09", Err(LineError::NotDigits)),
            (" - ", Err(LineError::Missing)),
            ("2015550100 x 12345678901234567", Err(LineError::TooManyDigits)),
        ] {
            assert_eq!(country.separated_number(text.as_bytes()).map(PhoneNumber::to_u64), expected, "{text}");
        }
    }

    #[test]
    fn local_numbers_have_three_and_seven_digits() {
        for (area_code, local, expected) in [
            ("201", "0000201", Ok(12_010_000_201)),
            ("20", "5550100", Err(LineError::TooFewDigits)),
            ("201", "555010", Err(LineError::TooFewDigits)),
            ("201", "55501000", Err(LineError::TooManyDigits)),
            ("1201", "5550100", Err(LineError::TooManyDigits)),
            ("2o1", "5550100", Err(LineError::NotDigits)),
        ] {
            let number = local_number(area_code.as_bytes(), local.as_bytes());
            assert_eq!(number.map(PhoneNumber::to_u64), expected, "{area_code} {local}");
        }
    }
}
