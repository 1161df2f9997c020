//! Opt-outs against a cluster that fails on demand.

use super::*;
use crate::testing::{Fake, Written};
use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;

fn addition() -> Addition {
    Addition {
        phone_number: "2015550100".into(),
        reason: "asked".into(),
        added_by: "agent".into(),
        ..Addition::default()
    }
}

fn removal() -> Removal {
    Removal { phone_number: "2015550100".into(), reason: "by mistake".into(), ..Removal::default() }
}

fn rooms(fake: &Fake) -> Suppressions<Fake> {
    Suppressions::new(fake.clone(), Duration::from_secs(5))
}

const ID: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn an_added_entry_carries_the_request_id_and_goes_to_the_numbers_shard() {
    let fake = Fake::founded();
    let added = rooms(&fake).add(TENANT, Addition { request_id: ID.into(), ..addition() }).await.expect("added");
    assert_eq!(added.id.to_string(), ID);
    assert_eq!(added.registry, "internal");
    let written = fake.written();
    let [(shard, ShardCommand::Suppress(command::Addition { number, suppression, .. }))] = &written[..] else {
        panic!("one suppression is written: {written:?}");
    };
    assert_eq!(shard.0, number.block().shard(16));
    assert_eq!(suppression.id, added.id);
    assert_eq!(suppression.origin, Origin::Consumer);
    assert!(suppression.added_ms > 0);
}

#[tokio::test]
async fn a_removal_names_the_entries_that_it_saw() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let first = rooms.add(TENANT, addition()).await.expect("added").id;
    let second = rooms.add(TENANT, addition()).await.expect("added").id;
    let removed = rooms.remove(TENANT, removal()).await.expect("removed");
    assert_eq!(removed.removed, 2);
    let Some((_, ShardCommand::Release { entries, .. })) = fake.written().pop() else {
        panic!("a release is written");
    };
    assert_eq!(entries, [first, second]);
}

#[tokio::test]
async fn removing_nothing_writes_nothing_unless_it_may_be_a_repetition() {
    let fake = Fake::founded();
    let removed = rooms(&fake).remove(TENANT, removal()).await.expect("nothing there");
    assert_eq!((removed.removed, fake.written().len()), (0, 0));
    let repeated = Removal { request_id: ID.into(), ..removal() };
    rooms(&fake).remove(TENANT, repeated).await.expect("nothing there");
    assert_eq!(fake.written().len(), 1);
}

#[tokio::test]
async fn an_unconfirmed_write_says_that_it_may_have_been_done_and_how_to_repeat_it() {
    let fake = Fake::founded();
    fake.answer_writes(Written::Fail);
    let error =
        rooms(&fake).add(TENANT, Addition { request_id: ID.into(), ..addition() }).await.expect_err("not confirmed");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains(ID), "{error}");
    assert!(error.to_string().contains("may have been done"), "{error}");
}

#[tokio::test]
async fn every_bad_request_is_refused_by_field_and_nothing_is_written() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let too_long = "x".repeat(MAX_TEXT + 1);
    let cases = [
        ("phone_number", Addition { phone_number: "911".into(), ..addition() }),
        ("reason", Addition { reason: too_long.clone(), ..addition() }),
        ("added_by", Addition { added_by: "x".repeat(129), ..addition() }),
        ("origin", Addition { origin: "robot".into(), ..addition() }),
        ("request_id", Addition { request_id: "7".into(), ..addition() }),
    ];
    for (field, addition) in cases {
        let error = rooms.add(TENANT, addition).await.expect_err(field);
        assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
    }
    let cases = [
        ("reason", Removal { reason: " ".into(), ..removal() }),
        ("reason", Removal { reason: too_long, ..removal() }),
        ("removed_by", Removal { removed_by: "x".repeat(129), ..removal() }),
    ];
    for (field, removal) in cases {
        let error = rooms.remove(TENANT, removal).await.expect_err(field);
        assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
    }
    assert!(fake.written().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_a_live_registry_that_exists_takes_entries() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let to = |registry: &str| Addition { registry: registry.into(), ..addition() };
    let unknown = rooms.add(TENANT, to("nowhere")).await.expect_err("unknown");
    assert_eq!(unknown.kind(), Kind::NotFound);
    let bulk = rooms.add(TENANT, to("federal")).await.expect_err("bulk");
    assert_eq!(bulk.kind(), Kind::Precondition);
    let empty = Suppressions::new(Fake::empty(), Duration::from_secs(5));
    let unready = empty.add(TENANT, addition()).await.expect_err("no catalog");
    assert_eq!(unready.kind(), Kind::Unavailable);
}
