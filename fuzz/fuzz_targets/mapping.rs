//! Any mapping, and any bytes read by it.

#![no_main]

use arbitrary::Arbitrary;
use dnc_core::codec;
use dnc_core::listfile::{Action, Entry, ListFileError, ListKind, Mapping, Options};
use dnc_fuzz::content::Row;
use dnc_fuzz::mapping::{AnyMapping, write};
use dnc_fuzz::{look, no_line_is_lost, read_twice, settle};
use jiff::civil::date;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    mapping: AnyMapping,
    country: u8,
    bad_lines: bool,
    rows: Option<Vec<Row>>,
    content: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let mapping = input.mapping.build();
    assert_eq!(codec::decode::<Mapping>(&codec::encode(&mapping)).ok().as_ref(), Some(&mapping));
    let checked = mapping.check();
    let (kind, skip_lines) = (mapping.kind(), u64::from(mapping.skip_lines));
    let options = Options {
        default_country: [1, 1, 65, 353][usize::from(input.country % 4)],
        max_bad_lines: if input.bad_lines { 3 } else { 0 },
        list_date: Some(date(2026, 11, 9)),
        mapping: Some(mapping.clone()),
        max_line_bytes: 100,
        ..Options::default()
    };
    if let (Some(rows), Ok(())) = (&input.rows, checked)
        && let Some(content) = write(&mapping, rows)
        && !rows.is_empty()
    {
        // What is laid out as the mapping says is read as it was meant.
        let options = Options { default_country: 1, ..options.clone() };
        let (_, entries) = read_twice("list.txt", &content, &options).expect("a list of the mapping's layout");
        let numbers: Vec<String> = entries.iter().map(|entry| entry.number().to_string()[2..].to_owned()).collect();
        assert!(numbers.into_iter().eq(rows.iter().map(|row| row.national())));
        for (entry, row) in entries.iter().zip(rows) {
            let action = if row.add { Action::Add } else { Action::Delete };
            assert!(matches!(entry, Entry::Number(_)) || matches!(entry, Entry::Change(c) if c.action == action));
        }
        look("list.txt", &content, &options, 4);
    }
    match (read_twice("list.txt", input.content, &options), checked) {
        (Ok((summary, entries)), Ok(())) => {
            assert_eq!(summary.kind, kind);
            if skip_lines == 0 {
                no_line_is_lost(input.content, &summary, 0);
            }
            if kind == ListKind::Changes {
                settle(&entries);
            }
        }
        (Err(error), Err(_)) => {
            let is_archive = input.content.starts_with(b"PK");
            assert!(is_archive || matches!(error, ListFileError::Mapping(_)), "{error}");
        }
        (Err(_), Ok(())) => {}
        (Ok(_), Err(why)) => panic!("read by a mapping that cannot be used: {why}"),
    }
    look("list.txt", input.content, &options, 4);
});
