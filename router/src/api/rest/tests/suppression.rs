//! Suppressions and exemptions over REST: one, many, found, verified, removed, exported and imported again.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{delete, expect, expect_problem, get, post, post_text, send};
use crate::testing::Fake;

#[tokio::test]
async fn opt_outs_are_added_found_verified_and_removed_in_bulk() {
    let fake = Fake::founded();
    let item = |number: &str| {
        json!({
            "phone_number": number, "reason": "asked", "added_by": "agent", "source": "web", "consumer_name": "Ann",
            "notes": "n", "expires_in": 3600, "scope": "brand acme", "metadata": {"crm": "7"},
        })
    };
    let path = "/api/v1/dnc/suppression/bulk";
    let bulk = json!({"items": [item("2015550100"), item("2015550101")]});
    let done = expect(&fake, post_large(path, &bulk), StatusCode::OK).await;
    assert_eq!((&done["acknowledged"], &done["refused"]), (&json!(2), &json!(0)));
    assert_eq!(done["results"][1]["outcome"], "acknowledged");
    let with_bad = json!({"items": [item("2015550102"), item("911")]});
    let problem = expect_problem(&fake, post_large(path, &with_bad), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/items/1/phone_number");
    let in_part = json!({"items": [item("2015550102"), item("911")], "partial": true});
    let done = expect(&fake, post_large(path, &in_part), StatusCode::MULTI_STATUS).await;
    assert_eq!(done["results"][1]["outcome"], "refused");

    let search = "/api/v1/dnc/suppression?prefix=201&limit=2";
    let page = expect(&fake, get(search), StatusCode::OK).await;
    let first = &page["suppressions"][0];
    for (name, value) in [
        ("phone_number", "+12015550100"),
        ("registry", "internal"),
        ("scope", "brand acme"),
        ("origin", "consumer"),
        ("reason", "asked"),
        ("source", "web"),
        ("added_by", "agent"),
        ("consumer_name", "Ann"),
        ("notes", "n"),
    ] {
        assert_eq!(first[name], value);
    }
    assert_eq!(first["metadata"], json!({"crm": "7"}));
    assert!(first["expires_at"].is_string() && first["added_at"].is_string() && first["last_verified_at"].is_string());
    let next = format!("{search}&cursor={}", page["cursor"].as_str().expect("there is more"));
    let page = expect(&fake, get(&next), StatusCode::OK).await;
    assert_eq!(page["suppressions"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["cursor"], Value::Null);

    let verify = Request::post("/api/v1/dnc/suppression/2015550100/verify").body(Body::empty()).expect("a request");
    assert_eq!(expect(&fake, verify, StatusCode::OK).await["verified"], 1);
    let unlisted = post("/api/v1/dnc/suppression/2015550199/verify", &json!({"registry": "internal"}));
    expect_problem(&fake, unlisted, StatusCode::NOT_FOUND).await;

    let remove = "/api/v1/dnc/suppression/bulk-remove";
    let removal = json!({"phone_numbers": ["2015550100", "2015550101"], "reason": "mistake"});
    let done = expect(&fake, post(remove, &removal), StatusCode::OK).await;
    assert_eq!(done["results"][0]["removed"], 1);
    let no_reason = json!({"phone_numbers": ["2015550100"]});
    expect_problem(&fake, post(remove, &no_reason), StatusCode::BAD_REQUEST).await;
    let removed = expect(&fake, get("/api/v1/dnc/suppression?removed=true"), StatusCode::OK).await;
    assert_eq!(removed["suppressions"][0]["removal"]["reason"], "mistake");
    let left = delete("/api/v1/dnc/suppression/2015550102?reason=mistake");
    assert_eq!(expect(&fake, left, StatusCode::OK).await["removed"], 1);
}

/// A body larger than the router of these tests takes elsewhere: bulk writes have a limit of their own.
fn post_large(path: &str, content: &Value) -> Request<Body> {
    post_text(path, "application/json", format!("{content}{}", " ".repeat(3_000)))
}

#[tokio::test]
async fn an_export_is_text_that_imports_again() {
    let fake = Fake::founded();
    let asked = json!({"phone_number": "2015550100", "reason": "a \"b\",\nc", "added_by": "agent"});
    expect(&fake, post("/api/v1/dnc/suppression", &asked), StatusCode::CREATED).await;
    for (format, media_type) in [("csv", "text/csv"), ("jsonl", "application/x-ndjson")] {
        let path = format!("/api/v1/dnc/suppression/export?format={format}&registry=internal");
        let response = send(&fake, get(&path)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], format!("{media_type}; charset=utf-8"));
        let text = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let there = Fake::founded();
        let request = || post_text("/api/v1/dnc/suppression/import", media_type, text.clone());
        let done = expect(&there, request(), StatusCode::OK).await;
        let expected = json!({"entries": 1, "added": 1, "unchanged": 0, "ended": 0, "refused": 0, "refused_lines": []});
        assert_eq!(done, expected);
        assert_eq!(expect(&there, request(), StatusCode::OK).await["unchanged"], 1);
        let again = to_bytes(send(&there, get(&path)).await.into_body(), 1 << 20).await.expect("a body");
        assert_eq!(again, text);
    }
    let json_body = post("/api/v1/dnc/suppression/import", &asked);
    expect_problem(&fake, json_body, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    let rubbish = post_text("/api/v1/dnc/suppression/import", "text/csv", "2015550100\n");
    let problem = expect_problem(&fake, rubbish, StatusCode::BAD_REQUEST).await;
    assert!(!problem.to_string().contains("2015550100"), "{problem}");
    for path in ["export?format=xml", "export?registry=federal", "export?registry=nowhere"] {
        let response = send(&fake, get(&format!("/api/v1/dnc/suppression/{path}"))).await;
        assert!(response.status().is_client_error(), "{path}");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_opt_outs_only_and_an_unknown_one_is_a_problem() {
    let fake = Fake::founded();
    fake.tenant("acme");
    let named = |mut request: Request<Body>, tenant: &str| {
        request.headers_mut().insert("x-dnc-tenant", tenant.parse().expect("a header"));
        request
    };
    let asked = json!({"phone_number": "2015550100", "reason": "r", "added_by": "a"});
    let path = "/api/v1/dnc/suppression";
    expect(&fake, named(post(path, &asked), "acme"), StatusCode::CREATED).await;
    let found = expect(&fake, get(path), StatusCode::OK).await;
    assert_eq!(found["suppressions"], json!([]));
    let found = expect(&fake, named(get(path), "acme"), StatusCode::OK).await;
    assert_eq!(found["suppressions"].as_array().map(Vec::len), Some(1));
    expect_problem(&fake, named(get(path), "nobody"), StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn exemptions_are_granted_listed_and_revoked() {
    let fake = Fake::founded();
    let asked = json!({
        "phone_number": "2015550100", "ground": "consent", "since": "2026-01-31", "granted_by": "agent",
        "proof": "form 7", "proof_sha256": "ab".repeat(32), "notes": "n",
    });
    let granted = expect(&fake, post("/api/v1/dnc/exemptions", &asked), StatusCode::CREATED).await;
    assert_eq!(granted["since"], "2026-01-31");
    assert_eq!(granted["expires_at"], Value::Null);
    let path = "/api/v1/dnc/exemptions/2015550100";
    let listed = expect(&fake, get(path), StatusCode::OK).await;
    assert_eq!(listed, json!({"phone_number": "+12015550100", "exemptions": [granted]}));
    let problem = expect_problem(&fake, delete(path), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "reason");
    let revoked = expect(&fake, delete(&format!("{path}?reason=asked&revoked_by=agent")), StatusCode::OK).await;
    assert_eq!(revoked, json!({"revoked": 1, "phone_number": "+12015550100"}));
    expect_problem(&fake, delete(&format!("{path}?reason=asked")), StatusCode::NOT_FOUND).await;
    let listed = expect(&fake, get(path), StatusCode::OK).await;
    assert_eq!(listed["exemptions"][0]["removal"]["removed_by"], "agent");
    let bad = json!({"phone_number": "2015550100", "ground": "x", "since": "2026-01-31", "granted_by": "agent"});
    let problem = expect_problem(&fake, post("/api/v1/dnc/exemptions", &bad), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/ground");
}
