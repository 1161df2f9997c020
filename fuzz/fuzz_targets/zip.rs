//! Archives: any bytes, and whole ones with some damage.

#![no_main]

use std::io::{Cursor, Write};

use arbitrary::Arbitrary;
use dnc_core::listfile::Options;
use dnc_fuzz::content::Content;
use dnc_fuzz::{look, read_twice};
use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const NAMES: [&str; 8] =
    ["a.txt", "b.csv", "lists/c.xml", "2026-11-9_201_d.txt", "2026-11-9_212_e.txt", "__MACOSX/._a.txt", "f.zip", "g/"];

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Bytes(&'a [u8]),
    Files { files: Vec<(u8, bool, Content<'a>)>, damage: Vec<(u16, u8)>, cut: Option<u16> },
}

fuzz_target!(|input: Input<'_>| {
    let options = Options { max_bad_lines: 1, max_line_bytes: 100, ..Options::default() };
    match input {
        Input::Bytes(bytes) => {
            let bytes = [b"PK\x03\x04", bytes].concat();
            let _ = read_twice("list.zip", &bytes, &options);
            look("list.zip", &bytes, &options, 4);
        }
        Input::Files { files, damage, cut } => {
            let files: Vec<_> =
                files.into_iter().map(|(name, stored, content)| (name, stored, content.bytes())).collect();
            let Some(mut bytes) = archive(&files) else { return };
            let is_whole = damage.iter().all(|(_, mask)| *mask == 0) && cut.is_none();
            for (at, mask) in damage {
                let at = usize::from(at) % bytes.len();
                bytes[at] ^= mask;
            }
            if let Some(cut) = cut {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            let reading = read_twice("list.zip", &bytes, &options);
            look("list.zip", &bytes, &options, 4);
            if let (true, Ok((summary, entries))) = (is_whole, reading) {
                // An archive is its files, one after the other.
                let mut one_by_one = Vec::new();
                for file in &summary.files {
                    let content = files.iter().find(|(name, ..)| name_of(*name) == file.name);
                    let (.., content) = content.expect("a file that was put in");
                    let (_, entries) = read_twice(&file.name, content, &options).expect("a file that was read");
                    one_by_one.extend(entries);
                }
                assert_eq!(entries, one_by_one);
            }
        }
    }
});

fn name_of(name: u8) -> &'static str {
    NAMES[usize::from(name) % NAMES.len()]
}

fn archive(files: &[(u8, bool, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, stored, content) in files {
        let method = if *stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        writer.start_file(name_of(*name), SimpleFileOptions::default().compression_method(method)).ok()?;
        writer.write_all(content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}
