//! Reads bodies, parameters and paths; what cannot be read is a [`Problem`] that does not repeat it.

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use dnc_core::ids::TenantId;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::problem::Problem;
use crate::api::caller::{self, TENANT};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::privacy::masked;

/// Longest part of a body that is repeated in an error, in characters.
const MAX_DETAIL_CHARS: usize = 300;

/// Largest body of a bulk of opt-outs: the most items, each with a reason, a name and some fields.
pub const MAX_LARGE_BODY: usize = 16 << 20;

/// A JSON body.
pub struct Body<T>(pub T);

/// A JSON body of up to [`MAX_LARGE_BODY`]; its route sets the limit.
pub struct LargeBody<T>(pub T);

/// A JSON body that may be left out, or be `null`, as the document says of it.
pub struct OptionalBody<T>(pub T);

/// Parameters after the question mark.
pub struct Params<T>(pub T);

/// The tenant that a request names in its header.
pub struct Tenant(pub TenantId);

/// The phone number in the path, as written.
pub struct PhonePath(pub String);

/// A name, number or id in the path.
pub struct NamePath(pub String);

impl<C: Cluster, T: DeserializeOwned> FromRequest<State<C>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State<C>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::wrong_media_type("application/json"));
        }
        let bytes = bytes(request, state, state.options.max_body_bytes).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|why| explain(&why))
    }
}

impl<C: Cluster, T: DeserializeOwned> FromRequest<State<C>> for LargeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State<C>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::wrong_media_type("application/json"));
        }
        let bytes = bytes(request, state, MAX_LARGE_BODY).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|why| explain(&why))
    }
}

impl<C: Cluster, T: DeserializeOwned + Default> FromRequest<State<C>> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State<C>) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = bytes(request, state, state.options.max_body_bytes).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(Problem::wrong_media_type("application/json"));
        }
        let read: Option<T> = serde_json::from_slice(&bytes).map_err(|why| explain(&why))?;
        Ok(Self(read.unwrap_or_default()))
    }
}

/// The whole body, of which the route takes no more than this.
async fn bytes<S: Send + Sync>(request: Request, state: &S, max: usize) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|why| {
        if why.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::too_large(max)
        } else {
            Problem::malformed("the body could not be read")
        }
    })
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(params)| Self(params))
            .map_err(|_| Problem::malformed("a parameter is missing, unknown, repeated or of another type"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PhonePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        read.map(|Path(phone)| Self(phone)).map_err(|_| Problem::malformed("the number in the path is not UTF-8"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        read.map(|Path(name)| Self(name)).map_err(|_| Problem::malformed("the name in the path is not UTF-8"))
    }
}

/// A field that a body gives: `null` is given too, and means none.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A text that a body gives is not empty: what is not given is left out, or null.
pub fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Option::deserialize(from)? {
        Some(text) if String::is_empty(&text) => Err(D::Error::invalid_length(0, &"a text")),
        text => Ok(text),
    }
}

impl<C: Cluster> FromRequestParts<State<C>> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State<C>) -> Result<Self, Problem> {
        let given = parts.headers.get(TENANT).map(HeaderValue::as_bytes);
        let known = state.cluster.known();
        caller::tenant(&known, given).map(Self).map_err(|why| Problem::of(&why))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).eq_ignore_ascii_case("application/json")
}

/// The media type of a body without its parameters; empty if it is not said.
pub fn essence(headers: &HeaderMap) -> &str {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok());
    given.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// A text that is not longer than it need be.
fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_DETAIL_CHARS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// What is wrong with a body. serde's own words are kept only where they name fields and no values.
fn explain(why: &serde_json::Error) -> Problem {
    let (line, column) = (why.line(), why.column());
    match why.classify() {
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::malformed(format!("not JSON at line {line} column {column}"))
        }
        Category::Data => {
            let text = why.to_string();
            let names_a_field =
                ["unknown field", "missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
            Problem::malformed(if names_a_field {
                // A field's name is the caller's text too.
                shortened(masked(&text, None).into_owned())
            } else {
                format!("a value of another type than expected at line {line} column {column}")
            })
        }
    }
}
