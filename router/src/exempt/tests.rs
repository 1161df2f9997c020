//! Exemptions against a cluster that fails on demand.

use super::*;
use crate::testing::{Fake, Written};
use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;

fn rooms(fake: &Fake) -> Exemptions<Fake> {
    Exemptions::new(fake.clone(), Duration::from_secs(5))
}

fn grant() -> Grant {
    Grant {
        phone_number: "2015550100".into(),
        ground: "purchase".into(),
        since: "2026-01-31".into(),
        proof: "order 7".into(),
        proof_sha256: "AB".repeat(32),
        granted_by: "agent".into(),
        ..Grant::default()
    }
}

fn revocation() -> Revocation {
    Revocation { phone_number: "2015550100".into(), reason: "they asked".into(), ..Revocation::default() }
}

#[tokio::test]
async fn an_exemption_is_granted_listed_and_revoked_with_a_trace() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let granted = rooms.grant(TENANT, grant()).await.expect("granted");
    assert_eq!(granted.proof_sha256, "ab".repeat(32));
    let (number, listed) = rooms.list(TENANT, "2015550100").await.expect("listed");
    assert_eq!((number.to_string().as_str(), &listed), ("+12015550100", &vec![granted]));
    assert_eq!(rooms.revoke(TENANT, revocation()).await.expect("revoked").revoked, 1);
    let (_, listed) = rooms.list(TENANT, "2015550100").await.expect("listed");
    assert_eq!(listed[0].removal.as_ref().expect("a trace").reason, "they asked");
    assert_eq!(rooms.revoke(TENANT, revocation()).await.expect("nothing stands").revoked, 0);
}

#[tokio::test]
async fn a_repeated_grant_grants_once_and_a_named_revocation_ends_only_what_it_names() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let id = "0123456789abcdef0123456789abcdef";
    for _ in 0..2 {
        let granted = rooms.grant(TENANT, Grant { request_id: id.into(), ..grant() }).await.expect("granted");
        assert_eq!(granted.exemption_id, id);
    }
    rooms.grant(TENANT, Grant { ground: "consent".into(), ..grant() }).await.expect("granted");
    assert_eq!(rooms.list(TENANT, "2015550100").await.expect("listed").1.len(), 2);
    let named = Revocation { exemption_ids: vec![id.into()], ..revocation() };
    assert_eq!(rooms.revoke(TENANT, named).await.expect("revoked").revoked, 1);
    let (_, listed) = rooms.list(TENANT, "2015550100").await.expect("listed");
    assert_eq!(listed.iter().filter(|one| one.removal.is_none()).count(), 1);
}

#[tokio::test]
async fn one_tenant_neither_sees_nor_ends_the_others_exemptions() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    let granted = rooms.grant(TENANT, grant()).await.expect("granted");
    let other = TenantId(7);
    assert!(rooms.list(other, "2015550100").await.expect("listed").1.is_empty());
    let named = Revocation { exemption_ids: vec![granted.exemption_id], ..revocation() };
    assert_eq!(rooms.revoke(other, named).await.expect("nothing of its own").revoked, 0);
}

#[tokio::test]
async fn every_bad_request_is_refused_by_field_and_nothing_is_written() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    for (field, grant) in [
        ("phone_number", Grant { phone_number: "911".into(), ..grant() }),
        ("ground", Grant { ground: "friendship".into(), ..grant() }),
        ("since", Grant { since: "yesterday".into(), ..grant() }),
        ("since", Grant { since: "2999-01-01".into(), ..grant() }),
        ("expires_at", Grant { expires_at: "2001-01-01T00:00:00Z".into(), ..grant() }),
        ("proof", Grant { proof: "x".repeat(1_025), ..grant() }),
        ("proof_sha256", Grant { proof_sha256: "abc".into(), ..grant() }),
        ("granted_by", Grant { granted_by: " ".into(), ..grant() }),
        ("request_id", Grant { request_id: "7".into(), ..grant() }),
    ] {
        let error = rooms.grant(TENANT, grant).await.expect_err(field);
        assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
    }
    let no_reason = Revocation { reason: String::new(), ..revocation() };
    assert!(matches!(rooms.revoke(TENANT, no_reason).await, Err(Error::Invalid(why)) if why.field == "reason"));
    let bad_id = Revocation { exemption_ids: vec!["7".into()], ..revocation() };
    assert!(matches!(rooms.revoke(TENANT, bad_id).await, Err(Error::Invalid(why)) if why.field == "exemption_ids"));
    assert!(fake.written().is_empty());
}

#[tokio::test]
async fn a_revocation_that_is_not_in_the_log_is_not_acknowledged() {
    let fake = Fake::founded();
    let rooms = rooms(&fake);
    rooms.grant(TENANT, grant()).await.expect("granted");
    fake.answer_writes(Written::Fail);
    let error = rooms.revoke(TENANT, revocation()).await.expect_err("not confirmed");
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Unavailable);
    fake.lose_queries_after(0);
    let error = rooms.revoke(TENANT, revocation()).await.expect_err("not read");
    assert!(matches!(error, Error::NotDone { .. }), "{error}");
}
