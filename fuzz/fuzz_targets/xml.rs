//! Tags.

#![no_main]

use dnc_core::listfile::{Format, Options};
use dnc_fuzz::{options_for, read_twice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let options = Options { format: Some(Format::Xml), ..options_for(content) };
    if let Ok((summary, _)) = read_twice("list.xml", content, &options) {
        // Every number and every bad line comes from a tag, or from text between tags.
        let tags = content.iter().filter(|&&byte| byte == b'<').count() as u64;
        assert!(summary.numbers <= tags && summary.bad_count <= 2 * tags + 1);
    }
});
