//! Lines of `NPA,7digits` and lines of digits.

#![no_main]

use dnc_core::listfile::{Format, Options};
use dnc_fuzz::{no_line_is_lost, options_for, read_twice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let options = Options { format: Some(Format::Digits), ..options_for(content) };
    if let Ok((summary, _)) = read_twice("list.txt", content, &options) {
        no_line_is_lost(content, &summary, 0);
    }
    // A file that a name declares for one area holds numbers of that area.
    let options = Options { default_country: 1, ..options };
    if let Ok((_, entries)) = read_twice("2026-11-9_201_a.txt", content, &options) {
        assert!(entries.iter().all(|entry| entry.number().area().to_u16() == 1_201));
    }
});
