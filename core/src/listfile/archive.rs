//! Lists in a zip.
//!
//! A zip can be read in more ways than one, and a reader that is too kind loses files: of two entries with one name it
//! shows one, and in a cut-off archive it may find the directory of a smaller archive within. So the end of the file is
//! checked here, strictly, before the `zip` crate unpacks anything.

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::input::Tracked;
use super::name::printable_name;
use super::{Declared, ListFileError, Options, declared_by_name};

/// The record at the end of a zip: 22 bytes and a comment.
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 65_535;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
/// In front of it, in archives with large values: 20 bytes that say where those stand.
const LOCATOR_BYTES: u64 = 20;
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const LARGE_END_BYTES: usize = 56;
const LARGE_END_SIGNATURE: &[u8] = b"PK\x06\x06";

/// Whether a file begins the way zips do.
pub(super) fn is_zip(head: &[u8]) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

/// What to do with one list of an archive: its name, what the archive declares, its content.
pub(super) type Visit<'a> = dyn FnMut(&str, &Declared, &mut dyn Read) -> Result<(), ListFileError> + 'a;

/// Goes through every list in the archive; gives the names of the files that are no lists by their names alone.
pub(super) fn each(
    name: &str,
    length: u64,
    source: &mut Tracked<'_>,
    options: &Options,
    visit: &mut Visit<'_>,
) -> Result<Vec<String>, ListFileError> {
    let broken = |why| ListFileError::BrokenArchive { file: name.into(), why };
    let unpack = |source| ListFileError::Unpack { file: name.into(), source };
    let files = directory(source, length).map_err(|error| ListFileError::read(name, error))?.map_err(broken)?;
    if files > options.max_files as u64 {
        return Err(ListFileError::TooManyFiles { file: name.into(), max: options.max_files });
    }
    let mut archive = ZipArchive::new(source).map_err(unpack)?;
    if archive.len() as u64 != files {
        return Err(broken("its directory names a file twice, or not all of its files"));
    }
    if archive.has_overlapping_files().map_err(unpack)? {
        return Err(broken("files overlap in it"));
    }
    let outer = declared_by_name(name);
    let (mut lists, mut skipped) = (0, Vec::new());
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(unpack)?;
        let file = printable_name(entry.name());
        if entry.is_dir() && entry.size() == 0 {
            continue;
        }
        if is_companion(&file) {
            skipped.push(file);
            continue;
        }
        if entry.encrypted() {
            return Err(ListFileError::Encrypted { file });
        }
        if file.to_ascii_lowercase().ends_with(".zip") {
            return Err(ListFileError::NestedArchive { file });
        }
        drop(entry);
        let mut entry = archive.by_index(at).map_err(unpack)?;
        visit(&file, &outer, &mut entry)?;
        lists += 1;
    }
    if lists == 0 {
        return Err(ListFileError::Empty { file: name.into() });
    }
    Ok(skipped)
}

/// What a Mac puts into every zip next to the real files.
fn is_companion(file: &str) -> bool {
    file.starts_with("__MACOSX/") || file.rsplit('/').next() == Some(".DS_Store")
}

/// How many files the archive's directory has, if the file is one whole archive and nothing else.
fn directory(source: &mut (impl Read + Seek), length: u64) -> io::Result<Result<u64, &'static str>> {
    const CUT_OFF: Result<u64, &str> = Err("ends before its directory does: the archive is cut off or damaged");

    let tail_bytes = length.min((END_BYTES + MAX_COMMENT_BYTES) as u64);
    let mut tail = vec![0; tail_bytes as usize];
    source.seek(SeekFrom::Start(length - tail_bytes))?;
    source.read_exact(&mut tail)?;
    let is_end = |at: &usize| {
        let record = &tail[*at..];
        record.starts_with(END_SIGNATURE) && usize::from(u16_at(record, 20)) == record.len() - END_BYTES
    };
    let Some(at) =
        (0..=tail.len().saturating_sub(END_BYTES)).rev().filter(|at| tail.len() - at >= END_BYTES).find(is_end)
    else {
        return Ok(CUT_OFF);
    };
    let record = &tail[at..];
    let end = length - tail_bytes + at as u64;
    let (files, size, start) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16));
    let is_large = files == u16::MAX || size == u32::MAX || start == u32::MAX;
    let (files, size, start, end) = match is_large {
        false if (u16_at(record, 4), u16_at(record, 6)) != (0, 0) => {
            return Ok(Err("one part of an archive in several"));
        }
        false => (u64::from(files), u64::from(size), u64::from(start), end),
        true => match large_end(source, end)? {
            Some(large) => large,
            None => return Ok(CUT_OFF),
        },
    };
    // With bytes in front of the first file, between the files and the directory, or behind it, other readers may see
    // other files than this one.
    if start.checked_add(size) != Some(end) {
        Ok(Err("its directory is not where its end says"))
    } else {
        Ok(Ok(files))
    }
}

/// Files, size and start of the directory, and where the record stands that says so.
fn large_end(source: &mut (impl Read + Seek), end: u64) -> io::Result<Option<(u64, u64, u64, u64)>> {
    let Some(at) = end.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let mut locator = [0; LOCATOR_BYTES as usize];
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(&mut locator)?;
    let start = u64_at(&locator, 8);
    let fits = start.checked_add(LARGE_END_BYTES as u64).is_some_and(|behind| behind <= at);
    if !locator.starts_with(LOCATOR_SIGNATURE) || !fits {
        return Ok(None);
    }
    let mut record = [0; LARGE_END_BYTES];
    source.seek(SeekFrom::Start(start))?;
    source.read_exact(&mut record)?;
    let large = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48), start);
    Ok(record.starts_with(LARGE_END_SIGNATURE).then_some(large))
}

fn bytes_at<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    *record[at..].first_chunk().expect("records are read whole")
}

fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(record, at))
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(record, at))
}

fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(record, at))
}
