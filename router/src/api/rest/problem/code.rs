//! The kinds of problems: for each its word, its HTTP status and its title.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

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

    /// The HTTP status that it is answered with.
    pub fn status(self) -> StatusCode {
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

    /// The same, for people.
    pub fn title(self) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_the_one_that_is_written() {
        for code in [Code::MalformedRequest, Code::NotPossible, Code::TooMuch, Code::Fault, Code::NotReady] {
            assert_eq!(serde_json::json!(code), code.as_str());
        }
    }
}
