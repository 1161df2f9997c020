//! Many opt-outs in one request, against a cluster that fails on demand.

use std::time::Duration;

use dnc_core::command::{MAX_BATCH, ShardCommand};
use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;

use super::bulk::MAX_BULK;
use super::*;
use crate::testing::{Fake, Written};

const ID: &str = "0123456789ab7def8123456789abcdef";

fn rooms(fake: &Fake) -> Suppressions<Fake> {
    Suppressions::new(fake.clone(), Duration::from_secs(5))
}

fn item(phone_number: impl Into<String>) -> Addition {
    Addition { phone_number: phone_number.into(), reason: "asked".into(), ..Addition::default() }
}

fn bulk(items: Vec<Addition>) -> Bulk {
    Bulk { items, partial: false, request_id: ID.into() }
}

fn acknowledged(answer: &BulkAnswer) -> usize {
    answer.items.iter().filter(|item| item.outcome == Outcome::Acknowledged).count()
}

/// So many numbers in blocks of their own.
fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("201{:03}{:04}", 222 + at % 700 / 100 * 100 + at % 78, at))
}

#[tokio::test]
async fn every_item_is_acknowledged_in_its_place_and_commands_stay_small() {
    let fake = Fake::founded();
    let answer = rooms(&fake).add_bulk(TENANT, bulk(numbers(MAX_BULK).map(item).collect())).await.expect("done");
    assert_eq!(acknowledged(&answer), MAX_BULK);
    for (item, number) in answer.items.iter().zip(numbers(MAX_BULK)) {
        assert_eq!(item.number.expect("a number").to_string(), format!("+1{number}"));
    }
    let mut entries = 0;
    for (shard, command) in fake.written() {
        let ShardCommand::SuppressMany { additions, .. } = command else { panic!("only bulks are written") };
        assert!((1..=MAX_BATCH).contains(&additions.len()));
        assert!(additions.iter().all(|addition| addition.number.block().shard(16) == shard.0));
        entries += additions.len();
    }
    assert_eq!(entries, MAX_BULK);
}

#[tokio::test]
async fn long_entries_make_more_commands() {
    let fake = Fake::founded();
    let long = |number: usize| Addition { notes: "x".repeat(1_024), ..item(format!("2015550{number:03}")) };
    let answer = rooms(&fake).add_bulk(TENANT, bulk((0..500).map(long).collect())).await.expect("done");
    assert_eq!(acknowledged(&answer), 500);
    assert!(fake.written().len() > 1);
}

#[tokio::test]
async fn a_repeated_bulk_names_the_same_entries_and_adds_nothing_twice() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let items: Vec<Addition> = numbers(50).map(item).collect();
    let first = rooms.add_bulk(TENANT, bulk(items.clone())).await.expect("done");
    let written = fake.written();
    let second = rooms.add_bulk(TENANT, bulk(items)).await.expect("done");
    let ids = |answer: &BulkAnswer| answer.items.iter().map(|item| item.id).collect::<Vec<_>>();
    assert_eq!(ids(&first), ids(&second));
    let requests = |written: &[(_, ShardCommand)]| {
        let mut requests: Vec<RequestId> = written
            .iter()
            .map(|(_, command)| match command {
                ShardCommand::SuppressMany { request, .. } => *request,
                other => panic!("not a bulk: {other:?}"),
            })
            .collect();
        requests.sort_unstable();
        requests
    };
    assert_eq!(requests(&written), requests(&fake.written()[written.len()..]));
    let question = Question { limit: 1_000, ..Question::default() };
    assert_eq!(rooms.search(TENANT, &question).await.expect("found").entries.len(), 50);
}

#[tokio::test]
async fn malformed_items_stop_all_unless_a_part_is_asked_for() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let items = vec![
        item("2015550100"),
        item("911"),
        Addition { expires_at: "2020-01-01T00:00:00Z".into(), ..item("2015550101") },
        Addition { registry: "federal".into(), ..item("2015550102") },
        Addition { request_id: ID.into(), ..item("2015550103") },
    ];
    let Err(Error::Malformed(faults)) = rooms.add_bulk(TENANT, bulk(items.clone())).await else {
        panic!("it is refused");
    };
    let faults: Vec<_> = faults.into_iter().map(|fault| (fault.position, fault.why.field)).collect();
    assert_eq!(faults, [(1, "phone_number"), (2, "expires_at"), (3, "registry"), (4, "request_id")]);
    assert!(fake.written().is_empty());
    let answer = rooms.add_bulk(TENANT, Bulk { partial: true, ..bulk(items) }).await.expect("in part");
    assert_eq!(acknowledged(&answer), 1);
    assert!(answer.items[1..].iter().all(|item| matches!(item.outcome, Outcome::Refused(_))));
}

#[tokio::test]
async fn an_entry_that_a_shard_refuses_takes_no_other_with_it() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let full = vec![item("2015550100"); 64];
    let filled = rooms.add_bulk(TENANT, Bulk { request_id: String::new(), ..bulk(full) }).await.expect("done");
    assert_eq!(acknowledged(&filled), 64);
    let items = (100..120).map(|line| item(format!("2015550{line}"))).collect();
    let answer = rooms.add_bulk(TENANT, bulk(items)).await.expect("done");
    assert!(matches!(&answer.items[0].outcome, Outcome::Refused(why) if why.contains("64")));
    assert_eq!(acknowledged(&answer), 19);
}

#[tokio::test]
async fn what_is_not_confirmed_is_unknown_and_can_be_repeated() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    fake.answer_writes(Written::Fail);
    let answer = rooms.add_bulk(TENANT, bulk(numbers(20).map(item).collect())).await.expect("an answer");
    assert!(answer.items.iter().all(|item| item.outcome == Outcome::Unknown));
    assert_eq!(answer.request.to_string(), ID);
    fake.answer_writes(Written::Well);
    let answer = rooms.add_bulk(TENANT, bulk(numbers(20).map(item).collect())).await.expect("an answer");
    assert_eq!(acknowledged(&answer), 20);
}

#[tokio::test]
async fn numbers_are_removed_each_on_its_own_and_newer_entries_stay() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let items = ["2015550100", "2015550100", "2015550101"].map(item).to_vec();
    rooms.add_bulk(TENANT, bulk(items)).await.expect("added");
    let removal = BulkRemoval {
        phone_numbers: vec!["2015550100".into(), "2015550102".into(), "x".into(), "2015550101".into()],
        reason: "by mistake".into(),
        ..BulkRemoval::default()
    };
    assert!(
        matches!(rooms.remove_bulk(TENANT, removal.clone()).await, Err(Error::Malformed(faults)) if faults.len() == 1)
    );
    let removal = BulkRemoval { partial: true, ..removal };
    // Its id is older than the entries.
    let late = BulkRemoval { request_id: ID.into(), ..removal.clone() };
    let done = rooms.remove_bulk(TENANT, late).await.expect("done");
    assert_eq!(
        done.items.iter().map(|item| (item.removed, item.kept)).collect::<Vec<_>>(),
        [(0, 2), (0, 0), (0, 0), (0, 1)]
    );
    let done = rooms.remove_bulk(TENANT, removal).await.expect("done");
    assert_eq!(done.items.iter().map(|item| item.removed).collect::<Vec<_>>(), [2, 0, 0, 1]);
    assert!(matches!(done.items[2].outcome, Outcome::Refused(_)));
    let no_reason = BulkRemoval { phone_numbers: vec!["2015550100".into()], ..BulkRemoval::default() };
    assert!(matches!(rooms.remove_bulk(TENANT, no_reason).await, Err(Error::Invalid(why)) if why.field == "reason"));
}

#[tokio::test]
async fn too_many_and_none_are_refused() {
    let fake = Fake::founded();
    for count in [0, MAX_BULK + 1] {
        let items = vec![item("2015550100"); count];
        assert!(
            matches!(rooms(&fake).add_bulk(TENANT, bulk(items)).await, Err(Error::Invalid(why)) if why.field == "items")
        );
    }
}
