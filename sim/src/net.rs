//! Calls over datagrams: each message is delayed, lost or cut off on its own, and nothing is sent again by the network.
//!
//! That is harsher than TCP, over which the product's calls go: an answer can be lost alone, and calls overtake each
//! other. Every call has a limit.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dnc_core::codec;
use openraft_rt::AsyncRuntime;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;
use turmoil::net::UdpSocket;

use crate::raft::Rt;
use crate::trace::Trace;

/// Where every host listens.
const PORT: u16 = 9_000;
/// Largest message, bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// A host's end of the network. Clones are the same end.
#[derive(Clone)]
pub struct Port {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    /// Held by a task of the host: it ends with the host's life, whoever else still knows this port.
    socket: Weak<UdpSocket>,
    trace: Trace,
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Answered>>>,
}

type Answered = Result<Vec<u8>, String>;

/// What answers the calls to a host.
pub type Handler = Arc<dyn Fn(String, Vec<u8>) -> Pin<Box<dyn Future<Output = Answered> + Send>> + Send + Sync>;

#[derive(Serialize, Deserialize)]
enum Frame {
    Call { id: u64, path: String, body: Vec<u8> },
    Answer { id: u64, body: Answered },
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// None came in time: it may have been done.
    #[error("no answer in time")]
    TimedOut,
    /// Refused: not done.
    #[error("{0}")]
    Refused(String),
}

// === impl Port ===

impl Port {
    /// Opens the port of the host that this runs on. `life` tells its lives apart, so that no answer to an earlier one is
    /// taken for an answer to this one.
    pub async fn open(name: &str, life: u64, trace: Trace) -> io::Result<Port> {
        let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
        let inner = Inner {
            name: name.to_owned(),
            socket: Arc::downgrade(&socket),
            trace,
            next: AtomicU64::new(life << 32),
            waiting: Mutex::default(),
        };
        drop(Rt::spawn(async move {
            let _socket = socket;
            std::future::pending::<()>().await;
        }));
        Ok(Port { inner: Arc::new(inner) })
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Calls another host.
    pub async fn call(&self, to: &str, path: &str, body: Vec<u8>, limit: Duration) -> Result<Vec<u8>, CallError> {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (tx, rx) = oneshot::channel();
        self.inner.waiting.lock().insert(id, tx);
        let _waiting = Waiting { port: self, id };
        let to = SocketAddr::new(turmoil::lookup(to), PORT);
        self.send(to, &Frame::Call { id, path: path.to_owned(), body }).await;
        match timeout(limit, rx).await {
            Ok(Ok(answered)) => answered.map_err(CallError::Refused),
            Ok(Err(_)) | Err(_) => Err(CallError::TimedOut),
        }
    }

    /// Answers calls, for ever.
    pub async fn serve(&self, handler: Handler) -> io::Result<()> {
        let mut buffer = vec![0; MESSAGE_BYTES];
        let socket = self.inner.socket.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            let bytes = &buffer[..length];
            self.inner.trace.bytes(bytes);
            match codec::decode(bytes).map_err(io::Error::other)? {
                Frame::Answer { id, body } => {
                    // Whoever asked may have given up.
                    if let Some(waiting) = self.inner.waiting.lock().remove(&id) {
                        let _ = waiting.send(body);
                    }
                }
                Frame::Call { id, path, body } => {
                    let answer = handler(path, body);
                    let port = self.clone();
                    drop(Rt::spawn(async move {
                        let body = answer.await;
                        // The sender's port is the one that it listens on.
                        port.send(from, &Frame::Answer { id, body }).await;
                    }));
                }
            }
        }
    }

    /// A message that cannot be sent is a lost one.
    async fn send(&self, to: SocketAddr, frame: &Frame) {
        if let Some(socket) = self.inner.socket.upgrade() {
            let _ = socket.send_to(&codec::encode(frame), to).await;
        }
    }
}

/// Forgets a call that nobody waits for any more.
struct Waiting<'a> {
    port: &'a Port,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.port.inner.waiting.lock().remove(&self.id);
    }
}
