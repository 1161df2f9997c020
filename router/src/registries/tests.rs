//! Registries against a cluster that answers on demand.

use dnc_core::catalog::Change;
use dnc_core::registry::{MAX_LIST_AGE_DAYS, RegistryKind};
use dnc_core::tenant::{AreaSet, DEFAULT_TENANT_ID, Requires, Terms};
use dnc_proto::v1::{CreateRegistryRequest, RegistrySettings, UpdateRegistryRequest};

use super::*;
use crate::secrets::tests::secrets;
use crate::suppress::{Addition, Suppressions};
use crate::testing::{Fake, Lost};

fn new(name: &str, kind: &str) -> CreateRegistryRequest {
    CreateRegistryRequest {
        name: name.into(),
        r#type: kind.into(),
        jurisdiction: "TX".into(),
        ..CreateRegistryRequest::default()
    }
}

fn with_key(name: &str, key: &str) -> CreateRegistryRequest {
    let settings = RegistrySettings {
        url: Some("https://lists.example/tx".into()),
        api_key: Some(key.into()),
        ..RegistrySettings::default()
    };
    CreateRegistryRequest { settings: Some(settings), ..new(name, "state") }
}

fn update(registry: &str, edition: u64, settings: RegistrySettings) -> UpdateRegistryRequest {
    UpdateRegistryRequest { registry: registry.into(), edition, settings: Some(settings), replace: false }
}

fn days(days: u32) -> RegistrySettings {
    RegistrySettings { max_age_days: Some(days), ..RegistrySettings::default() }
}

fn room(fake: &Fake) -> Registries<Fake> {
    Registries::new(fake.clone(), secrets(7))
}

#[tokio::test]
async fn a_registry_is_made_once_however_often_it_is_asked_for() {
    let fake = Fake::founded();
    let registries = room(&fake);
    let made = registries.create(new("tx", "state")).await.expect("made");
    assert_eq!(made.registry().settings.max_age_days, MAX_LIST_AGE_DAYS);
    assert_eq!(fake.barriers(), [made.known.catalog.revision]);
    let again = registries.create(new("tx", "state")).await.expect("found");
    assert_eq!(made.registry(), again.registry());
    let other = registries.create(new("tx", "partner")).await;
    assert_eq!(other.expect_err("taken").kind(), Kind::Exists);
    assert!(registries.get("tx").await.is_ok());
    assert_eq!(registries.get(&made.id.to_string()).await.expect("found").registry().name, "tx");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_not_there_is_not_found() {
    let registries = room(&Fake::founded());
    for named in ["tx", "77", "", "99999999999"] {
        assert_eq!(registries.get(named).await.expect_err(named).kind(), Kind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn every_bad_field_is_refused_by_name() {
    let registries = room(&Fake::founded());
    for (field, new) in [
        ("name", new("Bad Name", "state")),
        ("type", new("tx", "county")),
        ("jurisdiction", CreateRegistryRequest { jurisdiction: "x".repeat(65), ..new("tx", "state") }),
        ("max_age_days", CreateRegistryRequest { max_age_days: 367, ..new("tx", "state") }),
        ("owner", CreateRegistryRequest { owner: "nobody".into(), ..new("tx", "state") }),
    ] {
        let error = registries.create(new).await.expect_err(field);
        assert!(matches!(&error, Error::Invalid(why) if why.field == field), "{error}");
    }
}

#[tokio::test]
async fn an_unconfirmed_proposal_is_unavailable_and_can_be_repeated() {
    let fake = Fake::founded();
    fake.lose_meta(1);
    let registries = room(&fake);
    let error = registries.create(new("tx", "state")).await;
    assert_eq!(error.expect_err("lost").kind(), Kind::Unavailable);
    registries.create(new("tx", "state")).await.expect("made");
}

#[tokio::test]
async fn a_key_is_sealed_for_its_registry_and_a_repeated_request_finds_it() {
    let fake = Fake::founded();
    let registries = room(&fake);
    let made = registries.create(with_key("tx", "hush")).await.expect("made");
    let sealed = |found: &Found| found.registry().settings.fetch.clone().expect("fetched").key.expect("a key");
    assert_eq!(secrets(7).open(made.id, &sealed(&made)).as_deref(), Ok("hush"));
    let again = registries.create(with_key("tx", "hush")).await.expect("found");
    assert_eq!(made.registry(), again.registry());
    let other = registries.create(with_key("tx", "loud")).await;
    assert_eq!(other.expect_err("another key").kind(), Kind::Exists);
    assert!(!format!("{:?}", fake.known().catalog).contains("hush"));
}

#[tokio::test]
async fn a_registry_whose_key_was_not_stored_in_time_gets_it_when_the_request_is_repeated() {
    let fake = Fake::founded();
    fake.lose_proposals(|change| matches!(change, Change::UpdateRegistry { .. }).then_some(Lost::Before));
    let registries = room(&fake);
    registries.create(with_key("tx", "hush")).await.expect_err("lost");
    fake.lose_proposals(|_| None);
    let made = registries.create(with_key("tx", "hush")).await.expect("made");
    assert!(made.registry().settings.fetch.as_ref().is_some_and(|fetch| fetch.key.is_some()));
}

#[tokio::test]
async fn without_a_secret_key_a_providers_key_is_refused_and_nothing_is_made() {
    let fake = Fake::founded();
    let registries = Registries::new(fake.clone(), Secrets::default());
    let error = registries.create(with_key("tx", "hush")).await.expect_err("no key");
    assert!(matches!(&error, Error::Invalid(why) if why.field == "api_key"), "{error}");
    assert!(fake.known().catalog.registry_named("tx").is_none());
}

#[tokio::test]
async fn a_key_does_not_follow_to_another_host_unless_it_is_given_again() {
    let registries = room(&Fake::founded());
    registries.create(with_key("tx", "hush")).await.expect("made");
    let moved = RegistrySettings { url: Some("https://other.example/tx".into()), ..RegistrySettings::default() };
    let error = registries.update(update("tx", 0, moved.clone())).await.expect_err("moved");
    assert!(matches!(&error, Error::Invalid(why) if why.field == "api_key"), "{error}");
    let given = RegistrySettings { api_key: Some("new".into()), ..moved };
    let found = registries.update(update("tx", 0, given)).await.expect("moved");
    let sealed = found.registry().settings.fetch.clone().expect("fetched").key.expect("a key");
    assert_eq!(secrets(7).open(found.id, &sealed).as_deref(), Ok("new"));
}

#[tokio::test]
async fn an_update_changes_what_it_gives_and_a_repeated_one_nothing() {
    let fake = Fake::founded();
    let registries = room(&fake);
    let before = registries.create(with_key("tx", "hush")).await.expect("made").registry().clone();
    let after = registries.update(update("tx", before.edition, days(28))).await.expect("changed");
    let mut expected = before.settings.clone();
    expected.max_age_days = 28;
    assert_eq!(after.registry().settings, expected);
    assert_eq!(fake.barriers().last(), Some(&after.known.catalog.revision));
    let again = registries.update(update("tx", before.edition, days(28))).await.expect("the same");
    assert_eq!(again.registry(), after.registry());
    let late = registries.update(update("tx", before.edition, days(21))).await;
    assert_eq!(late.expect_err("overtaken").kind(), Kind::Aborted);
    let anyhow = registries.update(update("tx", 0, days(21))).await.expect("changed");
    assert_eq!(anyhow.registry().settings.max_age_days, 21);
}

#[tokio::test]
async fn a_whole_update_gives_defaults_to_what_it_leaves_out_and_keeps_the_key() {
    let registries = room(&Fake::founded());
    let made = registries.create(with_key("tx", "hush")).await.expect("made").registry().clone();
    registries.update(update("tx", 0, days(7))).await.expect("changed");
    let url = RegistrySettings { url: Some("https://lists.example/tx".into()), ..RegistrySettings::default() };
    let whole = UpdateRegistryRequest { replace: true, ..update("tx", 0, url) };
    let changed = registries.update(whole).await.expect("changed");
    let settings = &changed.registry().settings;
    assert_eq!((settings.max_age_days, settings.jurisdiction.as_str()), (MAX_LIST_AGE_DAYS, ""));
    assert_eq!(settings.fetch, made.settings.fetch);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_is_never_laid_over_an_older_edition_than_the_caller_saw() {
    let registries = room(&Fake::founded());
    registries.create(new("tx", "state")).await.expect("made");
    let late = registries.update(update("tx", 9, days(7))).await;
    assert_eq!(late.expect_err("not known here").kind(), Kind::Aborted);
}

#[tokio::test]
async fn a_registry_that_holds_suppressions_or_is_required_is_not_retired() {
    let fake = Fake::founded();
    let registries = room(&fake);
    let suppressions = Suppressions::new(fake.clone(), std::time::Duration::from_secs(1));
    let addition = Addition { phone_number: "2015550100".into(), reason: "r".into(), ..Addition::default() };
    suppressions.add(DEFAULT_TENANT_ID, addition).await.expect("added");
    let error = registries.retire("internal").await.expect_err("holds");
    assert!(matches!(error, Error::HoldsLive(1)) && error.kind() == Kind::Precondition, "{error}");

    let made = registries.create(new("tx", "state")).await.expect("made");
    let requires = Requires { registries: [(made.id, AreaSet::All)].into(), ..Requires::default() };
    fake.change(Change::CreateTenant { name: "acme".into(), terms: Terms { requires, ..Terms::everything() } });
    let error = registries.retire("tx").await.expect_err("required");
    assert_eq!(error.kind(), Kind::Precondition);
    assert!(error.to_string().contains("acme"), "{error}");
    assert!(!registries.get("tx").await.expect("found").registry().retired);
}

#[tokio::test]
async fn a_retired_registry_stays_so_and_changes_no_more() {
    let fake = Fake::founded();
    fake.registry("opt-outs", RegistryKind::Internal);
    let registries = room(&fake);
    let retired = registries.retire("opt-outs").await.expect("retired");
    assert!(retired.registry().retired);
    assert_eq!(fake.barriers().last(), Some(&retired.known.catalog.revision));
    let again = registries.retire("opt-outs").await.expect("still");
    assert_eq!(again.registry(), retired.registry());
    let error = registries.update(update("opt-outs", 0, days(7))).await.expect_err("retired");
    assert_eq!(error.kind(), Kind::Precondition);
}

#[tokio::test]
async fn when_the_shards_cannot_say_what_a_registry_holds_it_is_not_retired() {
    let fake = Fake::founded();
    fake.lose_queries();
    let registries = room(&fake);
    let error = registries.retire("internal").await.expect_err("not known");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!fake.known().catalog.registry_named("internal").expect("there").retired);
}

#[tokio::test]
async fn a_change_that_is_not_confirmed_everywhere_says_so_and_is_confirmed_when_repeated() {
    let fake = Fake::founded();
    fake.lose_barriers();
    let registries = room(&fake);
    let error = registries.create(new("tx", "state")).await.expect_err("no barrier");
    assert!(error.to_string().contains("decided") && error.kind() == Kind::Unavailable, "{error}");
    assert!(fake.known().catalog.registry_named("tx").is_some());
    fake.find_barriers();
    let made = registries.create(new("tx", "state")).await.expect("confirmed");
    assert_eq!(fake.barriers(), [made.known.catalog.revision]);
}
