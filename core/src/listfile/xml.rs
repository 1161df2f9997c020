//! Lists in tags: `<list type='full' level='ac' val='416'> <ac val='416'> <ph val='5550100' /> … </ac> </list>`.
//!
//! Printed examples of this format are not well-formed, so this looks at one tag after the other and asks for no
//! document structure, except that what was opened must be closed: otherwise the end of the file may be missing. What
//! it does not know it reports, for a number could be in it.

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::field::{Country, local_number};
use super::input::Input;
use super::tally::Tally;
use super::{LineError, ListFileError, Options};
use crate::area::Area;

/// What the tags so far say about the following ones.
#[derive(Default)]
struct State {
    /// The area of the whole list.
    list_area: Option<Area>,
    /// The area that local numbers belong to, with its code as written.
    area: Option<(Area, [u8; 3])>,
    list_is_open: bool,
    area_is_open: bool,
}

/// A tag's name and attributes.
#[derive(Default)]
struct Tag<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
    level: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    self_closed: bool,
}

/// Reads the whole file.
pub(super) fn read(input: &mut Input<'_, '_>, options: &Options, tally: &mut Tally<'_>) -> Result<(), ListFileError> {
    let country = Country::new(options)?;
    let mut state = State::default();
    while skip_text(input, tally)? {
        let length = tag_length(input, tally.line())?;
        let (offset, bytes) = (input.offset(), &input.window()[..length]);
        match content(bytes) {
            Content::Comment => {}
            Content::Malformed => tally.reject(offset, LineError::MalformedTag)?,
            Content::Tag(tag) => state.apply(tag, country, offset, input.name(), tally)?,
        }
        tally.next_lines(line_ends(bytes));
        input.consume(length);
    }
    // The last line may have no line end.
    tally.next_lines(1);
    if state.list_is_open || state.area_is_open {
        return Err(ListFileError::CutOff { file: input.name().into() });
    }
    Ok(())
}

/// Goes on to the next `<`; false at the end of the file. Only white space may lie between tags.
fn skip_text(input: &mut Input<'_, '_>, tally: &mut Tally<'_>) -> Result<bool, ListFileError> {
    let mut reported = false;
    loop {
        let window = input.window();
        let (length, found) = match memchr(b'<', window) {
            Some(at) => (at, true),
            None => (window.len(), false),
        };
        let text = &window[..length];
        if !reported && let Some(at) = text.iter().position(|byte| !byte.is_ascii_whitespace()) {
            reported = true;
            tally.next_lines(line_ends(&text[..at]));
            tally.reject(input.offset() + at as u64, LineError::TextBetweenTags)?;
            tally.next_lines(line_ends(&text[at..]));
        } else {
            tally.next_lines(line_ends(text));
        }
        input.consume(length);
        if found {
            return Ok(true);
        }
        if !input.fill()? {
            return Ok(false);
        }
    }
}

/// The length of the tag or comment at the beginning of the window; a tag that meets another `<` ends there.
fn tag_length(input: &mut Input<'_, '_>, line: u64) -> Result<usize, ListFileError> {
    loop {
        let window = input.window();
        let end = if window.starts_with(b"<!--") {
            memmem::find(&window[4..], b"-->").map(|at| 4 + at + 3)
        } else if b"<!--".starts_with(window) {
            None
        } else {
            memchr2(b'<', b'>', &window[1..]).map(|at| 1 + at + usize::from(window[1 + at] == b'>'))
        };
        if let Some(end) = end {
            input.limit().check(&window[..end], line)?;
            return Ok(end);
        }
        input.limit().check(window, line)?;
        if !input.fill()? {
            return Err(ListFileError::CutOff { file: input.name().into() });
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

// === Tags ===

enum Content<'a> {
    /// Something that never holds a number: a comment, `<?xml … ?>`, `<!DOCTYPE … >`.
    Comment,
    Tag(Tag<'a>),
    Malformed,
}

/// What lies between `<` and `>`.
fn content(bytes: &[u8]) -> Content<'_> {
    let Some(inner) = bytes.strip_prefix(b"<").and_then(|bytes| bytes.strip_suffix(b">")) else {
        return Content::Malformed;
    };
    let is_declaration = inner.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"!doctype"));
    if inner.starts_with(b"?") || inner.starts_with(b"!--") || is_declaration {
        return Content::Comment;
    }
    Tag::parse(inner).map_or(Content::Malformed, Content::Tag)
}

impl<'a> Tag<'a> {
    fn parse(inner: &'a [u8]) -> Option<Self> {
        let (inner, self_closed) = match inner.trim_ascii_end().strip_suffix(b"/") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let name_length = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
        let (name, mut rest) = inner.split_at(name_length);
        let mut tag = Self { name, self_closed, ..Self::default() };
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return Some(tag);
            }
            let equals = memchr(b'=', rest)?;
            let attribute = rest[..equals].trim_ascii_end();
            let (quote, after) = rest[equals + 1..].trim_ascii_start().split_first()?;
            if !matches!(quote, b'\'' | b'"') {
                return None;
            }
            let end = memchr(*quote, after)?;
            let value = after[..end].trim_ascii();
            rest = &after[end + 1..];
            let slot = match attribute.to_ascii_lowercase().as_slice() {
                b"val" => &mut tag.value,
                b"level" => &mut tag.level,
                b"type" => &mut tag.kind,
                _ => continue,
            };
            // Which of two values counts would be a guess.
            if slot.replace(value).is_some() {
                return None;
            }
        }
    }

    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

// === impl State ===

impl State {
    fn apply(
        &mut self,
        tag: Tag<'_>,
        country: Country,
        offset: u64,
        file: &str,
        tally: &mut Tally<'_>,
    ) -> Result<(), ListFileError> {
        if tag.is(b"ph") {
            return match self.number(&tag, country) {
                Ok(number) => tally.accept(number, offset),
                Err(why) => tally.reject(offset, why),
            };
        }
        if tag.is(b"ac") {
            self.area_is_open |= !tag.self_closed;
            self.area = area_code(tag.value);
            let Some((area, _)) = self.area else {
                return tally.reject(offset, LineError::AreaCode);
            };
            if self.list_area.is_some_and(|list_area| list_area != area) {
                return Err(ListFileError::Conflict { file: file.into() });
            }
            return tally.declare(area);
        }
        if tag.is(b"list") {
            if tag.kind.is_some_and(|kind| !kind.eq_ignore_ascii_case(b"full")) {
                return Err(ListFileError::ChangeList { file: file.into() });
            }
            self.list_is_open |= !tag.self_closed;
            (self.list_area, self.area) = (None, None);
            if tag.level.is_some_and(|level| level.eq_ignore_ascii_case(b"ac")) && tag.value.is_some() {
                self.area = area_code(tag.value);
                let Some((area, _)) = self.area else {
                    return tally.reject(offset, LineError::AreaCode);
                };
                self.list_area = Some(area);
                return tally.declare(area);
            }
            return Ok(());
        }
        match tag.name {
            name if name.eq_ignore_ascii_case(b"/ph") => Ok(()),
            name if name.eq_ignore_ascii_case(b"/ac") => {
                (self.area, self.area_is_open) = (None, false);
                Ok(())
            }
            name if name.eq_ignore_ascii_case(b"/list") => {
                *self = Self::default();
                Ok(())
            }
            _ => tally.reject(offset, LineError::UnknownTag),
        }
    }

    /// The number of a `ph` tag: local within its area, or complete, and then within the area too if there is one.
    fn number(&self, tag: &Tag<'_>, country: Country) -> Result<crate::number::PhoneNumber, LineError> {
        let value = tag.value.filter(|value| !value.is_empty()).ok_or(LineError::Missing)?;
        if value.len() <= 7 {
            match &self.area {
                Some((_, code)) => return local_number(code, value),
                None if country.is_nanp() => return Err(LineError::NoArea),
                // Other countries have no areas, and some have short numbers.
                None => {}
            }
        }
        let number = country.number(value)?;
        match &self.area {
            Some((area, _)) if !area.contains(number) => Err(LineError::OutsideArea),
            _ => Ok(number),
        }
    }
}

/// The area of a tag's value, if that is an area code.
fn area_code(value: Option<&[u8]>) -> Option<(Area, [u8; 3])> {
    let code: [u8; 3] = value?.try_into().ok()?;
    let text = std::str::from_utf8(&code).ok()?;
    // `+65` would be an area too, but not one that local numbers can follow.
    let area = text.parse::<Area>().ok().filter(|area| area.is_nanp())?;
    Some((area, code))
}
