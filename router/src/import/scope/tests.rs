//! What loads cover, settled from declarations of all kinds.

use dnc_core::listfile::{Declared, FileSummary, Format, Settled, Times};
use jiff::civil::date;

use super::*;
use crate::import::read::Entries;

const TODAY: Date = date(2026, 11, 21);

fn area(text: &str) -> Area {
    text.parse().expect("an area")
}

fn list(name: &str, areas: &[&str], list_date: Option<Date>) -> FileSummary {
    FileSummary {
        name: name.into(),
        format: Format::FtcFlat,
        declared: Declared { areas: areas.iter().map(|a| area(a)).collect(), list_date },
        kind: ListKind::Full,
        times: None,
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
            .map(|((name, lists), at)| ReadFile { name: name.into(), sha256: [at; 32], lists })
            .collect(),
        entries: Entries::Full(Vec::new()),
        previews: Vec::new(),
        processed: 0,
        failed: 0,
        bad_lines: Vec::new(),
    }
}

/// What covers these areas, by one list of yesterday.
pub fn areas_scope(areas: &[&str]) -> Scope {
    let dated = one(areas, Some(date(2026, 11, 20)));
    settle(RegistryKind::Federal, &wishes("", &[], false), &dated).expect("declared")
}

fn settle(kind: RegistryKind, wishes: &Wishes, lists: &Lists) -> Result<Scope, Error> {
    Scope::settle(kind, wishes, lists, &mut Vec::new())
}

/// The oldest date of its lists.
fn list_date(scope: &Scope) -> Option<Date> {
    scope.coverage(&Counts::new()).oldest()
}

/// Changes of these areas.
fn changes(areas: &[&str], list_date: Option<Date>, first: Date) -> Lists {
    let mut list = list("c.txt", areas, list_date);
    list.kind = ListKind::Changes;
    list.times = Some(Times { earliest: first.at(8, 0, 0, 0), latest: first.at(9, 0, 0, 0) });
    Lists { entries: Entries::Changes(Settled::default()), ..lists(vec![("c.txt", vec![list])]) }
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
        let scope = settle(kind, &wishes("", &[], false), &dated).expect("declared");
        let Coverage::Areas(areas) = scope.coverage(&Counts::new()) else {
            panic!("covers areas");
        };
        assert_eq!(areas[&area("201")].list_date, date(2026, 11, 9));
        for (wishes, lists) in [
            (wishes("2026-11-09", &[], false), one(&[], None)),
            (wishes("", &[], false), one(&["201"], None)),
            (wishes("", &["201"], false), one(&[], None)),
            (wishes("", &[], true), one(&[], None)),
        ] {
            assert!(matches!(settle(kind, &wishes, &lists), Err(Error::Coverage(_))));
        }
        let told = wishes("2026-11-09", &["201", "+65"], false);
        let scope = settle(kind, &told, &one(&[], None)).expect("told");
        assert_eq!(scope.coverage(&Counts::new()).areas(), Some(2));
    }
}

#[test]
fn other_lists_cover_everything_as_of_today_unless_they_say_otherwise() {
    let scope = settle(RegistryKind::Litigation, &wishes("", &[], false), &one(&[], None));
    let Coverage::Everywhere(source) = scope.expect("settles").coverage(&Counts::new()) else {
        panic!("covers everything");
    };
    assert_eq!(source.list_date, TODAY);
    let scope = settle(RegistryKind::Partner, &wishes("", &[], false), &one(&["201"], None));
    assert_eq!(scope.expect("settles").coverage(&Counts::new()).areas(), Some(1));
}

#[test]
fn of_two_dates_the_older_counts_and_it_is_said_and_the_future_is_refused() {
    let lists = one(&["201"], Some(date(2026, 10, 1)));
    for (given, counts) in [("2026-11-09", date(2026, 10, 1)), ("2026-09-09", date(2026, 9, 9))] {
        let mut notes = Vec::new();
        let scope = Scope::settle(RegistryKind::Federal, &wishes(given, &[], false), &lists, &mut notes);
        assert_eq!(list_date(&scope.expect("settles")), Some(counts));
        assert!(notes[0].contains(&counts.to_string()) && notes[0].contains(given), "{notes:?}");
    }
    let future = one(&["201"], Some(date(2026, 11, 23)));
    let refused = settle(RegistryKind::Federal, &wishes("", &[], false), &future);
    assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("future")));
}

#[test]
fn no_file_makes_others_cover_more_than_they_say() {
    let dated = Some(date(2026, 11, 9));
    let declared = one(&["201"], dated);
    for kind in RegistryKind::ALL {
        let refused = settle(kind, &wishes("2026-11-09", &[], true), &declared);
        assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("all there is")));
    }
    let mixed = lists(vec![("a.txt", vec![list("a.txt", &["201"], dated), list("b.txt", &[], dated)])]);
    let refused = settle(RegistryKind::Litigation, &wishes("", &[], false), &mixed);
    assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("a.txt") && why.contains("b.txt")));
    let named = settle(RegistryKind::Litigation, &wishes("", &["818"], false), &mixed).expect("named");
    assert_eq!(named.coverage(&Counts::new()).areas(), Some(2));
}

#[test]
fn changes_need_areas_that_are_loaded_and_must_not_be_older() {
    let at = |month, day| Some(date(2026, month, day));
    let told = wishes("", &[], false);
    let fits = |lists: &Lists, before: Option<&Coverage>| {
        settle(RegistryKind::Litigation, &told, lists).and_then(|scope| scope.fits(ListKind::Changes, before))
    };
    let loaded = settle(RegistryKind::Federal, &told, &one(&["201"], at(11, 9))).expect("settles");
    let loaded = loaded.coverage(&Counts::new());
    let first = date(2026, 11, 9);
    assert!(fits(&changes(&["201"], at(11, 10), first), Some(&loaded)).is_ok());
    assert!(fits(&changes(&["201"], at(11, 9), first), Some(&loaded)).is_ok());
    assert!(matches!(fits(&changes(&[], at(11, 10), first), Some(&loaded)), Err(Error::Coverage(_))));
    for (lists, before) in [
        (changes(&["201"], at(11, 10), first), None),
        (changes(&["201"], at(11, 8), first), Some(&loaded)),
        (changes(&["201", "202"], at(11, 10), first), Some(&loaded)),
    ] {
        assert!(matches!(fits(&lists, before), Err(Error::DoesNotFit(_))));
    }
    let all = settle(RegistryKind::Litigation, &told, &one(&[], at(11, 9))).expect("settles").coverage(&Counts::new());
    assert!(fits(&changes(&["201"], at(11, 10), first), Some(&all)).is_err());
    let everything = wishes("2026-11-10", &[], true);
    let scope = settle(RegistryKind::Litigation, &everything, &changes(&[], None, first)).expect("settles");
    assert!(scope.fits(ListKind::Changes, Some(&all)).is_ok());
    assert!(scope.fits(ListKind::Changes, Some(&loaded)).is_err());
}

#[test]
fn changes_without_a_date_are_as_old_as_the_last_of_them_and_gaps_are_noted() {
    let told = wishes("", &[], false);
    let lists = changes(&["201"], None, date(2026, 11, 12));
    let scope = settle(RegistryKind::Partner, &told, &lists).expect("settles");
    assert_eq!(list_date(&scope), Some(date(2026, 11, 12)));
    assert!(settle(RegistryKind::Federal, &told, &lists).is_err());
    for (loaded, gaps) in [(date(2026, 11, 11), 0), (date(2026, 11, 9), 1)] {
        let before = settle(RegistryKind::Partner, &told, &one(&["201"], Some(loaded))).expect("settles");
        let mut notes = Vec::new();
        scope.note_gaps(&lists, Some(&before.coverage(&Counts::new())), &mut notes);
        assert_eq!(notes.len(), gaps, "{notes:?}");
    }
}

#[test]
fn several_lists_of_one_area_are_united_and_as_old_as_the_oldest() {
    let lists = lists(vec![
        ("a.txt", vec![list("a.txt", &["201"], Some(date(2026, 11, 9)))]),
        ("b.zip", vec![list("b.txt", &["201"], Some(date(2026, 11, 2)))]),
    ]);
    let scope = settle(RegistryKind::Federal, &wishes("", &[], false), &lists).expect("settles");
    let Coverage::Areas(areas) = scope.coverage(&Counts::new()) else {
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
    let refused = settle(RegistryKind::Federal, &wishes("", &["202"], false), &lists);
    assert!(matches!(refused, Err(Error::Coverage(why)) if why.contains("202")));
    let same = settle(RegistryKind::Federal, &wishes("", &["201"], false), &lists);
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
    let scope = settle(RegistryKind::Federal, &told, &one(&[], None)).expect("told");
    let ranges = scope.ranges();
    assert!(ranges.len() > 5);
    assert!(ranges.windows(2).all(|two| two[0].end() < two[1].start()));
}
