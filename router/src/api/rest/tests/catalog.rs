//! Registries, tenants and rules over REST.

use super::*;

const REGISTRIES: &str = "/api/v1/dnc/registries";
const TENANTS: &str = "/api/v1/dnc/tenants";
const RULES: &str = "/api/v1/dnc/suppression/rules";

fn with_method(method: Method, path: &str, content: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(content.to_string()))
        .expect("a request")
}

fn patch(path: &str, content: &Value) -> Request<Body> {
    with_method(Method::PATCH, path, content)
}

fn put(path: &str, content: &Value) -> Request<Body> {
    with_method(Method::PUT, path, content)
}

fn of(tenant: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("x-dnc-tenant", tenant.parse().expect("a header"));
    request
}

#[tokio::test]
async fn a_registry_has_this_form() {
    let fake = Fake::founded();
    let asked = json!({"name": "tx", "type": "state", "jurisdiction": "TX"});
    let mut made = expect(&fake, post(REGISTRIES, &asked), StatusCode::CREATED).await;
    let created: jiff::Timestamp = made["created_at"].take().as_str().expect("text").parse().expect("RFC 3339");
    assert!(created.as_second() > 0);
    assert_eq!(
        made,
        json!({
            "id": 3,
            "name": "tx",
            "type": "state",
            "owner": null,
            "state": "active",
            "active_version": null,
            "numbers": 0,
            "covers_everywhere": false,
            "coverage": [],
            "oldest_list_date": null,
            "stale_in_days": null,
            "last_sync": null,
            "next_sync": null,
            "jurisdiction": "TX",
            "enabled": true,
            "max_age_days": 31,
            "keep_versions": 3,
            "guard": {"shrink_percent": 20, "growth_percent": 100},
            "exemption_months": {"purchase": 18, "inquiry": 3},
            "reading": {
                "format": null,
                "mapping": null,
                "csv_column": null,
                "default_country": 1,
                "national_digits": null,
            },
            "url": null,
            "lookup_url": null,
            "schedule": null,
            "rate_limit": 10,
            "has_key": false,
            "edition": 1,
            "created_at": null,
            "versions": [],
        })
    );
}

#[tokio::test]
async fn registries_are_listed_and_found_by_name_and_number() {
    let fake = Fake::founded();
    let asked = json!({"name": "tx", "type": "state"});
    let made = expect(&fake, post(REGISTRIES, &asked), StatusCode::CREATED).await;
    let listed = expect(&fake, get(REGISTRIES), StatusCode::OK).await;
    let names: Vec<_> =
        listed["registries"].as_array().expect("a list").iter().map(|registry| registry["name"].clone()).collect();
    assert_eq!(json!(names), json!(["federal", "internal", "tx"]));
    assert!(listed["revision"].is_u64());
    for named in ["tx", "3"] {
        let path = format!("{REGISTRIES}/{named}");
        assert_eq!(expect(&fake, get(&path), StatusCode::OK).await, made);
        let versions = expect(&fake, get(&format!("{path}/versions")), StatusCode::OK).await;
        assert_eq!(versions, json!({"registry": "tx", "versions": []}));
    }
    let other = json!({"name": "tx", "type": "partner"});
    expect_problem(&fake, post(REGISTRIES, &other), StatusCode::CONFLICT).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_be_is_a_problem_that_points_at_the_field() {
    let fake = Fake::founded();
    expect_problem(&fake, get(&format!("{REGISTRIES}/nowhere")), StatusCode::NOT_FOUND).await;
    for (body, pointer) in [
        (json!({"name": "Tx", "type": "state"}), "#/name"),
        (json!({"type": "state"}), "#/name"),
        (json!({"name": "tx"}), "#/type"),
        (json!({"name": "tx", "type": "state", "guard": {"shrink_percent": 101}}), "#/guard/shrink_percent"),
        (json!({"name": "tx", "type": "state", "reading": {"format": "pdf"}}), "#/reading/format"),
        (json!({"name": "tx", "type": "state", "api_key": "k", "url": "https://a.example/"}), "#/api_key"),
    ] {
        let problem = expect_problem(&fake, post(REGISTRIES, &body), StatusCode::BAD_REQUEST).await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let unknown = json!({"name": "tx", "type": "state", "colour": "red"});
    let problem = expect_problem(&fake, post(REGISTRIES, &unknown), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["type"], "urn:dnc:problem:malformed-request");
}

#[tokio::test]
async fn a_registry_is_patched_put_and_retired() {
    let fake = Fake::founded();
    let asked = json!({"name": "tx", "type": "state", "jurisdiction": "TX", "url": "https://a.example/tx"});
    let made = expect(&fake, post(REGISTRIES, &asked), StatusCode::CREATED).await;
    assert_eq!(made["schedule"], json!({"cron": "0 3 * * *", "time_zone": "America/Chicago"}));
    let path = format!("{REGISTRIES}/tx");
    let change = json!({"edition": made["edition"], "guard": {"shrink_percent": null}, "enabled": false});
    let patched = expect(&fake, patch(&path, &change), StatusCode::OK).await;
    assert_eq!(patched["guard"], json!({"shrink_percent": null, "growth_percent": 100}));
    assert_eq!((&patched["state"], &patched["edition"]), (&json!("inactive"), &json!(2)));
    assert_eq!(patched["url"], made["url"]);
    let late = json!({"edition": made["edition"], "max_age_days": 7});
    let problem = expect_problem(&fake, patch(&path, &late), StatusCode::CONFLICT).await;
    assert_eq!(problem["type"], "urn:dnc:problem:overtaken");
    let whole = expect(&fake, put(&path, &json!({"max_age_days": 7})), StatusCode::OK).await;
    assert_eq!((&whole["max_age_days"], &whole["url"]), (&json!(7), &Value::Null));
    assert_eq!((&whole["enabled"], &whole["schedule"]), (&json!(true), &Value::Null));
    let problem = expect_problem(&fake, patch(&path, &json!({"type": "federal"})), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/type");
    let retired = expect(&fake, delete(&path), StatusCode::OK).await;
    assert_eq!(retired["state"], "retired");
    expect_problem(&fake, patch(&path, &json!({"max_age_days": 7})), StatusCode::CONFLICT).await;
}

#[tokio::test]
async fn a_tenant_is_made_shown_and_changed() {
    let fake = Fake::founded();
    let asked = json!({
        "name": "acme",
        "holds": {"federal": ["201", "+65"]},
        "requires": {"registries": {"federal": "all"}},
    });
    let made = expect(&fake, post(TENANTS, &asked), StatusCode::CREATED).await;
    let expected = json!({
        "id": 2,
        "name": "acme",
        "holds": {"federal": ["+65", "201"]},
        "requires": {"federal": true, "registries": {"federal": "all"}},
        "edition": 1,
    });
    assert_eq!(made, expected);
    let path = format!("{TENANTS}/acme");
    assert_eq!(expect(&fake, get(&path), StatusCode::OK).await, made);
    let change = json!({"edition": 1, "holds": "everything"});
    let changed = expect(&fake, patch(&path, &change), StatusCode::OK).await;
    assert_eq!((&changed["holds"], &changed["edition"]), (&json!("everything"), &json!(2)));
    assert_eq!(changed["requires"], made["requires"]);
    let listed = expect(&fake, get(TENANTS), StatusCode::OK).await;
    assert_eq!(listed["tenants"][0]["name"], "default");
    assert_eq!(listed["tenants"][1], changed);
    expect_problem(&fake, delete(&format!("{REGISTRIES}/federal")), StatusCode::CONFLICT).await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_be_is_a_problem() {
    let fake = Fake::founded();
    let status = StatusCode::BAD_REQUEST;
    for body in [
        json!({"name": "A"}),
        json!({"name": "acme", "holds": {"nowhere": "all"}}),
        json!({"name": "acme", "holds": {"federal": ["x"]}}),
        json!({"name": "acme", "holds": {"federal": "some"}}),
        json!({"name": "acme", "holds": "nothing"}),
        json!({"name": "acme", "requires": {"state": true}}),
    ] {
        expect_problem(&fake, post(TENANTS, &body), status).await;
    }
    expect_problem(&fake, get(&format!("{TENANTS}/acme")), StatusCode::NOT_FOUND).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_added_listed_and_removed_by_its_tenant_alone() {
    let fake = Fake::founded();
    expect(&fake, post(TENANTS, &json!({"name": "acme"})), StatusCode::CREATED).await;
    let id = Uuid::now_v7();
    let asked = json!({
        "type": "prefix",
        "pattern": "201555",
        "description": "a hospital",
        "author": "me",
        "request_id": id.to_string(),
    });
    let mut added = expect(&fake, of("acme", post(RULES, &asked)), StatusCode::CREATED).await;
    let again = expect(&fake, of("acme", post(RULES, &asked)), StatusCode::CREATED).await;
    assert_eq!(added, again);
    assert!(added["created_at"].take().is_string());
    assert_eq!(
        added,
        json!({
            "id": id.simple().to_string(),
            "type": "prefix",
            "pattern": "201555",
            "tenant": "acme",
            "global": false,
            "description": "a hospital",
            "author": "me",
            "created_at": null,
        })
    );
    let path = format!("{RULES}/{id}");
    let listed = expect(&fake, of("acme", get(RULES)), StatusCode::OK).await;
    assert_eq!(listed["rules"].as_array().map(Vec::len), Some(1));
    let others = expect(&fake, get(&format!("{RULES}?type=prefix")), StatusCode::OK).await;
    assert_eq!(others["rules"], json!([]));
    expect_problem(&fake, get(&path), StatusCode::NOT_FOUND).await;
    expect_problem(&fake, delete(&path), StatusCode::NOT_FOUND).await;
    expect_problem(&fake, of("nobody", get(RULES)), StatusCode::NOT_FOUND).await;
    let removed = expect(&fake, of("acme", delete(&path)), StatusCode::OK).await;
    assert_eq!(removed["id"], id.simple().to_string());
    expect_problem(&fake, of("acme", delete(&path)), StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_a_problem() {
    let fake = Fake::founded();
    for (body, pointer) in [
        (json!({"type": "area", "pattern": "201"}), "#/type"),
        (json!({"type": "regex", "pattern": "("}), "#/pattern"),
        (json!({"type": "area_code", "pattern": "201", "request_id": "7"}), "#/request_id"),
    ] {
        let problem = expect_problem(&fake, post(RULES, &body), StatusCode::BAD_REQUEST).await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    expect_problem(&fake, get(&format!("{RULES}?type=area")), StatusCode::BAD_REQUEST).await;
    expect_problem(&fake, delete(&format!("{RULES}/7")), StatusCode::BAD_REQUEST).await;
    fake.lose_barriers();
    let asked = json!({"type": "area_code", "pattern": "201"});
    let problem = expect_problem(&fake, post(RULES, &asked), StatusCode::SERVICE_UNAVAILABLE).await;
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("decided") && detail.contains("request_id"), "{detail}");
}
