//! A look at the beginning of a file, next to a reading of all of it.

#![no_main]

use arbitrary::Arbitrary;
use dnc_core::listfile::{Format, Options};
use dnc_fuzz::content::Content;
use dnc_fuzz::look;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 3] = ["list.txt", "2026-11-9_201_a.txt", "list.zip"];
const FORMATS: [Option<Format>; 6] =
    [None, Some(Format::FtcFlat), Some(Format::Digits), Some(Format::Csv), Some(Format::Xml), Some(Format::Change)];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: u8,
    format: u8,
    rows: u8,
    bad_lines: u8,
    allow_empty: bool,
    content: Content<'a>,
}

fuzz_target!(|input: Input<'_>| {
    let options = Options {
        format: FORMATS[usize::from(input.format) % FORMATS.len()],
        max_bad_lines: u64::from(input.bad_lines % 4),
        allow_empty: input.allow_empty,
        max_line_bytes: 100,
        ..Options::default()
    };
    look(NAMES[usize::from(input.name) % NAMES.len()], &input.content.bytes(), &options, usize::from(input.rows));
});
