//! What a load speaks for, and as of when: settled from what files declare and what the operator says.
//!
//! Pure. Never inferred from the numbers: a list that happens to hold none of an area still covers
//! it, and one that is cut off must not pass for a complete list of less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::RangeInclusive;

use dnc_core::area::Area;
use dnc_core::block::{Block, BlockId};
use dnc_core::registry::{Coverage, Registry, RegistryKind, Source};
use dnc_proto::v1;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

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
    /// The list's own date, instead of what files say.
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
            text if text.len() == 10 => Some(
                text.parse()
                    .map_err(|_| Invalid::new("list_date", "must be a date, YYYY-MM-DD"))?,
            ),
            _ => return Err(Invalid::new("list_date", "must be a date, YYYY-MM-DD")),
        };
        if header.covers.len() > MAX_COVERS {
            return Err(Invalid::new("covers", format!("more than {MAX_COVERS} areas")));
        }
        let covers = header
            .covers
            .iter()
            .map(|area| area.parse::<Area>())
            .collect::<Result<_, _>>()
            .map_err(|why| Invalid::new("covers", why.to_string()))?;
        Ok(Self {
            list_date,
            covers,
            everywhere: header.covers_everywhere,
            today,
        })
    }
}

// === impl Scope ===

impl Scope {
    /// Settles what these lists speak for in a registry of this kind.
    pub fn settle(kind: RegistryKind, wishes: &Wishes, lists: &Lists) -> Result<Self, Error> {
        // A federal or state list that speaks for too much makes numbers CLEAR; so it must say for what it speaks.
        let must_declare = matches!(kind, RegistryKind::Federal | RegistryKind::State);
        let mut everywhere = wishes.everywhere;
        let mut covers_used = false;
        let mut whole: Option<Origin> = None;
        let mut areas: BTreeMap<Area, Origin> = BTreeMap::new();
        for file in &lists.files {
            for list in &file.lists {
                let date = list_date(wishes, list.declared.list_date, must_declare, &list.name)?;
                let origin = Origin::of(date, file);
                Origin::join(&mut whole, &origin);
                let declared = if list.declared.areas.is_empty() {
                    covers_used = true;
                    &wishes.covers
                } else {
                    &list.declared.areas
                };
                if declared.is_empty() && !everywhere {
                    if must_declare {
                        return Err(Error::Coverage(format!(
                            "{}: neither its name nor its tags say which areas it covers; \
                             name them, or say that it covers everything",
                            list.name
                        )));
                    }
                    everywhere = true;
                }
                for area in declared {
                    let mut joined = areas.remove(area);
                    Origin::join(&mut joined, &origin);
                    areas.extend(joined.map(|origin| (*area, origin)));
                }
            }
        }
        let forgotten = wishes.covers.iter().find(|area| !areas.contains_key(area));
        if let Some(area) = forgotten.filter(|_| !covers_used && !everywhere) {
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

    /// Refuses to replace what covers everything by a part of it.
    pub fn fits(&self, registry: &Registry) -> Result<(), Error> {
        match (self, registry.active_version()) {
            (Scope::Areas(_), Some((_, Coverage::Everywhere(_), _))) => Err(Error::DoesNotFit(
                "the registry's active version covers everything, and these files cover some areas; \
                 load all there is",
            )),
            _ => Ok(()),
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

    /// The coverage of what is loaded, with the count of numbers in each part.
    pub fn coverage(&self, blocks: &[(BlockId, Block)]) -> Coverage {
        match self {
            Scope::Everywhere(origin) => {
                let numbers = blocks.iter().map(|(_, block)| block.len() as u64).sum();
                Coverage::Everywhere(origin.source(numbers))
            }
            Scope::Areas(areas) => {
                let mut numbers: BTreeMap<Area, u64> = BTreeMap::new();
                for (id, block) in blocks {
                    if let Some(area) = id.area() {
                        *numbers.entry(area).or_default() += block.len() as u64;
                    }
                }
                let source = |(area, origin): (&Area, &Origin)| {
                    let numbers = numbers.get(area).copied().unwrap_or(0);
                    (*area, origin.source(numbers))
                };
                Coverage::Areas(areas.iter().map(source).collect())
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
                            .filter(|(area, origin)| {
                                mine(origin) && (own.is_empty() || own.contains(area))
                            })
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

/// The date of one list.
fn list_date(
    wishes: &Wishes,
    declared: Option<Date>,
    must_declare: bool,
    name: &str,
) -> Result<Date, Error> {
    let date = match wishes.list_date.or(declared) {
        Some(date) => date,
        None if must_declare => {
            return Err(Error::Coverage(format!(
                "{name}: its name does not say of which date the list is; name the date"
            )));
        }
        None => wishes.today,
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
        Self {
            list_date,
            files: vec![(file.name.clone(), file.sha256)],
        }
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
        Source {
            list_date: self.list_date,
            file,
            sha256,
            numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::listfile::{Declared, FileSummary, Format};
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 11, 21);

    fn area(text: &str) -> Area {
        text.parse().expect("an area")
    }

    fn list(name: &str, areas: &[&str], list_date: Option<Date>) -> FileSummary {
        FileSummary {
            name: name.into(),
            format: Format::FtcFlat,
            declared: Declared {
                areas: areas.iter().map(|a| area(a)).collect(),
                list_date,
            },
            numbers: 1,
            lines: 1,
            bad_count: 0,
        }
    }

    fn lists(files: Vec<(&str, Vec<FileSummary>)>) -> Lists {
        Lists {
            files: files
                .into_iter()
                .zip(1u8..)
                .map(|((name, lists), at)| ReadFile {
                    name: name.into(),
                    sha256: [at; 32],
                    lists,
                })
                .collect(),
            blocks: Vec::new(),
            processed: 0,
            failed: 0,
            bad_lines: Vec::new(),
        }
    }

    fn one(areas: &[&str], list_date: Option<Date>) -> Lists {
        lists(vec![("a.txt", vec![list("a.txt", areas, list_date)])])
    }

    fn wishes(list_date: &str, covers: &[&str], everywhere: bool) -> Wishes {
        let header = v1::ImportHeader {
            list_date: list_date.into(),
            covers: covers.iter().map(|c| (*c).into()).collect(),
            covers_everywhere: everywhere,
            ..v1::ImportHeader::default()
        };
        Wishes::of(&header, TODAY).expect("good wishes")
    }

    #[test]
    fn a_federal_or_state_list_must_say_what_it_covers_and_of_when_it_is() {
        for kind in [RegistryKind::Federal, RegistryKind::State] {
            let dated = one(&["201"], Some(date(2026, 11, 9)));
            let scope = Scope::settle(kind, &wishes("", &[], false), &dated).expect("declared");
            let Coverage::Areas(areas) = scope.coverage(&[]) else {
                panic!("covers areas");
            };
            assert_eq!(areas[&area("201")].list_date, date(2026, 11, 9));
            for (wishes, lists) in [
                (wishes("2026-11-09", &[], false), one(&[], None)),
                (wishes("", &[], false), one(&["201"], None)),
                (wishes("", &["201"], false), one(&[], None)),
                (wishes("", &[], true), one(&[], None)),
            ] {
                assert!(matches!(
                    Scope::settle(kind, &wishes, &lists),
                    Err(Error::Coverage(_))
                ));
            }
            let told = wishes("2026-11-09", &["201", "+65"], false);
            let scope = Scope::settle(kind, &told, &one(&[], None)).expect("told");
            assert_eq!(scope.coverage(&[]).areas(), Some(2));
        }
    }

    #[test]
    fn other_lists_cover_everything_as_of_today_unless_they_say_otherwise() {
        let scope = Scope::settle(
            RegistryKind::Litigation,
            &wishes("", &[], false),
            &one(&[], None),
        );
        let Coverage::Everywhere(source) = scope.expect("settles").coverage(&[]) else {
            panic!("covers everything");
        };
        assert_eq!(source.list_date, TODAY);
        let scope = Scope::settle(
            RegistryKind::Partner,
            &wishes("", &[], false),
            &one(&["201"], None),
        );
        assert_eq!(scope.expect("settles").coverage(&[]).areas(), Some(1));
    }

    #[test]
    fn the_operators_date_goes_before_the_files_and_the_future_is_refused() {
        let lists = one(&["201"], Some(date(2026, 10, 1)));
        let scope = Scope::settle(RegistryKind::Federal, &wishes("2026-11-09", &[], false), &lists)
            .expect("settles");
        let Scope::Areas(areas) = &scope else {
            panic!("covers areas");
        };
        assert_eq!(areas[&area("201")].list_date, date(2026, 11, 9));
        let future = one(&["201"], Some(date(2026, 11, 23)));
        let refused = Scope::settle(RegistryKind::Federal, &wishes("", &[], false), &future);
        assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("future")));
    }

    #[test]
    fn several_lists_of_one_area_are_united_and_as_old_as_the_oldest() {
        let lists = lists(vec![
            ("a.txt", vec![list("a.txt", &["201"], Some(date(2026, 11, 9)))]),
            ("b.zip", vec![list("b.txt", &["201"], Some(date(2026, 11, 2)))]),
        ]);
        let scope = Scope::settle(RegistryKind::Federal, &wishes("", &[], false), &lists)
            .expect("settles");
        let Coverage::Areas(areas) = scope.coverage(&[]) else {
            panic!("covers areas");
        };
        let source = &areas[&area("201")];
        assert_eq!(source.list_date, date(2026, 11, 2));
        assert_eq!(source.file, "a.txt; b.zip");
        let files = scope.files(&lists);
        assert_eq!(files.len(), 2);
        assert_eq!(files[1].covers, ["201"]);
        assert_eq!(files[1].sha256, "02".repeat(32));
    }

    #[test]
    fn an_area_to_be_covered_that_no_file_speaks_for_is_refused() {
        let lists = one(&["201"], Some(date(2026, 11, 9)));
        let refused = Scope::settle(RegistryKind::Federal, &wishes("", &["202"], false), &lists);
        assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("202")));
        let same = Scope::settle(RegistryKind::Federal, &wishes("", &["201"], false), &lists);
        assert!(same.is_ok());
    }

    #[test]
    fn a_header_with_a_bad_date_or_area_is_refused_by_field() {
        for (field, header) in [
            ("list_date", v1::ImportHeader { list_date: "9.11.2026".into(), ..Default::default() }),
            ("list_date", v1::ImportHeader { list_date: "2026-02-30".into(), ..Default::default() }),
            ("covers", v1::ImportHeader { covers: vec!["NJ".into()], ..Default::default() }),
        ] {
            assert_eq!(Wishes::of(&header, TODAY).expect_err("bad").field, field);
        }
    }

    #[test]
    fn ranges_are_ascending_and_apart() {
        let told = wishes("2026-11-09", &["201", "818", "+65", "+7", "+353"], false);
        let scope = Scope::settle(RegistryKind::Federal, &told, &one(&[], None)).expect("told");
        let ranges = scope.ranges();
        assert!(ranges.len() > 5);
        assert!(ranges.windows(2).all(|two| two[0].end() < two[1].start()));
    }
}
