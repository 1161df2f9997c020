//! Errors of REST: RFC 9457, `application/problem+json`.
//!
//! A handler returns a [`Problem`]; [`super::frame`] writes it out, because only there the id of the
//! request is known, and makes one of whatever else went wrong below it. So every error has this form.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::failure::{Failure, Invalid, Kind};
use crate::import;
use crate::shown::{AreaShown, BadLineShown};

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How long to wait before trying again, where nobody knows better.
const PATIENCE: Duration = Duration::from_secs(1);

/// What kind of problem it is. The words do not change; programs may decide by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The request cannot be read: no JSON, an unknown field, a value of another type.
    MalformedRequest,
    /// A field or parameter has a value that it cannot have.
    InvalidRequest,
    /// A text that should be a phone number is none.
    InvalidNumber,
    /// There is nothing under this path, or of this name.
    NotFound,
    /// The path takes other methods.
    WrongMethod,
    /// The request was not complete in time, or not answered.
    TooSlow,
    /// It cannot be done with the thing that it names.
    NotPossible,
    /// It exists already, and is another one.
    ExistsAlready,
    /// Somebody else was faster; the whole of it can be tried again.
    Overtaken,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body is of another media type.
    WrongMediaType,
    /// Too much at once; later it can be tried again.
    TooMuch,
    /// A fault of the cluster.
    Fault,
    /// It could not be done now, or it is not known whether it was; the same request can be tried again.
    Unavailable,
    /// This router cannot answer yet.
    NotReady,
}

/// An error: RFC 9457, with a code for programs and the id of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, as a URI: `urn:dnc:problem:` and the code.
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status, again.
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    #[serde(serialize_with = "number")]
    status: StatusCode,
    /// What is wrong with this request. Never repeats a phone number.
    detail: String,
    code: Code,
    /// The id of the request, which is also in the header `x-request-id`.
    request_id: String,
    /// What is wrong where, as far as it lies in single parts of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// When it is worth trying again.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
    /// What more there is to say of an import that failed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ImportFaults<'static>)]
    import: Option<Box<Value>>,
}

/// What more there is to say of an import that failed.
#[derive(Serialize, ToSchema)]
struct ImportFaults<'a> {
    /// The first of the lines that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bad_lines: Vec<BadLineShown<'a>>,
    /// The version that a guard holds back; it can be activated all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    held_version: Option<u64>,
    /// What changes more than the guard allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stopped: Vec<AreaShown<'a>>,
}

/// One part of a request that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Fault {
    /// Where in the body it lies (RFC 6901, as a URI fragment), or the name of a parameter or header.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

// === impl Code ===

impl Code {
    /// As it stands in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::MalformedRequest => "malformed-request",
            Code::InvalidRequest => "invalid-request",
            Code::InvalidNumber => "invalid-number",
            Code::NotFound => "not-found",
            Code::WrongMethod => "wrong-method",
            Code::TooSlow => "too-slow",
            Code::NotPossible => "not-possible",
            Code::ExistsAlready => "exists-already",
            Code::Overtaken => "overtaken",
            Code::BodyTooLarge => "body-too-large",
            Code::WrongMediaType => "wrong-media-type",
            Code::TooMuch => "too-much",
            Code::Fault => "fault",
            Code::Unavailable => "unavailable",
            Code::NotReady => "not-ready",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::MalformedRequest | Code::InvalidRequest | Code::InvalidNumber => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Code::NotPossible | Code::ExistsAlready | Code::Overtaken => StatusCode::CONFLICT,
            Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::WrongMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::TooMuch => StatusCode::TOO_MANY_REQUESTS,
            Code::Fault => StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unavailable | Code::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Code::MalformedRequest => "Malformed request",
            Code::InvalidRequest => "Invalid request",
            Code::InvalidNumber => "Not a phone number",
            Code::NotFound => "Not found",
            Code::WrongMethod => "Wrong method",
            Code::TooSlow => "Too slow",
            Code::NotPossible => "Not possible",
            Code::ExistsAlready => "Exists already",
            Code::Overtaken => "Overtaken",
            Code::BodyTooLarge => "Body too large",
            Code::WrongMediaType => "Wrong media type",
            Code::TooMuch => "Too much at once",
            Code::Fault => "Fault",
            Code::Unavailable => "Not available now",
            Code::NotReady => "Not ready",
        }
    }
}

// === impl Problem ===

impl Problem {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        let later = matches!(code, Code::TooMuch | Code::Unavailable | Code::NotReady);
        Self {
            r#type: format!("urn:dnc:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            detail: detail.into(),
            code,
            request_id: String::new(),
            errors: Vec::new(),
            retry_after: later.then_some(PATIENCE),
            import: None,
        }
    }

    /// The problem that a failure is.
    pub fn of(failure: &impl Failure) -> Self {
        let code = match failure.kind() {
            Kind::Invalid => Code::InvalidRequest,
            Kind::NotFound => Code::NotFound,
            Kind::Precondition => Code::NotPossible,
            Kind::Exists => Code::ExistsAlready,
            Kind::Aborted => Code::Overtaken,
            Kind::Exhausted => Code::TooMuch,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Fault,
        };
        let mut problem = Self::new(code, failure.to_string());
        problem.retry_after = failure.retry_after().or(problem.retry_after);
        problem
    }

    /// A parameter or header is wrong.
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
            Box::new(json!(ImportFaults {
                bad_lines: details.bad_lines.iter().map(BadLineShown::of).collect(),
                held_version: Some(details.held_version).filter(|version| *version > 0),
                stopped: details.stopped.iter().map(AreaShown::of).collect(),
            }))
        });
        problem
    }

    /// A field of the body is wrong.
    pub fn in_body(why: &Invalid) -> Self {
        Self::field(format!("#/{}", why.field), why)
    }

    /// The same, with what is wrong where.
    pub fn with_faults<'a>(mut self, faults: impl IntoIterator<Item = (String, &'a Invalid)>) -> Self {
        let fault = |(pointer, why): (String, &Invalid)| Fault { pointer, detail: why.detail.clone() };
        self.errors.extend(faults.into_iter().map(fault));
        self
    }

    /// A text that should have been a number.
    pub fn not_a_number(pointer: &str, message: &str) -> Self {
        let mut problem = Self::new(Code::InvalidNumber, message);
        problem.errors.push(Fault { pointer: pointer.into(), detail: message.into() });
        problem
    }

    /// The request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// The body is not of the media type that is wanted.
    pub fn wrong_media_type(wanted: &str) -> Self {
        Self::new(Code::WrongMediaType, format!("the body must be {wanted}"))
    }

    /// The body is larger than allowed.
    pub fn too_large(max: usize) -> Self {
        Self::new(Code::BodyTooLarge, format!("the body must not be larger than {max} bytes"))
    }

    /// Nothing of this name.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    /// The path exists, but not for this method.
    pub fn method_not_allowed() -> Self {
        Self::new(Code::WrongMethod, "this path takes other methods; the Allow header names them")
    }

    /// The request was not complete in time, or not answered.
    pub fn too_slow() -> Self {
        Self::new(Code::TooSlow, "the request took too long")
    }

    /// This router cannot answer yet.
    pub fn not_ready() -> Self {
        Self::new(Code::NotReady, "the catalog is not known yet, or the shards are not placed")
    }

    /// An answer that somebody below gave without a word, by its status.
    fn wordless(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::WrongMethod,
            StatusCode::REQUEST_TIMEOUT => Code::TooSlow,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::WrongMediaType,
            StatusCode::TOO_MANY_REQUESTS => Code::TooMuch,
            _ if status.is_client_error() => Code::MalformedRequest,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::Fault,
        };
        Self::new(code, "the request could not be answered")
    }

    fn write(mut self, request_id: &str, headers: &mut HeaderMap) -> Body {
        request_id.clone_into(&mut self.request_id);
        // An empty body may have been measured already.
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Body::from(serde_json::to_vec(&self).expect("texts and numbers are JSON"))
    }
}

impl IntoResponse for Problem {
    /// Only marks the response: [`complete`] writes it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes out the problem of an answer that is an error. Other answers stay as they are.
pub fn complete(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::wordless(status));
    let status = problem.status;
    let body = problem.write(request_id, response.headers_mut());
    *response.status_mut() = status;
    *response.body_mut() = body;
    response
}

fn number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_the_one_that_is_written() {
        for code in [Code::MalformedRequest, Code::NotPossible, Code::TooMuch, Code::Fault, Code::NotReady] {
            assert_eq!(serde_json::json!(code), code.as_str());
        }
    }

    #[test]
    fn what_was_refused_without_a_word_is_a_problem_too() {
        let bare = StatusCode::PAYLOAD_TOO_LARGE.into_response();
        let response = complete(bare, "r");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let odd = StatusCode::IM_A_TEAPOT.into_response();
        assert_eq!(complete(odd, "r").status(), StatusCode::BAD_REQUEST);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("busy")]
    struct Busy(Option<Duration>);

    impl Failure for Busy {
        fn kind(&self) -> Kind {
            Kind::Exhausted
        }

        fn retry_after(&self) -> Option<Duration> {
            self.0
        }
    }

    #[test]
    fn what_passes_says_when_to_try_again_in_whole_seconds() {
        for (wait, said) in [(None, "1"), (Some(Duration::from_millis(1_500)), "2")] {
            let response = complete(Problem::of(&Busy(wait)).into_response(), "r");
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers()[header::RETRY_AFTER], said);
        }
        let never = Problem::malformed("x").into_response();
        assert!(!complete(never, "r").headers().contains_key(header::RETRY_AFTER));
    }
}
