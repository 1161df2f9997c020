//! Lines of `number,time,A|D`, and what they come to.

#![no_main]

use dnc_core::listfile::{Format, ListKind, Options};
use dnc_fuzz::{no_line_is_lost, options_for, read_twice, settle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let options = Options { format: Some(Format::Change), ..options_for(content) };
    if let Ok((summary, entries)) = read_twice("list.txt", content, &options) {
        assert_eq!(summary.kind, ListKind::Changes);
        no_line_is_lost(content, &summary, 0);
        settle(&entries);
    }
    // What is not told to be one may be taken for anything, but for one thing only.
    let _ = read_twice("list.txt", content, &Options::default());
});
