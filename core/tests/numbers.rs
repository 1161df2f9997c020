//! Phone numbers: what is read, what is refused, and what is never shown.

#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

use dnc_core::number::{NumberError, PhoneNumber};
use proptest::prelude::*;

fn parsed(text: &str) -> Result<u64, NumberError> {
    PhoneNumber::parse(text).map(PhoneNumber::to_u64)
}

#[test]
fn the_usual_ways_to_write_a_number_mean_the_same() {
    for text in [
        "2015550100",
        "12015550100",
        "+12015550100",
        "+1 (201) 555-0100",
        "(201) 555-0100",
        "201.555.0100",
        "201/555-0100",
        " 201 555 0100 ",
        "1-201-555-0100",
        "tel:+1-201-555-0100",
        "TEL:2015550100",
    ] {
        assert_eq!(parsed(text), Ok(12_015_550_100), "{text}");
    }
    assert_eq!(parsed("+65 6123 4567"), Ok(6_561_234_567));
    assert_eq!(parsed("+39 06 1234 5678"), Ok(390_612_345_678));
    assert_eq!(parsed("+225 07 01 02 03 04"), Ok(2_250_701_020_304));
}

#[test]
fn what_is_no_number_is_refused_by_kind() {
    let long = "1".repeat(33);
    for (text, error) in [
        ("", NumberError::Empty),
        ("  -", NumberError::Empty),
        ("+", NumberError::Empty),
        ("tel:", NumberError::Empty),
        (long.as_str(), NumberError::TooLong),
        ("201555010\u{0660}", NumberError::NonAscii),
        ("201-555-CALL", NumberError::Letter),
        ("2015550100x12", NumberError::Letter),
        ("2015550100;1", NumberError::Character),
        ("201\t5550100", NumberError::Character),
        ("201+5550100", NumberError::MisplacedPlus),
        ("++12015550100", NumberError::MisplacedPlus),
        ("5550100", NumberError::TooFewDigits),
        ("+1201555010", NumberError::TooFewDigits),
        ("+120155501000", NumberError::TooManyDigits),
        ("+123456", NumberError::TooFewDigits),
        ("+4412345678901234", NumberError::TooManyDigits),
        ("1234567890123456", NumberError::TooManyDigits),
        ("442079460958", NumberError::CountryMissing),
        ("22015550100", NumberError::CountryMissing),
        ("011442079460958", NumberError::CountryMissing),
        ("+02015550100", NumberError::CountryCode),
        ("+44 (0)20 7946 0958", NumberError::TrunkPrefix),
        ("+44 020 7946 0958", NumberError::TrunkPrefix),
        ("+61 0412 345 678", NumberError::TrunkPrefix),
        ("+7 0912 345 67 89", NumberError::TrunkPrefix),
        ("+353 086 123 4567", NumberError::TrunkPrefix),
        ("1015550100", NumberError::AreaCode),
        ("0015550100", NumberError::AreaCode),
        ("2915550100", NumberError::AreaCode),
        ("2010000201", NumberError::Exchange),
        ("2019110100", NumberError::Exchange),
    ] {
        assert_eq!(parsed(text), Err(error), "{text}");
    }
}

#[test]
fn non_ascii_text_is_measured_in_characters() {
    assert_eq!(parsed(&"é".repeat(32)), Err(NumberError::NonAscii));
    assert_eq!(parsed(&"é".repeat(33)), Err(NumberError::TooLong));
}

#[test]
fn an_import_keeps_every_ten_digit_number() {
    for digits in [2_010_000_201, 0, 9_999_999_999, 1_015_550_100] {
        let number = PhoneNumber::from_national(digits, 1).unwrap();
        assert_eq!(number.to_u64(), 10_000_000_000 + digits);
        assert!(number.is_nanp());
    }
    assert_eq!(PhoneNumber::from_national(10_000_000_000, 1), Err(NumberError::TooManyDigits));
}

#[test]
fn national_numbers_of_other_countries_get_their_code() {
    assert_eq!(PhoneNumber::from_national(61_234_567, 65).map(PhoneNumber::to_u64), Ok(6_561_234_567));
    assert_eq!(PhoneNumber::from_national(61_234_567, 0), Err(NumberError::CountryCode));
    assert_eq!(PhoneNumber::from_national(61_234_567, 650), Err(NumberError::CountryCode));
    assert_eq!(PhoneNumber::from_national(1, 65), Err(NumberError::TooFewDigits));
    assert_eq!(PhoneNumber::from_national(u64::MAX, 65), Err(NumberError::TooManyDigits));
    assert_eq!(PhoneNumber::from_national(99_999_999_999_999, 65), Err(NumberError::TooManyDigits));
}

#[test]
fn debug_and_errors_never_show_digits() {
    let number = PhoneNumber::parse("2015550100").unwrap();
    assert_eq!(format!("{number:?}"), "PhoneNumber(…)");
    assert_eq!(number.to_string(), "+12015550100");
    let error = PhoneNumber::parse("2019110199").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("0199"));
}

#[test]
fn a_stored_number_is_checked_when_it_is_read() {
    let json = serde_json::to_string(&PhoneNumber::parse("2015550100").unwrap()).unwrap();
    assert_eq!(json, "12015550100");
    assert!(serde_json::from_str::<PhoneNumber>("1201555010").is_err());
    assert!(serde_json::from_str::<PhoneNumber>("0").is_err());
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*") {
        if let Ok(number) = PhoneNumber::parse(&text) {
            prop_assert_eq!(PhoneNumber::from_u64(number.to_u64()), Ok(number));
        }
    }

    #[test]
    fn digits_and_separators_never_panic(text in "[0-9+() ./-]{0,34}") {
        let _ = PhoneNumber::parse(&text);
    }

    #[test]
    fn every_number_is_found_again_in_its_block(value in any::<u64>().prop_map(|v| v % 2_000_000_000_000_000)) {
        if let Ok(number) = PhoneNumber::from_u64(value) {
            prop_assert_eq!(number.block().number(number.line()), Some(number));
            prop_assert_eq!(number.block().area(), Some(number.area()));
            prop_assert!(number.area().contains(number));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(area in 200_u64..1_000, exchange in 200_u64..1_000, line in 0_u64..10_000) {
        let national = area * 10_000_000 + exchange * 10_000 + line;
        let number = PhoneNumber::from_national(national, 1).unwrap();
        if let Ok(again) = PhoneNumber::parse(&number.to_string()) {
            prop_assert_eq!(again, number);
            prop_assert_eq!(PhoneNumber::parse(&format!("{national:010}")), Ok(number));
        } else {
            prop_assert!(area / 10 % 10 == 9 || exchange % 100 == 11);
        }
    }
}
