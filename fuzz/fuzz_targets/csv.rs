//! Tables with a header.

#![no_main]

use dnc_core::listfile::{Format, Options};
use dnc_fuzz::{no_line_is_lost, options_for, read_twice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let csv_column = content.len().is_multiple_of(3).then(|| "c".to_owned());
    let options = Options { csv_column, ..options_for(content) };
    let told = Options { format: Some(Format::Csv), ..options.clone() };
    if let Ok((summary, _)) = read_twice("list.csv", content, &told) {
        no_line_is_lost(content, &summary, 1);
    }
    let _ = read_twice("list.csv", content, &options);
});
