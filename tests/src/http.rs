//! A small HTTP client for tests: one connection for each request, a deadline for all of it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Gets a path.
pub async fn get(server: SocketAddr, path: &str) -> Result<Response> {
    send(server, "GET", path, &[], Bytes::new()).await
}

/// Posts JSON.
pub async fn post(server: SocketAddr, path: &str, body: &serde_json::Value) -> Result<Response> {
    let headers = [("content-type", "application/json")];
    send(server, "POST", path, &headers, body.to_string()).await
}

/// Sends any request.
pub async fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Response> {
    let exchange = exchange(server, method, path, headers, body.into());
    tokio::time::timeout(LIMIT, exchange)
        .await
        .with_context(|| format!("no answer to {method} {path} within {LIMIT:?}"))?
        .with_context(|| format!("{method} {path} at {server}"))
}

async fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Response> {
    let stream = TcpStream::connect(server).await.context("connect")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("begin to speak HTTP")?;
    let connection = tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(method).uri(path).header("host", server.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).context("make the request")?;
    let answer = sender.send_request(request).await.context("send the request")?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body = answer.into_body().collect().await.context("read the answer")?.to_bytes();
    connection.abort();
    Ok(Response { status, headers, body })
}

// === impl Response ===

impl Response {
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("answer {} is not JSON: {}", self.status, self.text()))
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
