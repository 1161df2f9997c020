//! The document and its page, as they are served.

use axum::body::Body;
use axum::body::to_bytes;
use axum::http::{Method, Request, StatusCode};

use super::{body, expect, get, send};
use crate::testing::Fake;

#[tokio::test]
async fn the_document_and_its_page_are_served_and_load_nothing_from_elsewhere() {
    let fake = Fake::founded();
    let document = expect(&fake, get("/api/v1/openapi.json"), StatusCode::OK).await;
    assert_eq!(document["paths"]["/api/v1/dnc/check/{phone}"]["get"]["operationId"], "check_by_path");
    let page = send(&fake, get("/api/v1/docs")).await;
    assert_eq!(page.status(), StatusCode::OK);
    let bytes = to_bytes(page.into_body(), 1 << 20).await.expect("a body");
    let text = std::str::from_utf8(&bytes).expect("UTF-8");
    assert!(text.contains("openapi.json"));
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src="));
}

#[tokio::test(start_paused = true)]
async fn every_operation_of_the_document_is_served() {
    let fake = Fake::founded();
    let document = expect(&fake, get("/api/v1/openapi.json"), StatusCode::OK).await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let there = path.replace("{phone}", "2015550100").replace(['{', '}'], "");
        for method in item.as_object().expect("operations").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let request = Request::builder().method(method.clone()).uri(&there).body(Body::empty());
            let response = send(&fake, request.expect("a request")).await;
            assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            if response.status() == StatusCode::NOT_FOUND {
                let problem = body(response).await;
                assert_ne!(problem["detail"], "there is nothing under this path", "{method} {path}");
            }
        }
    }
}
