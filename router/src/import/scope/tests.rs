//! What loads cover, settled from declarations of all kinds.

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
        declared: Declared { areas: areas.iter().map(|a| area(a)).collect(), list_date },
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
            assert!(matches!(Scope::settle(kind, &wishes, &lists), Err(Error::Coverage(_))));
        }
        let told = wishes("2026-11-09", &["201", "+65"], false);
        let scope = Scope::settle(kind, &told, &one(&[], None)).expect("told");
        assert_eq!(scope.coverage(&[]).areas(), Some(2));
    }
}

#[test]
fn other_lists_cover_everything_as_of_today_unless_they_say_otherwise() {
    let scope = Scope::settle(RegistryKind::Litigation, &wishes("", &[], false), &one(&[], None));
    let Coverage::Everywhere(source) = scope.expect("settles").coverage(&[]) else {
        panic!("covers everything");
    };
    assert_eq!(source.list_date, TODAY);
    let scope = Scope::settle(RegistryKind::Partner, &wishes("", &[], false), &one(&["201"], None));
    assert_eq!(scope.expect("settles").coverage(&[]).areas(), Some(1));
}

#[test]
fn the_operators_date_goes_before_the_files_and_the_future_is_refused() {
    let lists = one(&["201"], Some(date(2026, 10, 1)));
    let scope = Scope::settle(RegistryKind::Federal, &wishes("2026-11-09", &[], false), &lists).expect("settles");
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
    let scope = Scope::settle(RegistryKind::Federal, &wishes("", &[], false), &lists).expect("settles");
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
