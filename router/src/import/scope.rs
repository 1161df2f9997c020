//! What a load speaks for, and as of when: settled from what files declare and what the operator says.
//!
//! `fits` says what a load can be made from. Pure. Never inferred from the numbers: a list that happens to hold none of an area still covers
//! it, and one that is cut off must not pass for a complete list of less.

mod fits;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::RangeInclusive;

use dnc_core::area::Area;
use dnc_core::listfile::{FileSummary, ListKind};
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_proto::v1;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::areas::Counts;
use super::error::Error;
use super::read::{Lists, ReadFile};
use crate::api::answer::hex;
use crate::failure::Invalid;

/// Most areas that an operator can name.
const MAX_COVERS: usize = 2_000;
/// Longest text of file names in a source, bytes.
const MAX_NAMES: usize = 1_024;

/// What the operator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// The list's own date, where files do not name an older one.
    pub list_date: Option<Date>,
    /// Areas of the files that do not say which.
    pub covers: BTreeSet<Area>,
    /// The files are all there is.
    pub everywhere: bool,
    /// The UTC date of the import.
    pub today: Date,
}

/// What a load speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All numbers there are.
    Everywhere(Origin),
    /// These areas.
    Areas(BTreeMap<Area, Origin>),
}

/// Where a part of a load comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The oldest date of its lists.
    list_date: Date,
    /// The files, each once, in the order they came.
    files: Vec<(String, [u8; 32])>,
}

// === impl Wishes ===

impl Wishes {
    /// What a header says.
    pub fn of(header: &v1::ImportHeader, today: Date) -> Result<Self, Invalid> {
        let list_date = match header.list_date.as_str() {
            "" => None,
            text if text.len() == 10 => {
                Some(text.parse().map_err(|_| Invalid::new("list_date", "must be a date, YYYY-MM-DD"))?)
            }
            _ => return Err(Invalid::new("list_date", "must be a date, YYYY-MM-DD")),
        };
        if header.covers.len() > MAX_COVERS {
            return Err(Invalid::new("covers", format!("more than {MAX_COVERS} areas")));
        }
        let covers = header
            .covers
            .iter()
            .map(|area| area.parse::<Area>())
            .collect::<Result<BTreeSet<_>, _>>()
            .map_err(|why| Invalid::new("covers", why.to_string()))?;
        if header.covers_everywhere && !header.covers.is_empty() {
            return Err(Invalid::new("covers", "the files cover either these areas or everything"));
        }
        Ok(Self { list_date, covers, everywhere: header.covers_everywhere, today })
    }
}

// === impl Scope ===

impl Scope {
    /// Settles what these lists speak for in a registry of this kind, and notes what the operator should know.
    pub fn settle(kind: RegistryKind, wishes: &Wishes, lists: &Lists, notes: &mut Vec<String>) -> Result<Self, Error> {
        // A federal or state list that speaks for too much makes numbers CLEAR; so it must say for what it speaks.
        let must_declare = matches!(kind, RegistryKind::Federal | RegistryKind::State);
        let everywhere = speak_for_everything(wishes, lists, must_declare, notes)?;
        let mut covers_used = false;
        let mut whole: Option<Origin> = None;
        let mut areas: BTreeMap<Area, Origin> = BTreeMap::new();
        for file in &lists.files {
            for list in &file.lists {
                let date = list_date(wishes, list, must_declare, notes)?;
                let origin = Origin::of(date, file);
                Origin::join(&mut whole, &origin);
                covers_used |= list.declared.areas.is_empty();
                for area in declared(wishes, list) {
                    let mut joined = areas.remove(area);
                    Origin::join(&mut joined, &origin);
                    areas.extend(joined.map(|origin| (*area, origin)));
                }
            }
        }
        let forgotten = wishes.covers.iter().find(|area| !areas.contains_key(area));
        if let Some(area) = forgotten.filter(|_| !covers_used) {
            return Err(Error::Coverage(format!(
                "area {area} is to be covered, but every file says which areas it covers, and it is none of them"
            )));
        }
        match whole {
            None => Err(Error::Coverage("there is no list in the files".into())),
            Some(origin) if everywhere => Ok(Scope::Everywhere(origin)),
            Some(_) => Ok(Scope::Areas(areas)),
        }
    }

    /// Whether the load speaks for this area.
    pub fn covers(&self, area: Area) -> bool {
        match self {
            Scope::Everywhere(_) => true,
            Scope::Areas(areas) => areas.contains_key(&area),
        }
    }

    /// The ranges of blocks that are replaced, ascending and apart.
    pub fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        match self {
            Scope::Everywhere(_) => vec![0..=u64::MAX],
            Scope::Areas(areas) => {
                let mut ranges: Vec<_> = areas.keys().flat_map(|a| a.block_ranges()).collect();
                ranges.sort_by_key(|range| *range.start());
                ranges
            }
        }
    }

    /// The coverage of what is loaded; `counts` are those of the whole version.
    pub fn coverage(&self, counts: &Counts) -> Coverage {
        match self {
            Scope::Everywhere(origin) => Coverage::Everywhere(origin.source(counts.values().sum())),
            Scope::Areas(areas) => {
                let numbers = |area: &Area| counts.get(area).copied().unwrap_or(0);
                Coverage::Areas(areas.iter().map(|(area, origin)| (*area, origin.source(numbers(area)))).collect())
            }
        }
    }

    /// The lists, for the report.
    pub fn files(&self, lists: &Lists) -> Vec<v1::ImportedFile> {
        let mut files = Vec::new();
        for file in &lists.files {
            for list in &file.lists {
                let mine = |origin: &Origin| origin.files.iter().any(|(name, _)| *name == file.name);
                let (covers, list_date) = match self {
                    Scope::Everywhere(origin) => (Vec::new(), Some(origin.list_date)),
                    Scope::Areas(areas) => {
                        let own = &list.declared.areas;
                        let parts: Vec<_> = areas
                            .iter()
                            .filter(|(area, origin)| mine(origin) && (own.is_empty() || own.contains(area)))
                            .collect();
                        let oldest = parts.iter().map(|(_, origin)| origin.list_date).min();
                        (parts.iter().map(|(area, _)| area.to_string()).collect(), oldest)
                    }
                };
                files.push(v1::ImportedFile {
                    name: list.name.clone(),
                    format: list.format.to_string(),
                    sha256: hex(&file.sha256),
                    list_date: list_date.map_or_else(String::new, |date| date.to_string()),
                    covers,
                    numbers: list.numbers,
                });
            }
        }
        files
    }
}

/// The areas that a list is for: its own, or those that the operator names.
fn declared<'a>(wishes: &'a Wishes, list: &'a FileSummary) -> &'a BTreeSet<Area> {
    if list.declared.areas.is_empty() { &wishes.covers } else { &list.declared.areas }
}

/// Whether the lists are all there is. Never because of one of several.
fn speak_for_everything(
    wishes: &Wishes,
    lists: &Lists,
    must_declare: bool,
    notes: &mut Vec<String>,
) -> Result<bool, Error> {
    let all = || lists.files.iter().flat_map(|file| &file.lists);
    let partial = all().find(|list| !list.declared.areas.is_empty());
    if wishes.everywhere {
        return match partial {
            None => Ok(true),
            Some(list) => Err(Error::Coverage(format!(
                "{}: it says itself that it covers some areas, so the files cannot be all there is",
                list.name
            ))),
        };
    }
    let Some(silent) = all().find(|list| declared(wishes, list).is_empty()) else {
        return Ok(false);
    };
    if must_declare || lists.kind() == ListKind::Changes {
        return Err(Error::Coverage(format!(
            "{}: neither its name nor its tags say which areas it covers; name them, or say that it covers everything",
            silent.name
        )));
    }
    if let Some(partial) = partial {
        return Err(Error::Coverage(format!(
            "{} says which areas it covers, and {} does not: name the areas, or load them one by one",
            partial.name, silent.name
        )));
    }
    notes.push("nothing says which areas the files cover: they count as all there is".into());
    Ok(true)
}

/// The date of one list. Of two the older one counts: a list must never look fresher than it is.
fn list_date(wishes: &Wishes, list: &FileSummary, must_declare: bool, notes: &mut Vec<String>) -> Result<Date, Error> {
    let name = &list.name;
    let date = match (wishes.list_date, list.declared.list_date) {
        (Some(given), Some(own)) if given != own => {
            let older = given.min(own);
            notes
                .push(format!("{name}: it says that it is of {own}, and {given} was given: the older counts, {older}"));
            older
        }
        (Some(date), _) | (None, Some(date)) => date,
        (None, None) if must_declare => {
            return Err(Error::Coverage(format!(
                "{name}: its name does not say of which date the list is; name the date"
            )));
        }
        // Changes are no fresher than the last of them.
        (None, None) => list.times.map_or(wishes.today, |times| times.latest.date().min(wishes.today)),
    };
    // Where it is tomorrow already, a list can be of tomorrow; one of later would never grow old in time.
    if date > wishes.today.tomorrow().unwrap_or(Date::MAX) {
        return Err(Error::Coverage(format!("{name}: the list is dated in the future, {date}")));
    }
    Ok(date)
}

// === impl Origin ===

impl Origin {
    fn of(list_date: Date, file: &ReadFile) -> Self {
        Self { list_date, files: vec![(file.name.clone(), file.sha256)] }
    }

    /// Several lists speak for one part together: their numbers are united, and the part is as old as the oldest.
    fn join(into: &mut Option<Origin>, other: &Origin) {
        match into {
            None => *into = Some(other.clone()),
            Some(origin) => {
                origin.list_date = origin.list_date.min(other.list_date);
                for file in &other.files {
                    if !origin.files.contains(file) {
                        origin.files.push(file.clone());
                    }
                }
            }
        }
    }

    /// As evidence. Of several files it names all, and its hash is that of their hashes in this order.
    fn source(&self, numbers: u64) -> Source {
        let (file, sha256) = match &self.files[..] {
            [(name, sha256)] => (name.clone(), *sha256),
            files => {
                let mut names = String::new();
                let mut hash = Sha256::new();
                for (at, (name, sha256)) in files.iter().enumerate() {
                    hash.update(sha256);
                    if names.len() + name.len() > MAX_NAMES {
                        continue;
                    }
                    let separator = if at == 0 { "" } else { "; " };
                    write!(names, "{separator}{name}").expect("writing to a String succeeds");
                }
                (names, hash.finalize().into())
            }
        };
        Source { list_date: self.list_date, file, sha256, numbers }
    }
}

#[cfg(test)]
pub(super) mod tests;
