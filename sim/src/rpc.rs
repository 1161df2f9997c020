//! The product's gRPC calls over the simulated network: the messages are the product's, the transport is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dnc_core::codec;
use dnc_meta::nodes::{Dial, Line};
use dnc_proto::internal::node_service_server::{NodeService, NodeServiceServer};
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::{Deserialize, Serialize};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::codegen::{Service, StdError};

use crate::net::Port;

/// Longest that an answer is waited for: callers have shorter limits of their own.
const LIMIT: Duration = Duration::from_secs(10);
/// What paths of such calls begin with.
pub const PREFIX: &str = "/dnc.internal.v1.NodeService/";

type Pairs = Vec<(String, Vec<u8>)>;

/// A request, or a response, as it crosses the network.
#[derive(Serialize, Deserialize)]
struct Message {
    headers: Pairs,
    body: Vec<u8>,
    trailers: Pairs,
}

#[derive(Clone)]
struct Caller {
    port: Port,
    host: String,
}

/// Reaches nodes from this host: an address is a host's name and a port that nobody looks at.
pub fn dial(port: Port) -> Dial {
    Arc::new(move |address| {
        let host = address.split(':').next().unwrap_or_default().to_owned();
        Ok(Line::stand_in(Caller { port: port.clone(), host }))
    })
}

/// Answers one call.
pub async fn serve<S: NodeService>(
    mut server: NodeServiceServer<S>,
    path: &str,
    message: &[u8],
) -> Result<Vec<u8>, String> {
    let message: Message = codec::decode(message).map_err(|error| error.to_string())?;
    let body = Body::new(Full::new(Bytes::from(message.body)));
    let mut request = Request::builder().method("POST").uri(path).body(body).map_err(|error| error.to_string())?;
    *request.headers_mut() = map_of(message.headers);
    let Ok(response) = server.call(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?;
    let trailers = body.trailers().map(pairs_of).unwrap_or_default();
    let message = Message { headers: pairs_of(&parts.headers), body: body.to_bytes().to_vec(), trailers };
    Ok(codec::encode(&message))
}

// === impl Caller ===

impl Caller {
    async fn carry(self, request: Request<Body>) -> Result<Response<Body>, StdError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        let message = Message { headers: pairs_of(&parts.headers), body, trailers: Pairs::new() };
        let answer = self.port.call(&self.host, parts.uri.path(), codec::encode(&message), LIMIT).await;
        let answer = match answer {
            Ok(answer) => codec::decode::<Message>(&answer)?,
            Err(error) => return Ok(Status::unavailable(error.to_string()).into_http()),
        };
        let mut frames = Vec::new();
        if !answer.body.is_empty() {
            frames.push(Ok::<_, Status>(http_body::Frame::data(Bytes::from(answer.body))));
        }
        if !answer.trailers.is_empty() {
            frames.push(Ok(http_body::Frame::trailers(map_of(answer.trailers))));
        }
        let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
        *response.headers_mut() = map_of(answer.headers);
        Ok(response)
    }
}

impl Service<Request<Body>> for Caller {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, StdError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}

/// In a fixed order: that of the map is not said anywhere.
fn pairs_of(headers: &HeaderMap) -> Pairs {
    let mut pairs: Pairs =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    pairs.sort();
    pairs
}

fn map_of(pairs: Pairs) -> HeaderMap {
    let header = |(name, value): (String, Vec<u8>)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&value).ok()?))
    };
    pairs.into_iter().filter_map(header).collect()
}
