//! Numbers as callers write them, and as lists hold them.

#![no_main]

use dnc_core::number::PhoneNumber;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u64, u16)| {
    let (text, digits, country) = input;
    let parsed = PhoneNumber::parse(text);
    if let Ok(number) = parsed {
        check(number);
        assert!(PhoneNumber::parse(&number.to_string()) == Ok(number), "printed and read back");
    }
    if let Err(error) = parsed {
        assert!(!error.to_string().contains("5550100"));
    }
    if let Ok(number) = PhoneNumber::from_national(digits, country) {
        check(number);
        assert!(number.is_nanp() == (country == 1));
    }
    if let Ok(number) = PhoneNumber::from_u64(digits) {
        assert_eq!(number.to_u64(), digits);
        check(number);
    }
});

fn check(number: PhoneNumber) {
    assert!(PhoneNumber::from_u64(number.to_u64()) == Ok(number));
    assert!(number.block().number(number.line()) == Some(number));
    assert!(number.area().contains(number) && number.area().contains_block(number.block()));
    assert!(!format!("{number:?}").bytes().any(|byte| byte.is_ascii_digit()));
}
