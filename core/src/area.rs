//! Areas: what coverage is counted by.
//!
//! A registry covers some areas and not others, and a number in an area that it does not cover is *not covered*, never
//! clear. In North America an area is an area code; elsewhere it is a whole country.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::block::BlockId;
use crate::number::{MAX_DIGITS, MIN_DIGITS, PhoneNumber};

/// An area code of the North American plan, or the calling code of another country.
///
/// Displayed and read as `201` or `+65`. Inside, an area code carries the country digit (1201), so the two kinds never
/// meet: North American areas are 1000 to 1999, country codes stay below 1000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Area(u16);

/// A text or an integer that names no area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an area: expected an area code such as 201 or 1201, or a country such as +65")]
pub struct AreaError;

// === impl Area ===

impl Area {
    /// The area of a number.
    pub fn of(number: PhoneNumber) -> Self {
        number.area()
    }

    /// The North American area with this three-digit code. Codes that no carrier uses are areas too: lists contain
    /// them.
    pub fn nanp(area_code: u16) -> Result<Self, AreaError> {
        match area_code {
            0..=999 => Ok(Self(1_000 + area_code)),
            _ => Err(AreaError),
        }
    }

    /// The country with this calling code; country 1 is divided into area codes and is no area itself.
    pub fn country(code: u16) -> Result<Self, AreaError> {
        if is_country_code(code) && code != 1 { Ok(Self(code)) } else { Err(AreaError) }
    }

    /// `code` comes out of a valid number.
    pub(crate) const fn from_code(code: u16) -> Self {
        Self(code)
    }

    /// The area as an integer: 1201 for area code 201, 65 for Singapore.
    pub const fn to_u16(self) -> u16 {
        self.0
    }

    /// Whether this is an area code of the North American plan.
    pub const fn is_nanp(self) -> bool {
        self.0 >= 1_000
    }

    /// Whether the number lies in this area.
    #[inline]
    pub fn contains(self, number: PhoneNumber) -> bool {
        number.area() == self
    }

    /// The thousand blocks of a North American area, such as 1201000 to 1201999. Elsewhere the length of numbers varies
    /// and there is no one range: see [`Self::block_ranges`].
    pub fn blocks(self) -> Option<RangeInclusive<u64>> {
        self.is_nanp().then(|| u64::from(self.0) * 1_000..=u64::from(self.0) * 1_000 + 999)
    }

    /// All ranges of blocks that can hold numbers of this area: one in North America, elsewhere one for each length.
    pub fn block_ranges(self) -> Vec<RangeInclusive<u64>> {
        if let Some(range) = self.blocks() {
            return vec![range];
        }
        let code = u64::from(self.0);
        let code_digits = self.0.checked_ilog10().map_or(1, |log| log + 1);
        (MIN_DIGITS..=MAX_DIGITS)
            .map(|digits| {
                // A block has all digits of the number but four; the shortest number leaves three, as many as the
                // longest code.
                let scale = 10_u64.pow(digits - 4 - code_digits);
                code * scale..=code * scale + (scale - 1)
            })
            .collect()
    }

    /// Whether the block can hold numbers of this area.
    pub fn contains_block(self, block: BlockId) -> bool {
        block.area() == Some(self)
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nanp() { write!(f, "{:03}", self.0 - 1_000) } else { write!(f, "+{}", self.0) }
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Area({self})")
    }
}

impl FromStr for Area {
    type Err = AreaError;

    fn from_str(text: &str) -> Result<Self, AreaError> {
        let (plus, digits) = match text.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AreaError);
        }
        let value: u16 = digits.parse().map_err(|_| AreaError)?;
        match (digits.len(), plus) {
            (4, _) if value / 1_000 == 1 => Ok(Self(value)),
            (3, false) => Self::nanp(value),
            (1..=3, true) if !digits.starts_with('0') => Self::country(value),
            _ => Err(AreaError),
        }
    }
}

impl TryFrom<u16> for Area {
    type Error = AreaError;

    fn try_from(code: u16) -> Result<Self, AreaError> {
        match code {
            1_000..=1_999 => Ok(Self(code)),
            _ => Self::country(code),
        }
    }
}

impl From<Area> for u16 {
    fn from(area: Area) -> u16 {
        area.0
    }
}

/// The country code that a number outside North America begins with, from its first three digits (200 to 999).
///
/// Country codes are 1, 7, the two-digit ones of ITU-T E.164 listed here, and three digits for everything else, so the
/// first digits alone tell where the code ends.
pub(crate) const fn country_code_of(leading: u16) -> u16 {
    let two = leading / 10;
    match two {
        70..=79 => 7,
        20 | 27 | 30..=34 | 36 | 39 | 40 | 41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98 => two,
        _ => leading,
    }
}

/// Whether some country could have this calling code: 1, or what [`country_code_of`] can give.
pub(crate) const fn is_country_code(code: u16) -> bool {
    match code {
        1 | 7 => true,
        20..=99 => country_code_of(code * 10) == code,
        200..=999 => country_code_of(code) == code,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    #[test]
    fn a_number_lies_in_its_area_code_or_its_country() {
        for (text, area) in [
            ("2015550100", "201"),
            ("+65 6123 4567", "+65"),
            ("+44 20 7946 0958", "+44"),
            ("+7 495 123 45 67", "+7"),
            ("+353 1 234 5678", "+353"),
            ("+212 5 1234 5678", "+212"),
            ("+2121234", "+212"),
            ("+98 21 1234 5678", "+98"),
            ("+998 71 123 4567", "+998"),
        ] {
            assert_eq!(Area::of(number(text)).to_string(), area);
            assert_eq!(area.parse(), Ok(Area::of(number(text))));
        }
    }

    #[test]
    fn an_area_code_is_not_the_country_with_the_same_digits() {
        let new_york: Area = "212".parse().unwrap();
        let morocco: Area = "+212".parse().unwrap();
        assert_ne!(new_york, morocco);
        assert_eq!("1212".parse(), Ok(new_york));
        assert_eq!("+1212".parse(), Ok(new_york));
    }

    #[test]
    fn what_names_no_area_is_refused() {
        for text in ["", "+", "1", "+1", "65", "20", "2201", "12012", "+0", "+065", "+201", "abc", "+6a", "2 1", "٢٠١"]
        {
            assert_eq!(text.parse::<Area>(), Err(AreaError), "{text}");
        }
    }

    #[test]
    fn an_area_code_holds_a_thousand_blocks() {
        let area: Area = "201".parse().unwrap();
        assert_eq!(area.blocks(), Some(1_201_000..=1_201_999));
        assert_eq!("+65".parse::<Area>().unwrap().blocks(), None);
    }

    #[test]
    fn a_stored_area_is_checked_when_it_is_read() {
        assert_eq!(serde_json::to_string(&"201".parse::<Area>().unwrap()).unwrap(), "1201");
        for text in ["1", "0", "650", "2000", "65535"] {
            assert!(serde_json::from_str::<Area>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_area_is_read_back_as_displayed(code in any::<u16>()) {
            if let Ok(area) = Area::try_from(code) {
                prop_assert_eq!(area.to_string().parse(), Ok(area));
                prop_assert_eq!(area.to_u16(), code);
            }
        }

        #[test]
        fn block_ranges_hold_the_numbers_of_the_area_and_no_others(
            value in 1_000_000_u64..1_000_000_000_000_000, code in 2_u16..2_000,
        ) {
            if let (Ok(number), Ok(area)) = (PhoneNumber::from_u64(value), Area::try_from(code)) {
                for area in [area, number.area()] {
                    let inside = area.block_ranges().iter().any(|range| range.contains(&number.block().0));
                    prop_assert_eq!(inside, area.contains(number));
                    prop_assert_eq!(area.contains_block(number.block()), area.contains(number));
                }
            }
        }
    }
}
