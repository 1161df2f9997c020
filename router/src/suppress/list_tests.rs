//! Opt-outs found, exported and taken in again, over all shards of a cluster that fails on demand.

use std::time::Duration;

use dnc_core::ids::TenantId;
use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;
use futures::{StreamExt, TryStreamExt};
use prost::bytes::Bytes;

use super::*;
use crate::failure::Kind;
use crate::testing::Fake;

fn rooms(fake: &Fake) -> Suppressions<Fake> {
    Suppressions::new(fake.clone(), Duration::from_secs(5))
}

fn item(at: usize) -> Addition {
    Addition {
        phone_number: format!("20{}{:03}01{:02}", 1 + at % 2, 222 + at % 77, at % 100),
        reason: format!("reason {}", at % 3),
        added_by: format!("agent {}", at % 5),
        scope: ["tenant", "brand acme", "campaign spring, \"late\""][at % 3].into(),
        notes: "a line\nand \"another\",".into(),
        metadata: [("crm".into(), at.to_string())].into(),
        ..Addition::default()
    }
}

async fn filled(fake: &Fake, count: usize) -> Suppressions<Fake> {
    let rooms = rooms(fake);
    let items = (0..count).map(item).collect();
    let answer = rooms.add_bulk(TENANT, Bulk { items, ..Bulk::default() }).await.expect("done");
    assert!(answer.items.iter().all(|item| item.outcome == Outcome::Acknowledged));
    rooms
}

/// The ids of all pages of a search.
async fn all(rooms: &Suppressions<Fake>, question: &Question) -> Vec<String> {
    let mut question = question.clone();
    let mut found = Vec::new();
    loop {
        let page = rooms.search(TENANT, &question).await.expect("a page");
        assert!(page.entries.len() <= question.limit as usize);
        found.extend(page.entries.into_iter().map(|entry| entry.suppression_id));
        if page.cursor.is_empty() {
            return found;
        }
        question.cursor = page.cursor;
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_every_entry_once_and_in_order() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 300).await;
    let whole = all(&rooms, &Question { limit: 1_000, ..Question::default() }).await;
    assert_eq!(whole.len(), 300);
    for limit in [1, 7, 100, 150, 300] {
        assert_eq!(all(&rooms, &Question { limit, ..Question::default() }).await, whole, "by {limit}");
    }
    let page = rooms.search(TENANT, &Question { limit: 1_000, ..Question::default() }).await.expect("a page");
    assert!(page.entries.is_sorted_by_key(|entry| entry.phone_number.clone()));
}

#[tokio::test]
async fn entries_are_found_by_what_they_say() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 30).await;
    let limit = 4;
    let by = |question: Question| Question { limit, ..question };
    let count = async |question: Question| all(&rooms, &by(question)).await.len();
    assert_eq!(count(Question { number: item(3).phone_number, ..Question::default() }).await, 1);
    assert_eq!(count(Question { prefix: "201".into(), ..Question::default() }).await, 15);
    assert_eq!(count(Question { prefix: "+120".into(), ..Question::default() }).await, 30);
    assert_eq!(count(Question { prefix: "+442".into(), ..Question::default() }).await, 0);
    assert_eq!(count(Question { reason: "reason 1".into(), ..Question::default() }).await, 10);
    assert_eq!(count(Question { reason: "reason".into(), ..Question::default() }).await, 0);
    assert_eq!(count(Question { added_by: "agent 4".into(), ..Question::default() }).await, 6);
    assert_eq!(count(Question { registry: "internal".into(), ..Question::default() }).await, 30);
    let past = || "2020-01-01T00:00:00Z".to_owned();
    let ahead = || "2999-01-01T00:00:00Z".to_owned();
    assert_eq!(count(Question { from: past(), ..Question::default() }).await, 30);
    assert_eq!(count(Question { until: past(), ..Question::default() }).await, 0);
    assert_eq!(count(Question { added_by: "agent 4".into(), from: ahead(), ..Question::default() }).await, 0);
    assert_eq!(count(Question { not_verified_since: ahead(), ..Question::default() }).await, 30);
    assert_eq!(count(Question { not_verified_since: past(), ..Question::default() }).await, 0);
    let removal = Removal { phone_number: item(3).phone_number, reason: "wrong".into(), ..Removal::default() };
    rooms.remove(TENANT, removal).await.expect("removed");
    let removed = Question { removed: true, ..Question::default() };
    let page = rooms.search(TENANT, &removed).await.expect("a page");
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].removal.as_ref().expect("a trace").reason, "wrong");
    assert_eq!(count(Question::default()).await, 29);
    assert!(rooms.search(TenantId(9), &Question::default()).await.expect("a page").entries.is_empty());
}

#[tokio::test]
async fn numbers_of_other_lengths_are_found_by_one_prefix_over_pages() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let numbers = ["+442079460000", "+44207946", "+4420794600", "+442079460001", "+4930123456"];
    let items = numbers.map(|number| Addition { phone_number: number.into(), ..Addition::default() }).to_vec();
    rooms.add_bulk(TENANT, Bulk { items, ..Bulk::default() }).await.expect("done");
    for limit in 1..6 {
        let found = all(&rooms, &Question { prefix: "+442".into(), limit, ..Question::default() }).await;
        assert_eq!(found.len(), 4, "by {limit}");
    }
}

#[tokio::test]
async fn one_number_asks_one_shard() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 30).await;
    let before = fake.queries();
    all(&rooms, &Question { number: "2015550100".into(), limit: 10, ..Question::default() }).await;
    assert_eq!(fake.queries() - before, 1);
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_refused_by_field() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 20).await;
    let usual = Question::default;
    let page = rooms.search(TENANT, &Question { limit: 5, ..usual() }).await.expect("a page");
    for (field, question) in [
        ("search", Question { number: "2015550100".into(), removed: true, ..usual() }),
        ("number", Question { number: "911".into(), ..usual() }),
        ("prefix", Question { prefix: "20".into(), ..usual() }),
        ("from", Question { from: "yesterday".into(), ..usual() }),
        ("from", Question { prefix: "201".into(), from: "2026-01-01T00:00:00Z".into(), ..usual() }),
        ("from", Question { from: "2026-01-02T00:00:00Z".into(), until: "2026-01-01T00:00:00Z".into(), ..usual() }),
        ("limit", Question { limit: 1_001, ..usual() }),
        ("cursor", Question { cursor: "AAAA".into(), ..usual() }),
        ("cursor", Question { cursor: page.cursor.clone(), prefix: "201".into(), ..usual() }),
    ] {
        let error = rooms.search(TENANT, &question).await.expect_err(field);
        assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
    }
    let theirs = rooms.search(TenantId(7), &Question { cursor: page.cursor, ..usual() }).await;
    assert!(matches!(theirs, Err(Error::Invalid(why)) if why.field == "cursor"));
}

#[tokio::test]
async fn a_shard_that_does_not_answer_makes_an_error_and_no_short_page() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 20).await;
    fake.lose_queries_after(10);
    let error = rooms.search(TENANT, &Question::default()).await.expect_err("a shard is silent");
    assert_eq!(crate::failure::Failure::kind(&error), Kind::Unavailable);
}

async fn exported(rooms: &Suppressions<Fake>, format: Format) -> Vec<u8> {
    let export = rooms.export(TENANT, format, "").await.expect("an export");
    let pieces: Vec<Bytes> = export.into_stream().try_collect().await.expect("whole");
    pieces.concat()
}

async fn imported(
    rooms: &Suppressions<Fake>,
    format: Format,
    text: &[u8],
    piece: usize,
) -> Result<import::Imported, Error> {
    let pieces: Vec<_> = text.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    rooms.import(TENANT, format, "", futures::stream::iter(pieces)).await
}

#[tokio::test]
async fn an_export_that_is_taken_in_elsewhere_comes_out_again_byte_by_byte() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 400).await;
    let twice = Addition { expires_in: Some(3_600), ..item(7) };
    rooms.add(TENANT, twice).await.expect("added");
    for format in [Format::Csv, Format::JsonLines] {
        let text = exported(&rooms, format).await;
        let elsewhere = Fake::founded();
        let there = Suppressions::new(elsewhere.clone(), Duration::from_secs(5));
        let done = imported(&there, format, &text, 1_000).await.expect("taken in");
        assert_eq!((done.entries, done.added, done.unchanged, done.refused), (401, 401, 0, 0));
        assert_eq!(exported(&there, format).await, text);
        let again = imported(&there, format, &text, 77).await.expect("taken in");
        assert_eq!((again.entries, again.added, again.unchanged), (401, 0, 401));
        assert_eq!(exported(&there, format).await, text);
    }
}

#[tokio::test]
async fn an_empty_export_is_only_a_head() {
    let rooms = rooms(&Fake::founded());
    assert_eq!(exported(&rooms, Format::JsonLines).await, b"");
    let head = exported(&rooms, Format::Csv).await;
    assert_eq!(head, Format::Csv.head());
    assert_eq!(imported(&rooms, Format::Csv, &head, 9).await.expect("nothing").entries, 0);
}

#[tokio::test]
async fn an_export_that_breaks_off_ends_in_an_error() {
    let fake = Fake::founded();
    // More than one page of one shard.
    let rooms = rooms(&fake);
    let items = |from: usize| {
        (from..from + 5_000).map(|at| Addition { phone_number: format!("201555{at:04}"), ..Addition::default() })
    };
    for from in [0, 5_000] {
        let items = items(from).collect();
        rooms.add_bulk(TENANT, Bulk { items, ..Bulk::default() }).await.expect("done");
    }
    fake.lose_queries_after(16);
    let export = rooms.export(TENANT, Format::JsonLines, "").await.expect("it begins");
    let pieces: Vec<_> = export.into_stream().collect().await;
    assert!(matches!(pieces.last(), Some(Err(Error::Cut(_)))));
}

#[tokio::test]
async fn a_bad_line_is_named_and_not_repeated() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 3).await;
    let text = String::from_utf8(exported(&rooms, Format::JsonLines).await).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let cases = [
        (format!("{}\n{{\"phone_number\":\"2015550100\"}}\n", lines[0]), 2),
        (lines[0].replace("+120", "+100"), 1),
        (lines[0].replace("internal", "nowhere"), 1),
        (lines[0].replace("internal", "federal"), 1),
        (format!("\n\n{}", lines[0].replace("\"added_at\":\"20", "\"added_at\":\"30")), 3),
    ];
    for (text, expected) in cases {
        let error = imported(&rooms, Format::JsonLines, text.as_bytes(), 50).await.expect_err("bad");
        assert!(matches!(&error, Error::BadLine { line, .. } if *line == expected), "{error}");
        assert!(!error.to_string().contains("2015550100"), "{error}");
    }
    let error = imported(&rooms, Format::Csv, b"phone\n2015550100\n", 50).await.expect_err("no head");
    assert!(matches!(&error, Error::BadLine { line: 1, .. }), "{error}");
}

#[tokio::test]
async fn entries_whose_time_is_over_are_left_out() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    rooms.add(TENANT, Addition { expires_in: Some(3_600), ..item(1) }).await.expect("added");
    let text = String::from_utf8(exported(&rooms, Format::JsonLines).await).expect("text");
    let at = text.find("\"expires_at\":\"20").expect("an end") + "\"expires_at\":\"".len();
    let over = format!("{}2001{}", &text[..at], &text[at + 4..]);
    let elsewhere = self::rooms(&Fake::founded());
    let done = imported(&elsewhere, Format::JsonLines, over.as_bytes(), 99).await.expect("taken in");
    assert_eq!((done.entries, done.added, done.ended), (1, 0, 1));
}

#[tokio::test]
async fn an_import_that_cannot_be_written_says_how_far_it_came() {
    let fake = Fake::founded();
    let rooms = filled(&fake, 10).await;
    let text = exported(&rooms, Format::Csv).await;
    fake.answer_writes(crate::testing::Written::Fail);
    let error = imported(&rooms, Format::Csv, &text, 99).await.expect_err("not written");
    assert!(matches!(error, Error::Stopped { done: 0, .. }), "{error}");
}
