//! One number, asked of the origin of a list.

use dnc_core::tenant::DEFAULT_TENANT_ID;

use super::server::{Reply, Server};
use super::*;
use crate::sync::lookup::Here;
use crate::testing::{clear, listed, number};

const NUMBER: &str = "201-555-0100";

/// A cluster with a list loaded for area 201, whose origin gives this answer.
async fn bench(reply: Reply) -> (Bench, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(list_name("201")), LIST).expect("written");
    let server = Server::start([reply]).await;
    let bench = Bench::new(&format!("file://{}", folder.path().display()), options()).with_key("the-key");
    assert_eq!(bench.sync().await.outcome, Outcome::Done);
    bench.set(|fetch| fetch.lookup_url = server.url("/one/{number}"));
    (bench, server)
}

#[tokio::test]
async fn the_origins_answer_stands_next_to_the_clusters() {
    let (bench, server) = bench(Reply::file(r#"{"listed": true}"#)).await;
    let lookup = |number: &'static str| bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", number);
    bench.fake.judge(number(NUMBER), listed("federal"));
    let both = lookup(NUMBER).await.expect("looked up");
    assert_eq!((both.origin, both.here, both.agree()), (true, Here::Listed, Some(true)));
    bench.fake.judge(number(NUMBER), clear("federal"));
    let differ = lookup(NUMBER).await.expect("looked up");
    assert_eq!((differ.here, differ.agree()), (Here::NotListed, Some(false)));
    bench.fake.judge(number("212-555-0100"), clear("other"));
    let apart = lookup("212-555-0100").await.expect("looked up");
    assert_eq!((apart.here, apart.agree()), (Here::NotCovered, None));
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /one/12015550100 "), "{request}");
    assert!(request.to_lowercase().contains("authorization: bearer the-key"), "{request}");
}

#[tokio::test]
async fn an_origin_that_answers_badly_or_not_at_all_is_an_error_that_names_no_number() {
    for reply in [
        Reply::status("500 Internal Server Error", ""),
        Reply::status("401 Unauthorized", ""),
        Reply::file("maybe"),
        Reply::silence_after(""),
    ] {
        let (bench, _server) = bench(reply).await;
        let error = bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", NUMBER).await.expect_err("no answer").to_string();
        assert!(error.contains("127.0.0.1") && !error.contains("5550100"), "{error}");
    }
    let (bench, _server) = bench(Reply::status("404 Not Found", "")).await;
    let looked = bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", NUMBER).await.expect("not listed");
    assert!(!looked.origin);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_refused() {
    let bench = Bench::new("file:///nowhere", options());
    let lookup = |number: &'static str| bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", number);
    assert!(matches!(lookup("nonsense").await, Err(Error::Invalid(why)) if why.field == "phone_number"));
    assert!(matches!(lookup(NUMBER).await, Err(Error::NoLookup(_))));
}

#[tokio::test(start_paused = true)]
async fn look_ups_beyond_the_rate_limit_are_refused_at_once() {
    let bench = Bench::new("file:///nowhere", SyncOptions { lookup_ms: 10, ..options() });
    bench.set(|fetch| fetch.lookup_url = "http://127.0.0.1:1/{number}".into());
    let registry = bench.registry();
    let settings = Settings { rate_limit: 1, ..registry.settings.clone() };
    bench.fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
    assert!(matches!(bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", NUMBER).await, Err(Error::NoAnswer(_))));
    assert!(matches!(bench.syncs.lookup(DEFAULT_TENANT_ID, "federal", NUMBER).await, Err(Error::LimitReached(_))));
}
