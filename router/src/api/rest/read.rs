//! Reads bodies, parameters and paths; what cannot be read is a [`Problem`] that does not repeat it.

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use dnc_core::ids::TenantId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::problem::Problem;
use crate::api::caller::{self, TENANT};
use crate::api::state::State;
use crate::cluster::Cluster;

/// A JSON body.
pub struct Body<T>(pub T);

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
            return Err(Problem::wrong_media_type());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|why| {
            if why.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large(state.options.max_body_bytes)
            } else {
                Problem::malformed("the body could not be read")
            }
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|why| explain(&why))
    }
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

impl<C: Cluster> FromRequestParts<State<C>> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State<C>) -> Result<Self, Problem> {
        let given = parts.headers.get(TENANT).map(HeaderValue::as_bytes);
        let known = state.cluster.known();
        caller::tenant(&known, given).map(Self).map_err(|why| Problem::of(&why))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let essence = given.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
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
                text
            } else {
                format!("a value of another type than expected at line {line} column {column}")
            })
        }
    }
}
