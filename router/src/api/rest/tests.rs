//! REST against a cluster that answers on demand: names and shapes of the JSON, and a problem for each bad request.

mod catalog;
mod cluster;
mod document;
mod import;
mod suppression;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use super::router;
use crate::api::caller;
use crate::api::state::State;
use crate::options::Options;
use crate::testing::{Fake, Written, clear, listed, number};

fn app(fake: &Fake) -> Router {
    let options = Options { max_bulk_rest: 5, max_body_bytes: 2_000, ..Options::default() };
    let state = State::new(fake.clone(), Arc::new(options), CancellationToken::new());
    router(state, Arc::new(|| "dnc_up 1\n".into()))
}

async fn send(fake: &Fake, request: Request<Body>) -> Response<Body> {
    app(fake).oneshot(request).await.expect("infallible")
}

async fn body(response: Response<Body>) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

fn delete(path: &str) -> Request<Body> {
    Request::delete(path).body(Body::empty()).expect("a request")
}

fn post(path: &str, content: &Value) -> Request<Body> {
    post_text(path, "application/json", content.to_string())
}

fn post_text(path: &str, media_type: &str, content: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", media_type).body(content.into()).expect("a request")
}

/// Sends a request that must succeed with this status.
async fn expect(fake: &Fake, request: Request<Body>, status: StatusCode) -> Value {
    let response = send(fake, request).await;
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/json");
    body(response).await
}

/// Sends a request that must fail with this status and a whole problem.
async fn expect_problem(fake: &Fake, request: Request<Body>, status: StatusCode) -> Value {
    let response = send(fake, request).await;
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers().contains_key("x-request-id"));
    let problem = body(response).await;
    assert_eq!(problem["status"], status.as_u16());
    for field in ["type", "title", "detail", "code", "request_id"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    problem
}

/// Takes out what differs from run to run, after a look at its form.
fn stable(mut answer: Value) -> Value {
    let at = answer["checked_at"].take();
    let at: jiff::Timestamp = at.as_str().expect("text").parse().expect("RFC 3339");
    assert!(at.as_second() > 0);
    answer["checked_at"] = json!("now");
    answer
}

#[tokio::test]
async fn a_listed_number_has_this_form() {
    let fake = Fake::founded();
    fake.judge(number("2015550100"), listed("federal"));
    let revision = crate::cluster::Cluster::known(&fake).view.revision;
    let expected = json!({
        "phone_number": "+12015550100",
        "verdict": "LISTED",
        "may_call": false,
        "on_dnc_list": true,
        "reasons": ["federal_dnc_registry"],
        "sources": ["federal"],
        "evidence": [{
            "registry": "federal",
            "listed": true,
            "version": 3,
            "list_date": "2026-11-09",
            "file": "2026-11-9_201_x.txt",
            "file_sha256": "07".repeat(32),
        }],
        "revision": revision,
        "checked_at": "now",
        "call_id": "call-7",
    });
    let asked = json!({"phone_number": "(201) 555-0100", "call_id": "call-7", "checked_by": "me"});
    let by_body = expect(&fake, post("/api/v1/dnc/check", &asked), StatusCode::OK).await;
    assert_eq!(stable(by_body), expected);
    for phone in ["2015550100", "+12015550100", "%2B12015550100"] {
        let path = format!("/api/v1/dnc/check/{phone}?call_id=call-7&checked_by=me");
        let by_path = expect(&fake, get(&path), StatusCode::OK).await;
        assert_eq!(stable(by_path), expected, "{phone}");
    }
}

#[tokio::test]
async fn a_clear_number_may_be_called_and_an_unknown_one_is_an_answer_that_says_no() {
    let fake = Fake::founded();
    fake.judge(number("2015550101"), clear("federal"));
    let clear = expect(&fake, get("/api/v1/dnc/check/2015550101"), StatusCode::OK).await;
    assert_eq!(clear["verdict"], "CLEAR");
    assert_eq!(clear["may_call"], true);
    assert_eq!(clear["on_dnc_list"], false);
    assert_eq!(clear["sources"], json!([]));
    assert_eq!(clear["evidence"][0]["listed"], false);
    assert!(clear.get("call_id").is_none() && clear.get("error").is_none());
    let unknown = expect(&fake, get("/api/v1/dnc/check/2015550102"), StatusCode::OK).await;
    assert_eq!(unknown["verdict"], "UNKNOWN");
    assert_eq!(unknown["unknown_cause"], "unavailable");
    assert_eq!(unknown["may_call"], false);
    assert_eq!(unknown["on_dnc_list"], Value::Null);
}

#[tokio::test]
async fn a_bulk_is_a_list_in_request_order_with_totals() {
    let fake = Fake::founded();
    fake.judge(number("2015550100"), listed("federal"));
    fake.judge(number("2015550101"), clear("federal"));
    let asked = json!({
        "phone_numbers": ["2015550101", "x1", "2015550100", "2015550100"],
        "call_id": "c",
    });
    let answer = expect(&fake, post("/api/v1/dnc/check/bulk", &asked), StatusCode::OK).await;
    let results = answer["results"].as_array().expect("a list");
    let verdicts: Vec<_> = results.iter().map(|r| r["verdict"].clone()).collect();
    assert_eq!(json!(verdicts), json!(["CLEAR", null, "LISTED", "LISTED"]));
    assert_eq!(results[1]["phone_number"], "x1");
    assert_eq!(results[1]["error"], "not a phone number: a letter");
    assert_eq!(results[1]["may_call"], false);
    assert_eq!(results[1]["on_dnc_list"], Value::Null);
    let mut rest = stable(answer);
    rest["results"].take();
    let revision = rest["revision"].clone();
    assert_eq!(
        rest,
        json!({
            "results": null,
            "total_checked": 4,
            "total_on_list": 2,
            "total_errors": 1,
            "revision": revision,
            "checked_at": "now",
            "call_id": "c",
        })
    );
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_malformed_number_is_a_problem_that_does_not_repeat_it() {
    let fake = Fake::founded();
    let status = StatusCode::BAD_REQUEST;
    let by_path = expect_problem(&fake, get("/api/v1/dnc/check/0123456"), status).await;
    let asked = json!({"phone_number": "0123456"});
    let by_body = expect_problem(&fake, post("/api/v1/dnc/check", &asked), status).await;
    for problem in [&by_path, &by_body] {
        assert_eq!(problem["type"], "urn:dnc:problem:invalid-number");
        assert!(!problem.to_string().contains("0123456"), "{problem}");
    }
    assert_eq!(by_body["errors"][0]["pointer"], "#/phone_number");
}

#[tokio::test]
async fn every_bad_request_is_a_problem_of_its_own() {
    let fake = Fake::founded();
    let check = "/api/v1/dnc/check";
    let bulk = "/api/v1/dnc/check/bulk";
    let json_type = "application/json";
    let long_id = "x".repeat(129);
    let number_type = json!({"phone_number": 2015550100u64});
    for (request, status, word) in [
        (post_text(check, json_type, "{"), 400, "malformed-request"),
        (post_text(check, json_type, "\u{1}"), 400, "malformed-request"),
        (post_text(check, json_type, vec![b'"', 0xff, b'"']), 400, "malformed-request"),
        (post_text(check, json_type, ""), 400, "malformed-request"),
        (post(check, &json!({})), 400, "malformed-request"),
        (post(check, &json!({"phone_number": "x", "y": 1})), 400, "malformed-request"),
        (post(check, &number_type), 400, "malformed-request"),
        (post_text(check, "text/plain", "{}"), 415, "wrong-media-type"),
        (Request::post(check).body(Body::from("{}")).expect("a request"), 415, "wrong-media-type"),
        (post(check, &json!({"phone_number": "1".repeat(3_000)})), 413, "body-too-large"),
        (post(check, &json!({"phone_number": "2015550100", "call_id": long_id})), 400, "invalid-request"),
        (post(bulk, &json!({"phone_numbers": []})), 400, "invalid-request"),
        (post(bulk, &json!({"phone_numbers": vec!["2015550100"; 6]})), 400, "invalid-request"),
        (get("/api/v1/dnc/check/%ff"), 400, "malformed-request"),
        (get("/api/v1/dnc/check/2015550100?colour=red"), 400, "malformed-request"),
        (get("/api/v1/dnc/nothing"), 404, "not-found"),
        (get("/"), 404, "not-found"),
        (get(bulk), 405, "wrong-method"),
        (delete(check), 405, "wrong-method"),
        (get("/api/v1/dnc/suppression/2015550100"), 405, "wrong-method"),
    ] {
        let what = format!("{request:?}");
        let problem = expect_problem(&fake, request, StatusCode::from_u16(status).expect("a status")).await;
        let word = format!("urn:dnc:problem:{word}");
        assert_eq!(problem["type"], json!(word), "{what}: {problem}");
        assert!(!problem.to_string().contains("2015550100"), "{problem}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn the_limit_of_a_bulk_is_named_and_a_wrong_method_names_the_right_ones() {
    let fake = Fake::founded();
    let asked = json!({"phone_numbers": vec!["2015550100"; 6]});
    let request = post("/api/v1/dnc/check/bulk", &asked);
    let problem = expect_problem(&fake, request, StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/phone_numbers");
    assert!(problem["detail"].to_string().contains("1 to 5"), "{problem}");
    let response = send(&fake, delete("/api/v1/dnc/check")).await;
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test]
async fn an_opt_out_is_added_and_removed() {
    let fake = Fake::founded();
    let id = Uuid::now_v7();
    for (path, request_id) in [("/api/v1/dnc/suppression", id.to_string()), ("/api/v1/dnc/internal", String::new())] {
        let asked = json!({
            "phone_number": "2015550100",
            "reason": "asked",
            "added_by": "agent",
            "origin": "company",
            "registry": "internal",
            "request_id": request_id,
        });
        let added = expect(&fake, post(path, &asked), StatusCode::CREATED).await;
        assert_eq!(added["phone_number"], "+12015550100");
        assert_eq!(added["registry"], "internal");
        assert_eq!(added["suppression_id"].as_str().map(str::len), Some(32));
    }
    let path = "/api/v1/dnc/internal/2015550100?reason=mistake&removed_by=agent";
    let removed = expect(&fake, delete(path), StatusCode::OK).await;
    assert_eq!(removed, json!({"removed": 2, "phone_number": "+12015550100", "registry": "internal"}));
    let problem = expect_problem(&fake, delete(path), StatusCode::NOT_FOUND).await;
    assert_eq!(problem["type"], "urn:dnc:problem:not-found");
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_that_cannot_be_is_a_problem() {
    let fake = Fake::founded();
    let asked =
        |registry: &str| json!({"phone_number": "2015550100", "reason": "r", "added_by": "a", "registry": registry});
    let path = "/api/v1/dnc/internal";
    expect_problem(&fake, post(path, &asked("nowhere")), StatusCode::NOT_FOUND).await;
    expect_problem(&fake, post(path, &asked("federal")), StatusCode::CONFLICT).await;
    let incomplete = json!({"phone_number": "2015550100", "reason": "r"});
    let problem = expect_problem(&fake, post(path, &incomplete), StatusCode::BAD_REQUEST).await;
    assert!(problem["detail"].to_string().contains("added_by"), "{problem}");
    let no_reason = delete("/api/v1/dnc/internal/2015550100");
    let problem = expect_problem(&fake, no_reason, StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "reason");
    let no_number = delete("/api/v1/dnc/internal/911?reason=r");
    expect_problem(&fake, no_number, StatusCode::BAD_REQUEST).await;
    fake.answer_writes(Written::Fail);
    let request = post(path, &asked("internal"));
    let problem = expect_problem(&fake, request, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(problem["detail"].to_string().contains("request_id"), "{problem}");
}

#[tokio::test]
async fn a_request_id_is_given_back_or_made() {
    let fake = Fake::founded();
    for (given, kept) in [("id-7", true), ("a b", false)] {
        let request = Request::builder()
            .method(Method::GET)
            .uri("/healthz")
            .header("x-request-id", given)
            .body(Body::empty())
            .expect("a request");
        let response = send(&fake, request).await;
        let id = response.headers()["x-request-id"].to_str().expect("text");
        assert_eq!(id == given, kept);
        assert!(kept || Uuid::parse_str(id).is_ok());
    }
}

#[tokio::test]
async fn the_process_tells_metrics_life_and_readiness() {
    let fake = Fake::founded();
    for (path, expected) in [("/metrics", "dnc_up 1\n"), ("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let response = send(&fake, get(path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let bytes = to_bytes(response.into_body(), 1_000).await.expect("a body");
        assert_eq!(bytes, expected, "{path}");
    }
    let empty = Fake::empty();
    assert_eq!(send(&empty, get("/healthz")).await.status(), StatusCode::OK);
    expect_problem(&empty, get("/readyz"), StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn a_compliance_report_names_its_period_and_refuses_what_is_none() {
    let fake = Fake::founded();
    let path = "/api/v1/dnc/reports/compliance";
    let report = expect(&fake, get(&format!("{path}?start_date=2026-11-01&end_date=2026-11-21")), StatusCode::OK).await;
    assert_eq!(report["period"], json!({"start_date": "2026-11-01", "end_date": "2026-11-21", "days": 21}));
    assert_eq!((&report["total_checks"], &report["hit_rate"]), (&json!(0), &Value::Null));
    assert_eq!(report["listed_by_reason"], json!({}));
    assert_eq!(report["list_ages"][0]["registry"], "federal");
    for (query, pointer) in [
        ("", "start_date"),
        ("?start_date=2026-11-01", "end_date"),
        ("?start_date=2026-11-31&end_date=2026-12-01", "start_date"),
        ("?start_date=2024-01-01&end_date=2026-12-01", "end_date"),
    ] {
        let problem = expect_problem(&fake, get(&format!("{path}{query}")), StatusCode::BAD_REQUEST).await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    expect_problem(
        &Fake::empty(),
        get(&format!("{path}?start_date=2026-11-01&end_date=2026-11-01")),
        StatusCode::SERVICE_UNAVAILABLE,
    )
    .await;
}

#[tokio::test]
async fn statistics_filters_and_warming_have_their_paths() {
    let fake = Fake::founded();
    let stats = expect(&fake, get("/api/v1/dnc/stats?all_tenants=true"), StatusCode::OK).await;
    assert_eq!((&stats["total_numbers"], &stats["checks_today"]), (&json!(0), &json!(0)));
    assert_eq!(stats["lists"][0]["state"], "active");
    expect_problem(&fake, get("/api/v1/dnc/stats?all=1"), StatusCode::BAD_REQUEST).await;
    let filters = expect(&fake, get("/internal/dnc/bloom/stats"), StatusCode::OK).await;
    assert_eq!((&filters["nodes"], &filters["total"]["hits"]), (&json!([]), &json!(0)));
    let path = "/internal/dnc/cache/warm";
    let warmed = expect(&fake, post(path, &json!({"shards": [0, 15]})), StatusCode::OK).await;
    assert_eq!((&warmed["bytes"], &warmed["failed_nodes"]), (&json!(0), &json!(0)));
    let problem = expect_problem(&fake, post(path, &json!({"shards": [16]})), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/shards");
}

#[tokio::test]
async fn a_router_with_too_much_under_way_says_when_to_come_back_and_answers_probes() {
    let fake = Fake::founded();
    let options = Options { max_in_flight: 1, ..Options::default() };
    let state = State::new(fake.clone(), Arc::new(options), CancellationToken::new());
    let app = router(state.clone(), Arc::new(|| "dnc_up 1\n".into()));
    let first = app.clone().oneshot(get("/api/v1/dnc/registries")).await.expect("infallible");
    assert_eq!(first.status(), StatusCode::OK);
    let refused = app.clone().oneshot(get("/api/v1/dnc/registries")).await.expect("infallible");
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().expect("ascii"))
    );
    let probe = app.clone().oneshot(get("/healthz")).await.expect("infallible");
    assert_eq!(probe.status(), StatusCode::OK);
    body(first).await;
    let next = app.oneshot(get("/api/v1/dnc/registries")).await.expect("infallible");
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_tenant_that_takes_all_that_it_can_leaves_room_for_another() {
    let fake = Fake::founded();
    let created = post("/api/v1/dnc/tenants", &json!({ "name": "noisy" }));
    expect(&fake, created, StatusCode::CREATED).await;
    let options = Options { max_in_flight: 4, ..Options::default() };
    let state = State::new(fake.clone(), Arc::new(options), CancellationToken::new());
    let app = router(state, Arc::new(String::new));
    let ask = async |tenant: Option<&'static str>| {
        let mut request = get("/api/v1/dnc/registries");
        tenant.map(|name| request.headers_mut().insert(caller::TENANT, HeaderValue::from_static(name)));
        app.clone().oneshot(request).await.expect("infallible")
    };
    let _held = [ask(Some("noisy")).await, ask(Some("noisy")).await];
    let refused = ask(Some("noisy")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(ask(None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_field_that_is_named_like_a_number_is_not_repeated() {
    let fake = Fake::founded();
    for name in ["2015550100", "+1 (201) 555-0100"] {
        let request = post("/api/v1/dnc/check", &json!({ name: 1, "phone_number": "2015550101" }));
        let problem = expect_problem(&fake, request, StatusCode::BAD_REQUEST).await;
        assert!(problem["detail"].to_string().contains("unknown field"), "{problem}");
        assert!(!problem.to_string().contains("0100"), "{problem}");
    }
    let long = "x".repeat(1_500);
    let request = post("/api/v1/dnc/check", &json!({ long: 1, "phone_number": "2015550101" }));
    let problem = expect_problem(&fake, request, StatusCode::BAD_REQUEST).await;
    assert!(problem["detail"].as_str().expect("text").len() < 400, "{problem}");
}

#[tokio::test]
async fn a_write_that_is_repeated_with_its_key_is_done_once() {
    let fake = Fake::founded();
    let asked = json!({"phone_number": "2015550100", "reason": "asked", "added_by": "agent"});
    let keyed = |tenant: &str, key: &str| {
        let mut request = post("/api/v1/dnc/internal", &asked);
        request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
        request.headers_mut().insert("x-dnc-tenant", tenant.parse().expect("a header"));
        request
    };
    let first = expect(&fake, keyed("default", "k-1"), StatusCode::CREATED).await;
    let again = expect(&fake, keyed("default", "k-1"), StatusCode::CREATED).await;
    let other = expect(&fake, keyed("default", "k-2"), StatusCode::CREATED).await;
    assert_eq!(first["suppression_id"], again["suppression_id"]);
    assert_ne!(first["suppression_id"], other["suppression_id"]);
    expect_problem(&fake, keyed("nobody", "k-1"), StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_key_that_is_none_or_that_another_id_contradicts_is_refused() {
    let fake = Fake::founded();
    let asked = |id: &str| json!({"phone_number": "2015550100", "reason": "r", "added_by": "a", "request_id": id});
    let long = "k".repeat(129);
    let other_id = Uuid::now_v7().to_string();
    for (key, id, pointer) in [
        ("", "", "Idempotency-Key"),
        ("a b", "", "Idempotency-Key"),
        (long.as_str(), "", "Idempotency-Key"),
        ("k", other_id.as_str(), "#/request_id"),
    ] {
        let mut request = post("/api/v1/dnc/internal", &asked(id));
        request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
        let problem = expect_problem(&fake, request, StatusCode::BAD_REQUEST).await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn methods_that_a_path_does_not_take_are_problems_and_head_is_as_get() {
    let fake = Fake::founded();
    for method in ["OPTIONS", "TRACE", "PATCH", "QUERY"] {
        let request = Request::builder().method(method).uri("/api/v1/dnc/registries").body(Body::empty());
        let request = request.expect("a request");
        let response = send(&fake, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "GET,HEAD,POST", "{method}");
        assert_eq!(body(response).await["code"], "wrong-method", "{method}");
    }
    let head = |path: &str| Request::head(path).body(Body::empty()).expect("a request");
    let response = send(&fake, head("/api/v1/dnc/registries")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(send(&fake, head("/api/v1/dnc/nothing")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_request_id_stands_in_the_problem() {
    let fake = Fake::founded();
    let mut request = get("/api/v1/dnc/nothing");
    request.headers_mut().insert("x-request-id", "id-7".parse().expect("a header"));
    let problem = expect_problem(&fake, request, StatusCode::NOT_FOUND).await;
    assert_eq!(problem["request_id"], "id-7");
    assert_eq!(problem["code"], "not-found");
}
