//! Loads and versions over REST.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::stream;
use prost::bytes::Bytes;

use super::{body, expect, expect_problem, get, post_text, send};
use crate::cluster::Cluster;
use crate::testing::Fake;

const FILE: &str = "2026-11-9_201_x.txt";

fn path(more: &str) -> String {
    let yesterday = crate::clock::today().yesterday().expect("there is one");
    format!("/api/v1/dnc/import?registry=federal&list_date={yesterday}{more}")
}

fn raw(content: impl Into<Body>, more: &str) -> Request<Body> {
    post_text(&path(&format!("&file_name={FILE}{more}")), "application/octet-stream", content)
}

fn active(fake: &Fake) -> usize {
    fake.numbers("federal").len()
}

#[tokio::test]
async fn a_body_is_a_file_and_the_answer_says_what_it_changed() {
    let fake = Fake::founded();
    // Larger than other bodies may be.
    let list: String = (0..1_000).map(|line| format!("201,555{line:04}\n")).collect();
    let shown = expect(&fake, raw(list, ""), StatusCode::OK).await;
    assert_eq!((shown["added"].as_u64(), shown["kind"].as_str()), (Some(1_000), Some("full")));
    assert_eq!(shown["files"][0]["name"], FILE);
    assert_eq!(active(&fake), 1_000);
    let shown = expect(&fake, raw("201,5550100\n", "&dry_run=true"), StatusCode::OK).await;
    assert_eq!((shown["dry_run"].as_bool(), shown["beyond_guard"].as_bool()), (Some(true), Some(true)));
    assert!(shown.get("added").is_none() && shown.get("version").is_none());
    assert_eq!(active(&fake), 1_000);
}

#[tokio::test]
async fn a_form_can_have_several_files() {
    let fake = Fake::founded();
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"a\"; filename=\"{FILE}\"\r\n\r\n201,5550100\n\r\n\
         --x\r\ncontent-disposition: form-data; name=\"b\"; filename=\"2026-11-9_818_x.txt\"\r\n\r\n818,5550100\n\r\n"
    );
    let media_type = "multipart/form-data; boundary=x";
    let cut_off = post_text(&path(""), media_type, form.clone());
    expect_problem(&fake, cut_off, StatusCode::BAD_REQUEST).await;
    assert_eq!(active(&fake), 0, "a form that breaks off changes nothing");
    let whole = post_text(&path(""), media_type, form.clone() + "--x--\r\n");
    let shown = expect(&fake, whole, StatusCode::OK).await;
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(2));
    assert_eq!(active(&fake), 2);
    let field = "--x\r\ncontent-disposition: form-data; name=\"registry\"\r\n\r\nfederal\r\n--x--\r\n";
    expect_problem(&fake, post_text(&path(""), media_type, field), StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let fake = Fake::founded();
    let pieces = [Ok(Bytes::from("201,5550100\n")), Err(std::io::Error::other("gone"))];
    let broken = raw(Body::from_stream(stream::iter(pieces)), "");
    expect_problem(&fake, broken, StatusCode::BAD_REQUEST).await;
    let mut short = raw("201,5550100\n", "");
    short.headers_mut().insert("content-length", "100".parse().expect("a number"));
    expect_problem(&fake, short, StatusCode::BAD_REQUEST).await;
    assert_eq!(active(&fake), 0);
}

#[tokio::test(start_paused = true)]
async fn an_import_may_take_longer_than_other_requests_and_its_caller_may_not_be_silent() {
    let fake = Fake::founded();
    let slow = stream::unfold(0, |at| async move {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        (at < 3).then(|| (Ok::<_, std::io::Error>(Bytes::from(format!("201,555010{at}\n"))), at + 1))
    });
    expect(&fake, raw(Body::from_stream(slow), ""), StatusCode::OK).await;
    assert_eq!(active(&fake), 3);
    let silent = stream::pending::<Result<Bytes, std::io::Error>>();
    expect_problem(&fake, raw(Body::from_stream(silent), ""), StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_import_is_told_by_field_and_by_line() {
    let fake = Fake::founded();
    let problem = expect_problem(&fake, raw("201,5550100\n201,x\n", ""), StatusCode::BAD_REQUEST).await;
    assert_eq!((problem["bad_lines"][0]["line"].as_u64(), &problem["bad_lines"][0]["file"]), (Some(2), &FILE.into()));
    let problem = expect_problem(&fake, raw("201,5550100\n", "&format=pdf"), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "format");
    let unnamed = post_text(&path(""), "text/plain", "201,5550100\n");
    expect_problem(&fake, unnamed, StatusCode::BAD_REQUEST).await;
    let nowhere = post_text("/api/v1/dnc/import?registry=none&file_name=x.txt", "text/plain", "201,5550100\n");
    expect_problem(&fake, nowhere, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn held_versions_are_named_activated_and_rolled_back() {
    let fake = Fake::founded();
    let list: String = (0..200).map(|line| format!("201,555{line:04}\n")).collect();
    let first = expect(&fake, raw(list, ""), StatusCode::OK).await;
    let problem = expect_problem(&fake, raw("201,5550100\n", ""), StatusCode::CONFLICT).await;
    let held = problem["held_version"].as_u64().expect("named");
    assert_eq!(
        (problem["stopped"][0]["area"].as_str(), problem["stopped"][0]["after"].as_u64()),
        (Some("201"), Some(1))
    );
    let activate = |force: &str| {
        let path = format!("/api/v1/dnc/registries/federal/versions/{held}/activate{force}");
        post_text(&path, "text/plain", "")
    };
    expect_problem(&fake, activate(""), StatusCode::CONFLICT).await;
    let done = expect(&fake, activate("?force=true"), StatusCode::OK).await;
    assert_eq!((done["version"].as_u64(), &done["before"]), (Some(held), &first["version"]));
    assert_eq!(active(&fake), 1);
    let back = post_text(&format!("/api/v1/dnc/registries/federal/rollback?from={held}"), "text/plain", "");
    let done = expect(&fake, back, StatusCode::OK).await;
    assert_eq!(done["version"], first["version"]);
    assert_eq!(active(&fake), 200);
    let id = fake.known().catalog.registry_named("federal").expect("founded").id;
    let shown = expect(&fake, get(&format!("/api/v1/dnc/registries/{id}/versions")), StatusCode::OK).await;
    let active: Vec<_> = shown["versions"].as_array().expect("a list").iter().map(|v| v["active"].clone()).collect();
    assert_eq!(active, [false, true]);
    let response = send(&fake, get("/api/v1/dnc/registries/none/versions")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(body(response).await["detail"].is_string());
}
