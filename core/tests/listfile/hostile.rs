//! Whatever comes in, a reading ends in a list or in an error.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use dnc_core::listfile::{Entry, Format, ListFileError, Options, preview, read};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{entries, reading, reading_with};

/// Gives a few bytes at a time, and sometimes an interruption.
struct Slow<'a> {
    inner: Cursor<&'a [u8]>,
    step: usize,
    calls: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(self.step);
        self.inner.read(&mut buffer[..length])
    }
}

impl Seek for Slow<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Fails in the middle.
struct Failing(u64);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 > 10 {
            return Err(io::Error::other("the disk is gone"));
        }
        buffer[..12].copy_from_slice(b"201,5550100\n");
        self.0 += 1;
        Ok(12)
    }
}

impl Seek for Failing {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_slow_input_gives_the_same_list_and_progress_goes_forward() {
    let content = "201,5550100\n201,5550101\n".repeat(1_000);
    let (mut count, mut last) = (0, 0);
    let mut sink = |_: Entry| -> Result<(), io::Error> {
        count += 1;
        Ok(())
    };
    let mut progress = |bytes: u64| {
        assert!(bytes >= last);
        last = bytes;
    };
    let slow = Slow { inner: Cursor::new(content.as_bytes()), step: 7, calls: 0 };
    read("list.txt", slow, &Options::default(), &mut sink, &mut progress).unwrap();
    assert_eq!((count, last), (2_000, content.len() as u64));
}

#[test]
fn a_failing_input_fails_the_reading() {
    let mut sink = |_: Entry| -> Result<(), io::Error> { Ok(()) };
    let result = read("list.txt", Failing(0), &Options::default(), &mut sink, &mut |_| {});
    assert!(matches!(result, Err(ListFileError::Read { .. })));
}

#[test]
fn a_failing_sink_fails_the_reading() {
    let mut left = 1;
    let mut sink = |_: Entry| {
        left -= 1;
        if left < 0 { Err(io::Error::other("full")) } else { Ok(()) }
    };
    let input = Cursor::new("201,5550100\n201,5550101\n");
    match read("list.txt", input, &Options::default(), &mut sink, &mut |_| {}) {
        Err(ListFileError::Sink(source)) => assert_eq!(source.to_string(), "full"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_of_zero_refuse_rather_than_panic() {
    let options =
        Options { max_bytes: 0, max_line_bytes: 0, max_ratio: 0, max_files: 0, max_reported: 0, ..Options::default() };
    assert!(reading_with("list.txt", "201,5550100\n", &options).is_err());
    let huge = Options {
        max_bytes: u64::MAX,
        max_line_bytes: usize::MAX,
        max_ratio: u64::MAX,
        max_files: usize::MAX,
        max_bad_lines: u64::MAX,
        max_reported: usize::MAX,
        ..Options::default()
    };
    assert!(reading_with("list.txt", "201,5550100\n", &huge).is_ok());
}

/// Random bytes seldom look like a list, so pieces of lists are mixed in.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..20),
        "[0-9]{1,12}".prop_map(String::into_bytes),
        proptest::sample::select(vec![
            "201,5550100",
            "\n",
            "\r\n",
            ",",
            "\"",
            "phone,name\n",
            "<list>",
            "<ac val='416'>",
            "<ph val='5550100'/>",
            "</list>",
            "<!--",
            "-->",
            "<",
            ">",
            "'",
            "PK\x03\x04",
            "PK\x05\x06",
            "+65",
            "\u{feff}",
            ",A\n",
            ",2026-11-10T08:00:00,",
            "2015550143,2026-11-10,D\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_make_the_reading_panic(content in pieces(), bad in 0_u64..10, which in 0_usize..6) {
        let formats = [Format::FtcFlat, Format::Digits, Format::Csv, Format::Xml, Format::Change];
        let options = Options { format: formats.get(which).copied(), max_bad_lines: bad, ..Options::default() };
        let reading = entries("list.txt", &content, &options);
        let shown = preview("list.txt", Cursor::new(&content), &options, 3);
        if let Ok((summary, entries)) = reading {
            // What a load accepts, a look before it shows.
            let shown = shown.unwrap();
            prop_assert_eq!(&shown.files[0].entries[..], &entries[..entries.len().min(3)]);
            prop_assert_eq!(shown.files[0].format, summary.files[0].format);
        }
    }

    #[test]
    fn no_name_makes_the_reading_panic(name in "\\PC{0,40}|[0-9_.-]{0,20}") {
        let _ = reading(&name, "201,5550100\n");
    }

    #[test]
    fn a_damaged_archive_never_gives_another_list(at in 0_usize..242, bit in 0_u8..8) {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/samples/2026-11-9_201_1B4E28BA-2FA1-4D3B-A3F5-EF19B5A7633B.txt.zip"
        );
        let whole = std::fs::read(path).unwrap();
        let (_, expected) = reading("list.zip", &whole).unwrap();
        let mut damaged = whole;
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        if let Ok((_, numbers)) = reading("list.zip", &damaged) {
            prop_assert_eq!(numbers, expected);
        }
    }
}
