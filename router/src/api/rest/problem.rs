//! Errors of REST: RFC 9457, `application/problem+json`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Invalid, Kind};
use crate::import;
use crate::shown::{AreaShown, BadLineShown};

/// The media type of every error.
const MEDIA_TYPE: &str = "application/problem+json";

/// An error as callers see it.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// Names the kind of problem, for programs.
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status, again.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What is wrong where, as far as it lies in single parts of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// What more there is to say of an import that failed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    import: Option<Box<Value>>,
}

/// One part of a request that is wrong.
#[derive(Debug, Serialize)]
struct Fault {
    /// Where in the body it lies (RFC 6901, as a URI fragment), or the name of a parameter.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

// === impl Problem ===

impl Problem {
    fn new(status: StatusCode, word: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:dnc:problem:{word}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            import: None,
        }
    }

    /// The problem that a failure is.
    pub fn of(failure: &impl Failure) -> Self {
        let (status, word, title) = match failure.kind() {
            Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid-request", "Invalid request"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Kind::Precondition => (StatusCode::CONFLICT, "not-possible", "Not possible"),
            Kind::Exists => (StatusCode::CONFLICT, "exists-already", "Exists already"),
            Kind::Aborted => (StatusCode::CONFLICT, "overtaken", "Overtaken"),
            Kind::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "too-much", "Too much at once"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "fault", "Fault"),
        };
        Self::new(status, word, title, failure.to_string())
    }

    /// A field of the body, or a parameter, is wrong.
    pub fn field(pointer: impl Into<String>, why: &Invalid) -> Self {
        let mut problem = Self::of(why);
        problem.errors.push(Fault { pointer: pointer.into(), detail: why.detail.clone() });
        problem
    }

    /// An import that failed: with its bad lines, or with what its guard stops and the version that waits.
    pub fn of_import(failure: &import::Error) -> Self {
        let mut problem = match failure {
            import::Error::Invalid(why) => Self::field(why.field, why),
            _ => Self::of(failure),
        };
        problem.import = failure.details().map(|details| {
            let mut members = Map::new();
            if !details.bad_lines.is_empty() {
                let lines: Vec<_> = details.bad_lines.iter().map(BadLineShown::of).collect();
                members.insert("bad_lines".into(), json!(lines));
            }
            if details.held_version > 0 {
                let stopped: Vec<_> = details.stopped.iter().map(AreaShown::of).collect();
                members.insert("held_version".into(), json!(details.held_version));
                members.insert("stopped".into(), json!(stopped));
            }
            Box::new(Value::Object(members))
        });
        problem
    }

    /// A field of the body is wrong.
    pub fn in_body(why: &Invalid) -> Self {
        Self::field(format!("#/{}", why.field), why)
    }

    /// A text that should have been a number.
    pub fn not_a_number(pointer: &str, message: &str) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "invalid-number", "Not a phone number", message);
        problem.errors.push(Fault { pointer: pointer.into(), detail: message.into() });
        problem
    }

    /// The request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self::new(status, "malformed-request", "Malformed request", detail)
    }

    /// The body is not said to be JSON.
    pub fn wrong_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wrong-media-type",
            "Wrong media type",
            "the body must be application/json",
        )
    }

    /// The body is larger than allowed.
    pub fn too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "Body too large",
            format!("the body must not be larger than {max} bytes"),
        )
    }

    /// Nothing of this name.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The path exists, but not for this method.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong-method",
            "Wrong method",
            "this path takes other methods; the Allow header names them",
        )
    }

    /// The request was not complete in time, or not answered.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", "the request took too long")
    }

    /// This router cannot answer yet.
    pub fn not_ready() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "Not ready",
            "the catalog is not known yet, or the shards are not placed",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("made from a StatusCode");
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}
