//! Opt-outs against a cluster that fails on demand.

use dnc_core::command::{self, ShardCommand};
use dnc_core::ids::TenantId;
use dnc_core::suppression::{MAX_TEXT, Origin};
use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;

use super::*;
use crate::failure::{Failure, Kind};
use crate::testing::{Fake, Written};

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

/// A version 7 UUID of a time long past, and one without a time.
const ID: &str = "0123456789ab7def8123456789abcdef";
const UNTIMED: &str = "0123456789ab4def8123456789abcdef";

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

#[tokio::test(start_paused = true)]
async fn another_tenants_registry_does_not_exist_and_a_closed_one_takes_nothing() {
    let fake = Fake::founded();
    fake.own_registry("theirs", fake.tenant("them"));
    fake.own_registry("ours", TENANT);
    let rooms = rooms(&fake);
    let to = |registry: &str| Addition { registry: registry.into(), ..addition() };
    assert!(matches!(rooms.add(TENANT, to("theirs")).await, Err(Error::UnknownRegistry)));
    rooms.add(TENANT, to("ours")).await.expect("its own");
    for (what, closed) in [("disabled", false), ("retired", true)] {
        fake.close("ours", closed);
        let error = rooms.add(TENANT, to("ours")).await.expect_err(what);
        assert!(matches!(error, Error::Closed(how) if how == what), "{error}");
        assert_eq!(error.kind(), Kind::Precondition);
        let verification =
            Verification { phone_number: "2015550100".into(), registry: "ours".into(), ..Verification::default() };
        assert_eq!(rooms.verify(TENANT, verification).await.expect("it is there still").entries, 1);
    }
    let removed = rooms.remove(TENANT, Removal { registry: "ours".into(), ..removal() }).await.expect("removed");
    assert_eq!(removed.removed, 1);
}

#[tokio::test]
async fn a_repeated_removal_takes_nothing_that_is_newer_than_its_id() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    rooms.add(TENANT, addition()).await.expect("added");
    // Made long ago, and only now read: what was added since stays.
    let late = Removal { request_id: ID.into(), ..removal() };
    let removed = rooms.remove(TENANT, late.clone()).await.expect("done");
    assert_eq!((removed.removed, removed.kept), (0, 1));
    // Made after the addition.
    let now = Removal { request_id: uuid::Uuid::now_v7().to_string(), ..removal() };
    let removed = rooms.remove(TENANT, now).await.expect("done");
    assert_eq!((removed.removed, removed.kept), (1, 0));
}

#[tokio::test]
async fn a_removal_whose_id_has_no_time_takes_what_stands_and_one_from_the_future_is_refused() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    rooms.add(TENANT, addition()).await.expect("added");
    let ahead = ids::of_item(TENANT, RequestId(u128::from(u64::MAX) << 80 | 7 << 76 | 0b10 << 62), 0).to_string();
    let error = rooms.remove(TENANT, Removal { request_id: ahead, ..removal() }).await.expect_err("no bound");
    assert!(matches!(&error, Error::Invalid(why) if why.field == "request_id"), "{error}");
    let other = rooms.add(TENANT, addition()).await.expect("added");
    // Version 7 less 7: no version that has a time.
    let untimed = Removal { request_id: RequestId(other.id.0 ^ 7 << 76).to_string(), ..removal() };
    assert_eq!(rooms.remove(TENANT, untimed).await.expect("removed").removed, 2);
    let entry = rooms.add(TENANT, addition()).await.expect("added").id.to_string();
    let named = Removal { request_id: UNTIMED.into(), entry_ids: vec![entry], ..removal() };
    assert_eq!(rooms.remove(TENANT, named).await.expect("removed").removed, 1);
}

#[tokio::test]
async fn one_tenants_removal_leaves_the_others_entries() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let theirs = rooms.add(TenantId(7), addition()).await.expect("added").id.to_string();
    let removed = rooms.remove(TENANT, removal()).await.expect("nothing of its own");
    assert_eq!(removed.removed, 0);
    let named = Removal { entry_ids: vec![theirs], ..removal() };
    assert_eq!(rooms.remove(TENANT, named.clone()).await.expect("nothing of its own").removed, 0);
    assert_eq!(rooms.remove(TenantId(7), named).await.expect("removed").removed, 1);
}
