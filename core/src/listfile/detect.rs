//! Which form a file has, from its beginning.

use memchr::{memchr, memchr_iter};

use super::change::looks_like_change;
use super::field::Country;
use super::input::LineLimit;
use super::{Format, ListFileError, Options, csv, text};

/// How many lines are looked at before a file counts as unknown: its first lines may be bad ones.
const MAX_LINES: usize = 100;

/// Looks at the beginning of a file; `is_whole` if that is all of it.
pub(super) fn format_of(
    name: &str,
    head: &[u8],
    is_whole: bool,
    limit: LineLimit<'_>,
    options: &Options,
) -> Result<Format, ListFileError> {
    let country = Country::new(options)?;
    let start = head.trim_ascii_start();
    if start.is_empty() && is_whole {
        // A file without content: any format will find no numbers in it.
        return Ok(Format::FtcFlat);
    }
    let unknown = || ListFileError::UnknownFormat { file: name.into() };
    if start.starts_with(b"<") {
        // Not every file in tags is a list: a download that failed is a page that says so.
        return if has_list_tag(start) { Ok(Format::Xml) } else { Err(unknown()) };
    }
    if !is_whole && memchr(b'\n', head).is_none() && head.is_ascii() {
        limit.check(head, 1)?;
    }
    let mut lines = head
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| is_whole || line.ends_with(b"\n"))
        .map(|line| first_of(line.trim_ascii()))
        .filter(|line| !line.is_empty())
        .take(MAX_LINES)
        .peekable();
    if let Some(header) = lines.peek().and_then(|line| csv::header_of(line, options)) {
        if header.has_action {
            return Err(ListFileError::ChangeList { file: name.into() });
        }
        return Ok(Format::Csv);
    }
    for line in lines {
        if looks_like_change(line) {
            return Ok(Format::Change);
        }
        if text::number_of(line, country).is_ok() {
            return Ok(if line.contains(&b',') { Format::FtcFlat } else { Format::Digits });
        }
        if looks_like_digits(line) {
            return Ok(Format::Digits);
        }
    }
    Err(unknown())
}

/// The text before a carriage return within a line. Files whose lines end in that alone are no lists, but saying what
/// they were meant to be lets the reader say what is wrong with them.
fn first_of(line: &[u8]) -> &[u8] {
    memchr(b'\r', line).map_or(line, |at| &line[..at])
}

/// Digits that are no number still tell what the file is meant to be; the reader will say what is wrong with them.
fn looks_like_digits(line: &[u8]) -> bool {
    let digits = line.strip_prefix(b"+").unwrap_or(line);
    (7..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

fn has_list_tag(head: &[u8]) -> bool {
    memchr_iter(b'<', head).any(|at| {
        let tag = &head[at + 1..];
        [b"list".as_slice(), b"ac", b"ph"].into_iter().any(|name| {
            let matches = tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            matches && tag.get(name.len()).is_none_or(|next| next.is_ascii_whitespace() || b"/>".contains(next))
        })
    })
}
