//! Lists in zips, and zips that mean harm.

use std::io::{Cursor, Write};

use dnc_core::listfile::{Format, LineError, ListFileError, ListKind, Options, Times};
use jiff::civil::date;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Reading, bad_lines, entries, reading, reading_with};

const A: u64 = 12_015_550_100;

pub fn zip_of<N: AsRef<str>, C: AsRef<[u8]>>(files: &[(N, C)]) -> Vec<u8> {
    zip_with(files, CompressionMethod::Deflated)
}

fn zip_with<N: AsRef<str>, C: AsRef<[u8]>>(files: &[(N, C)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(name.as_ref(), SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content.as_ref()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn is_broken(reading: Reading) -> bool {
    matches!(reading, Err(ListFileError::BrokenArchive { .. }))
}

/// Replaces every occurrence of some bytes by others of the same length.
fn patch(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
}

#[test]
fn all_files_of_an_archive_are_read_each_in_its_format() {
    let files = [
        ("2026-11-9_201_a.txt", "201,5550100\n"),
        ("lists/2026-10-9_416_b.xml", "<list><ac val='416'><ph val='5550100'/></ac></list>"),
        ("__MACOSX/._2026-11-9_201_a.txt", "\0\x05\x16\x07"),
    ];
    for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
        let (summary, numbers) = reading("lists.zip", zip_with(&files, method)).unwrap();
        assert_eq!(numbers, [A, 14_165_550_100]);
        assert_eq!(summary.format(), None);
        let formats: Vec<Format> = summary.files.iter().map(|file| file.format).collect();
        assert_eq!(formats, [Format::FtcFlat, Format::Xml]);
        assert_eq!(summary.skipped, ["__MACOSX/._2026-11-9_201_a.txt"]);
        assert_eq!(summary.declared.areas.len(), 2);
        assert_eq!(summary.declared.list_date, Some(date(2026, 10, 9)));
    }
}

#[test]
fn full_lists_and_changes_do_not_mix() {
    let (full, changes) = (("a.txt", "201,5550100\n"), ("b.txt", "2015550101,2026-11-10,A\n"));
    for files in [[full, changes], [changes, full]] {
        match reading("lists.zip", zip_of(&files)) {
            Err(ListFileError::MixedKinds { file }) => assert_eq!(file, files[1].0),
            other => panic!("{other:?}"),
        }
    }
    let more = ("c.txt", "201,5550102,2026-11-09,D\n");
    let (summary, entries) = entries("lists.zip", zip_of(&[changes, more]), &Options::default()).unwrap();
    assert_eq!((entries.len(), summary.kind, summary.files[1].kind), (2, ListKind::Changes, ListKind::Changes));
    let times = Times { earliest: date(2026, 11, 9).at(0, 0, 0, 0), latest: date(2026, 11, 10).at(0, 0, 0, 0) };
    assert_eq!(summary.times, Some(times));
    // Days in one file, times in the other: their order would be a guess.
    let timed = ("c.txt", "201,5550102,2026-11-09T08:00:00,D\n");
    assert_eq!(bad_lines(reading("lists.zip", zip_of(&[changes, timed]))), [(1, LineError::TimeForm)]);
}

#[test]
fn the_archives_name_declares_for_the_files_in_it() {
    let archive = zip_of(&[("list.txt", "201,5550100\n212,5550100\n")]);
    assert_eq!(bad_lines(reading("2026-11-9_201_a.txt.zip", archive)), [(2, LineError::OutsideArea)]);
    let archive = zip_of(&[("2026-11-9_212_a.txt", "212,5550100\n")]);
    assert!(matches!(reading("2026-11-9_201_a.txt.zip", archive), Err(ListFileError::Conflict { .. })));
}

#[test]
fn bad_lines_are_counted_over_all_files() {
    let archive = zip_of(&[("a.txt", "201,5550100\nx\n"), ("b.txt", "201,5550100\n\ny\n")]);
    assert_eq!(bad_lines(reading("lists.zip", &archive)).len(), 2);
    let options = Options { max_bad_lines: 2, ..Options::default() };
    let (summary, _) = reading_with("lists.zip", &archive, &options).unwrap();
    let places: Vec<_> = summary.bad_lines.iter().map(|bad| (bad.file.as_str(), bad.line)).collect();
    assert_eq!(places, [("a.txt", 2), ("b.txt", 3)]);
    assert_eq!(summary.files.iter().map(|file| file.bad_count).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn one_empty_or_unknown_file_refuses_the_archive() {
    let good = ("a.txt", "201,5550100\n");
    assert!(matches!(reading("lists.zip", zip_of(&[good, ("b.txt", "")])), Err(ListFileError::Empty { .. })));
    let unknown = reading("lists.zip", zip_of(&[good, ("readme", "see inside\n")]));
    assert!(matches!(unknown, Err(ListFileError::UnknownFormat { .. })));
    assert!(matches!(reading("lists.zip", zip_of::<&str, &str>(&[])), Err(ListFileError::Empty { .. })));
}

#[test]
fn an_archive_within_an_archive_is_refused() {
    let inner = zip_of(&[("a.txt", "201,5550100\n")]);
    for name in ["inner.zip", "inner.txt"] {
        let outer = zip_of(&[("b.txt", b"201,5550101\n".as_slice()), (name, &inner)]);
        assert!(matches!(reading("lists.zip", outer), Err(ListFileError::NestedArchive { .. })));
    }
}

#[test]
fn a_cut_off_archive_is_refused_wherever_it_ends() {
    // Stored, so that a reader that looks for any directory could find the one of the inner archive.
    let inner = zip_of(&[("a.txt", "201,5550100\n")]);
    let outer = zip_with(&[("inner", inner.as_slice()), ("b.txt", b"201,5550101\n")], CompressionMethod::Stored);
    let archive = zip_of(&[("a.txt", "201,5550100\n".repeat(100)), ("b.txt", "201,5550100\n".repeat(100))]);
    for whole in [&outer, &archive] {
        for end in 4..whole.len() {
            assert!(is_broken(reading("lists.zip", &whole[..end])), "{end} of {}", whole.len());
        }
    }
    assert!(matches!(reading("lists.zip", &archive[..3]), Err(ListFileError::UnknownFormat { .. })));
}

#[test]
fn bytes_around_an_archive_are_refused() {
    let archive = zip_of(&[("a.txt", "201,5550100\n")]);
    assert!(is_broken(reading("lists.zip", [archive.as_slice(), b"more"].concat())));
    assert!(is_broken(reading("lists.zip", [b"PK\x03\x04 front".as_slice(), &archive].concat())));
    assert!(is_broken(reading("lists.zip", [archive.as_slice(), &archive].concat())));
}

#[test]
fn two_files_of_one_name_are_refused() {
    let mut archive = zip_of(&[("a.txt", "201,5550100\n"), ("b.txt", "201,5550101\n")]);
    patch(&mut archive, b"b.txt", b"a.txt");
    assert!(is_broken(reading("lists.zip", archive)));
}

#[test]
fn damaged_content_is_found_by_its_checksum() {
    let mut archive = zip_with(&[("a.txt", "201,5550100\n")], CompressionMethod::Stored);
    patch(&mut archive, b"201,5550100", b"201,5550101");
    assert!(matches!(reading("lists.zip", archive), Err(ListFileError::Read { .. })));
}

#[test]
fn an_encrypted_file_is_refused() {
    let mut archive = zip_of(&[("a.txt", "201,5550100\n")]);
    // The lowest of the general purpose bits, in the file's own header and in the directory.
    let directory = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    archive[6] |= 1;
    archive[directory + 8] |= 1;
    assert!(matches!(reading("lists.zip", archive), Err(ListFileError::Encrypted { .. })));
}

#[test]
fn a_zip_bomb_is_refused_before_it_has_unpacked() {
    // Lines of nothing but a line end are skipped, so only the limits stop this.
    let mut content = b"201,5550100\n".to_vec();
    content.resize(64 << 20, b'\n');
    let archive = zip_of(&[("a.txt", &content)]);
    assert!(archive.len() < 100_000, "{}", archive.len());
    assert!(matches!(reading("lists.zip", &archive), Err(ListFileError::Bomb { .. })));
    let options = Options { max_ratio: 10_000, max_bytes: 1 << 20, ..Options::default() };
    assert!(matches!(reading_with("lists.zip", &archive, &options), Err(ListFileError::TooLarge { .. })));
    let options = Options { max_ratio: 10_000, ..Options::default() };
    assert_eq!(reading_with("lists.zip", &archive, &options).unwrap().1, [A]);
}

#[test]
fn the_bytes_of_all_files_count_together() {
    let files: Vec<(String, String)> = (0..4).map(|n| (format!("{n}.txt"), "201,5550100\n".repeat(50))).collect();
    let options = |max_bytes| Options { max_bytes, ..Options::default() };
    assert!(reading_with("lists.zip", zip_of(&files), &options(2_400)).is_ok());
    assert!(matches!(reading_with("lists.zip", zip_of(&files), &options(2_399)), Err(ListFileError::TooLarge { .. })));
}

#[test]
fn lists_pack_far_below_the_limit() {
    let content: String = (0..1_000_000).map(|n| format!("201,{n:07}\n")).collect();
    let (summary, _) = reading("lists.zip", zip_of(&[("a.txt", content)])).unwrap();
    assert_eq!(summary.numbers, 1_000_000);
}

#[test]
fn too_many_files_are_refused() {
    let files: Vec<(String, &str)> = (0..11).map(|n| (format!("{n}.txt"), "201,5550100\n")).collect();
    let options = |max_files| Options { max_files, ..Options::default() };
    assert_eq!(reading_with("lists.zip", zip_of(&files), &options(11)).unwrap().1.len(), 11);
    assert!(matches!(reading_with("lists.zip", zip_of(&files), &options(10)), Err(ListFileError::TooManyFiles { .. })));
}

#[test]
fn names_that_climb_out_of_their_folder_are_only_names() {
    let archive = zip_of(&[("../../etc/2026-11-9_201_a.txt", "201,5550100\n")]);
    let (summary, numbers) = reading("lists.zip", archive).unwrap();
    assert_eq!(numbers, [A]);
    assert_eq!(summary.declared.list_date, Some(date(2026, 11, 9)));
}
