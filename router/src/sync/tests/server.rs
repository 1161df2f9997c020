//! A web server that answers as it is told, byte by byte: well, badly, half, or not at all.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone)]
pub struct Reply {
    bytes: String,
    stall: bool,
}

/// A server on loopback, until the test ends.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

// === impl Reply ===

impl Reply {
    /// A status with headers, each ending in a line break, and no body.
    pub fn status(status: &str, headers: &str) -> Self {
        Self::raw(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}Connection: close\r\n\r\n"))
    }

    /// A file.
    pub fn file(content: &str) -> Self {
        Self::with_headers(content, "")
    }

    /// A file with headers, each ending in a line break.
    pub fn with_headers(content: &str, headers: &str) -> Self {
        let length = content.len();
        Self::raw(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{content}"
        ))
    }

    /// These bytes, and then the end.
    pub fn raw(bytes: &str) -> Self {
        Self { bytes: bytes.into(), stall: false }
    }

    /// These bytes, and then silence.
    pub fn silence_after(bytes: &str) -> Self {
        Self { bytes: bytes.into(), stall: true }
    }
}

// === impl Server ===

impl Server {
    /// Gives these answers in turn; the last one again and again.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start_with(move |_| if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }).await
    }

    /// Answers each request, head and all, by this.
    pub async fn start_with(mut answer: impl FnMut(&str) -> Option<Reply> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                let reply = answer(&request);
                seen.lock().push(request);
                if let Some(reply) = reply {
                    tokio::spawn(write(stream, reply));
                }
            }
        });
        Self { address, requests }
    }

    /// A URL on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// The head of a request.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn write(mut stream: TcpStream, reply: Reply) {
    if stream.write_all(reply.bytes.as_bytes()).await.is_ok() && reply.stall {
        // Until the other side gives up.
        let _ = stream.read_u8().await;
    }
}
