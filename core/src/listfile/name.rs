//! What a list says about itself, above all by its file's name.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ListFileError;
use crate::area::Area;

/// Names longer than this are cut in reports.
const MAX_NAME_CHARS: usize = 200;

/// What a list declares that it covers, and as of when. Never inferred from the numbers in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The areas that the list is for; none if it does not say.
    pub areas: BTreeSet<Area>,
    /// The list's own date.
    pub list_date: Option<Date>,
}

/// Reads the name that the national registry gives its files: `<year-month-day>_<area code>_<id>.txt`, or `.txt.zip`.
/// Another name declares nothing. Folders in front of the name do not count.
pub fn declared_by_name(name: &str) -> Declared {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    parse(base).unwrap_or_default()
}

fn parse(base: &str) -> Option<Declared> {
    let mut parts = base.splitn(3, '_');
    let (date, area_code, id) = (parts.next()?, parts.next()?, parts.next()?);
    let usual_code = matches!(area_code.as_bytes(), [b'2'..=b'9', b'0'..=b'9', b'0'..=b'9']);
    if id.is_empty() || !usual_code {
        return None;
    }
    let area: Area = area_code.parse().ok()?;
    Some(Declared { areas: BTreeSet::from([area]), list_date: Some(parse_date(date)?) })
}

/// Year, month and day, padded or not.
fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, longest| part.len() <= longest && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || year.len() != 4 || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A file's name as it may stand in a report or a log.
pub(super) fn printable_name(name: &str) -> String {
    printable(name, MAX_NAME_CHARS)
}

/// A text as it may be shown: no control characters, not endless.
pub(super) fn printable(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).map(|c| if c.is_control() { '?' } else { c }).collect()
}

// === impl Declared ===

impl Declared {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty() && self.list_date.is_none()
    }

    /// What a file declares that lies in an archive which declares `outer`: its own areas, if the archive's agree, and
    /// the older date, for a list must never look fresher than it is.
    pub(super) fn within(mut self, outer: &Self, file: &str) -> Result<Self, ListFileError> {
        if self.areas.is_empty() {
            self.areas.clone_from(&outer.areas);
        } else if !outer.areas.is_empty() && self.areas != outer.areas {
            return Err(ListFileError::Conflict { file: file.into() });
        }
        self.list_date = match (self.list_date, outer.list_date) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (own, outer) => own.or(outer),
        };
        Ok(self)
    }

    /// What several files declare together. The date is that of the oldest, and unknown if any of theirs is.
    pub(super) fn of_all<'a>(files: impl Iterator<Item = &'a Self>) -> Self {
        files
            .cloned()
            .reduce(|mut all, file| {
                all.areas.extend(file.areas);
                all.list_date = all.list_date.zip(file.list_date).map(|(one, other)| one.min(other));
                all
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn declared(area: &str, list_date: Date) -> Declared {
        Declared { areas: BTreeSet::from([area.parse().unwrap()]), list_date: Some(list_date) }
    }

    #[test]
    fn the_registrys_names_declare_area_and_date() {
        for name in [
            "2026-9-9_818_abc.txt.zip",
            "2026-09-09_818_1B4E28BA-2FA1-4D3B-A3F5-EF19B5A7633B.txt",
            "lists/2026-9-9_818_abc.txt",
            "C:\\lists\\2026-9-9_818_abc (1).zip",
        ] {
            assert_eq!(declared_by_name(name), declared("818", date(2026, 9, 9)), "{name}");
        }
    }

    #[test]
    fn other_names_declare_nothing() {
        for name in [
            "",
            "818.txt",
            "2026-9-9_818.txt",
            "2026-9-9_818_",
            "2026-9-31_818_abc.txt",
            "2026-9-9-9_818_abc.txt",
            "26-9-9_818_abc.txt",
            "2026-9-+9_818_abc.txt",
            "2026-9-9_118_abc.txt",
            "2026-9-9_8180_abc.txt",
            "2026-9-9_US_abc.txt",
            "2026-9-9_818_abc/list.txt",
        ] {
            assert_eq!(declared_by_name(name), Declared::default(), "{name}");
        }
    }

    #[test]
    fn a_file_takes_from_its_archive_what_it_does_not_say_itself() {
        let archive = declared("818", date(2026, 9, 9));
        assert_eq!(Declared::default().within(&archive, "list.txt").unwrap(), archive);
        let newer = declared("818", date(2026, 9, 10));
        assert_eq!(newer.clone().within(&archive, "list.txt").unwrap(), archive);
        assert_eq!(newer.clone().within(&Declared::default(), "list.txt").unwrap(), newer);
        let other = declared("201", date(2026, 9, 9));
        assert!(matches!(other.within(&archive, "list.txt"), Err(ListFileError::Conflict { .. })));
    }

    #[test]
    fn several_files_are_as_old_as_the_oldest() {
        let (one, two) = (declared("818", date(2026, 9, 9)), declared("201", date(2026, 8, 9)));
        let all = Declared::of_all([&one, &two].into_iter());
        assert_eq!((all.areas.len(), all.list_date), (2, Some(date(2026, 8, 9))));
        let undated = Declared { list_date: None, ..one };
        assert_eq!(Declared::of_all([&undated, &two].into_iter()).list_date, None);
    }

    #[test]
    fn names_in_reports_are_harmless() {
        assert_eq!(printable_name("a\u{1b}[31m\nb"), "a?[31m?b");
        assert_eq!(printable_name(&"x".repeat(1_000)).len(), 200);
    }
}
