//! Errors of REST: RFC 9457, `application/problem+json`.
//!
//! A handler returns a [`Problem`]; [`super::frame`] writes it out, because only there the id of the
//! request is known, and makes one of whatever else went wrong below it. So every error has this form.

mod code;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use self::code::Code;
use crate::failure::{Failure, Invalid, Kind};
use crate::import;
use crate::shown::{AreaShown, BadLineShown};

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What rooms call the field that holds a phone number.
const PHONE_NUMBER: &str = "phone_number";

/// How long to wait before trying again, where nobody knows better.
const PATIENCE: Duration = Duration::from_secs(1);

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

    /// The problem that a failure is; a field that is wrong lies in the body. Rooms name nested ones with a dot.
    pub fn in_body(failure: impl Failure) -> Self {
        Self::at(&failure, |field| format!("#/{}", field.replace('.', "/")))
    }

    /// The problem that a failure is; a field that is wrong is a parameter, or a number in the path.
    pub fn in_parameters(failure: impl Failure) -> Self {
        Self::at(&failure, |field| if field == PHONE_NUMBER { "phone".into() } else { field.into() })
    }

    fn at(failure: &impl Failure, pointer: fn(&str) -> String) -> Self {
        match failure.invalid() {
            Some(why) if why.field == PHONE_NUMBER => Self::not_a_number(&pointer(why.field), &why.detail),
            Some(why) => Self::field(pointer(why.field), why),
            None => Self::of(failure),
        }
    }

    /// An import that failed: with its bad lines, or with what its guard stops and the version that waits.
    pub fn of_import(failure: import::Error) -> Self {
        let import = failure.details().map(|details| {
            Box::new(json!(ImportFaults {
                bad_lines: details.bad_lines.iter().map(BadLineShown::of).collect(),
                held_version: Some(details.held_version).filter(|version| *version > 0),
                stopped: details.stopped.iter().map(AreaShown::of).collect(),
            }))
        });
        Self { import, ..Self::in_parameters(failure) }
    }

    /// The same problem, with what is wrong where.
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
