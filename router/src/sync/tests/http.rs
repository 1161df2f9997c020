//! Over HTTP, with all that goes wrong there.

use tokio::time::Instant;

use super::server::{Reply, Server};
use super::*;

/// Where the lists of these tests are; the query is not for everybody.
fn path() -> String {
    format!("/lists/{}?token=in-the-query", list_name("201"))
}

/// A cluster with the first list loaded from this server, which gives these answers afterwards.
async fn loaded(replies: Vec<Reply>) -> (Bench, Server) {
    let server = Server::start([Reply::file(LIST)].into_iter().chain(replies)).await;
    let bench = Bench::new(&server.url(&path()), options()).with_key("the-key");
    let first = bench.sync().await;
    assert_eq!((first.outcome, first.added), (Outcome::Done, 2), "{first:?}");
    (bench, server)
}

/// The sync after the first one fails, says so without what is secret, asks so often, and changes nothing.
async fn fails(replies: Vec<Reply>, says: &str, requests: usize) {
    let (bench, server) = loaded(replies).await;
    let active = bench.registry().active;
    let failed = bench.sync().await;
    assert_eq!(failed.outcome, Outcome::Failed, "{failed:?}");
    let message = &failed.message;
    assert!(message.contains(says), "{message}");
    assert!(message.contains(&format!("http://{}/lists/", server.address)), "{message}");
    assert!(!message.contains("the-key") && !message.contains("in-the-query"), "{message}");
    assert_eq!((bench.registry().active, bench.numbers()), (active, 2));
    assert_eq!(server.requests().len() - 1, requests, "{message}");
}

#[tokio::test]
async fn a_list_is_fetched_with_the_key_and_again_only_if_its_mark_changed() {
    let marked = Reply::with_headers(LIST, "ETag: \"one\"\r\n");
    let changed = Reply::with_headers("201,5550101\n", "ETag: \"two\"\r\n");
    let server = Server::start([marked, Reply::status("304 Not Modified", ""), changed]).await;
    let bench = Bench::new(&server.url(&path()), options()).with_key("the-key");
    assert_eq!(bench.sync().await.outcome, Outcome::Done);
    let unchanged = bench.sync().await;
    assert_eq!(unchanged.outcome, Outcome::Skipped, "{unchanged:?}");
    let done = bench.sync().await;
    assert_eq!((done.outcome, done.removed, bench.numbers()), (Outcome::Done, 1, 1), "{done:?}");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.to_lowercase().contains("authorization: bearer the-key")));
    assert!(!requests[0].to_lowercase().contains("if-none-match"));
    assert!(requests[1].to_lowercase().contains("if-none-match: \"one\""), "{}", requests[1]);
}

#[tokio::test]
async fn a_server_that_gives_no_marks_is_asked_for_all_and_the_same_list_is_not_loaded_again() {
    let (bench, server) = loaded(Vec::new()).await;
    let active = bench.registry().active;
    assert_eq!(bench.sync().await.outcome, Outcome::Skipped);
    assert_eq!((bench.registry().active, server.requests().len()), (active, 2));
}

#[tokio::test]
async fn a_server_that_fails_for_a_while_is_asked_again() {
    let replies = vec![
        Reply::status("500 Internal Server Error", ""),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n201,5550"),
        Reply::file("201,5550101\n"),
    ];
    let (bench, server) = loaded(replies).await;
    let done = bench.sync().await;
    assert_eq!((done.outcome, done.removed), (Outcome::Done, 1), "{done:?}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_never_loaded() {
    // Cut at the end of a line, where a reader would see nothing.
    let cut_off = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n201,5550100\n");
    fails(vec![cut_off], "after 3 tries", 3).await;
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n201,5550100\n\r\n";
    fails(vec![Reply::raw(chunk)], "the connection broke", 3).await;
    let no_length = Reply::raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n201,5550100\n");
    fails(vec![no_length], "does not say how long", 1).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for() {
    fails(vec![Reply::silence_after("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n201,55")], "silent", 3).await;
    fails(vec![Reply::silence_after("")], "silent", 3).await;
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    fails(vec![Reply::status("401 Unauthorized", "")], "401", 1).await;
    fails(vec![Reply::status("404 Not Found", "")], "404", 1).await;
    fails(vec![Reply::status("429 Too Many Requests", "Retry-After: 86400\r\n")], "86400 s", 1).await;
    fails(vec![Reply::status("503 Service Unavailable", "")], "503", 3).await;
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let busy = Reply::status("429 Too Many Requests", "Retry-After: 1\r\n");
    let (bench, _server) = loaded(vec![busy, Reply::file("201,5550101\n")]).await;
    let begin = Instant::now();
    assert_eq!(bench.sync().await.outcome, Outcome::Done);
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn redirects_are_followed_a_few_times_and_a_key_never_goes_elsewhere() {
    let target = Server::start([Reply::file("201,5550101\n")]).await;
    let redirect = |to: &str| Reply::status("302 Found", &format!("Location: {to}\r\n"));
    let (bench, _server) = loaded(vec![redirect(&target.url(&format!("/{}", list_name("201"))))]).await;
    let done = bench.sync().await;
    assert_eq!((done.outcome, done.removed), (Outcome::Done, 1), "{done:?}");
    let request = target.requests()[0].to_lowercase();
    assert!(!request.contains("the-key") && !request.contains("in-the-query"), "{request}");
    // Around and around.
    fails(vec![redirect(&path())], "redirects", 6).await;
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_kept() {
    let large = "201,5550100\n".repeat(10_000);
    fails(vec![Reply::file(&large)], "more than the 100000 bytes", 1).await;
}

#[tokio::test]
async fn a_url_with_a_date_is_that_of_the_last_day_that_has_a_file() {
    let yesterday = clock::today().yesterday().expect("there is one");
    let there = format!("GET /{yesterday}.csv ");
    let server = Server::start_with(move |request| {
        let found = request.starts_with(&there);
        Some(if found { Reply::file("phone\n2015550100\n") } else { Reply::status("404 Not Found", "") })
    });
    let server = server.await;
    let bench = Bench::new(&server.url("/{date}.csv"), options());
    bench.fake.registry("people", RegistryKind::Litigation);
    let registry = bench.fake.known().catalog.registry_named("people").expect("made").clone();
    let settings = Settings { fetch: bench.registry().settings.fetch, rate_limit: 1_000, ..registry.settings };
    bench.fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
    let started = bench.syncs.start("people").await.expect("started");
    let done = bench.syncs.wait(&started, MAX_WAIT).await.expect("ended");
    assert_eq!((done.outcome, done.added), (Outcome::Done, 1), "{done:?}");
    let known = bench.fake.known();
    let people = known.catalog.registry_named("people").expect("made");
    assert_eq!(people.active_version().expect("active").1.coverage.oldest(), Some(yesterday));
}

#[tokio::test]
async fn a_key_that_does_not_open_is_said() {
    let server = Server::start([Reply::file(LIST)]).await;
    let bench = Bench::new(&server.url(&path()), options()).with_key("the-key");
    let bench = Bench { syncs: bench.syncs.clone().with_secrets(Secrets::default()), ..bench };
    let failed = bench.sync().await;
    assert_eq!(failed.outcome, Outcome::Failed);
    assert!(failed.message.contains("key"), "{}", failed.message);
    assert_eq!(server.requests().len(), 0);
}
