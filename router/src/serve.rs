//! Serves the two APIs on their listeners, within bounds: connections, the time for a request's head, and the end.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use dnc_meta::Gathered;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::admission::{Admission, AdmitLayer};
use crate::run::Error;

/// How often an idle gRPC connection is asked whether it lives, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Calls that one gRPC connection may have open.
const MAX_STREAMS: u32 = 1_024;
/// What may be under way to the router on one gRPC stream, and on one connection, bytes.
const STREAM_BYTES: u32 = 1 << 20;
const CONNECTION_BYTES: u32 = 8 << 20;
/// Pause after a connection could not be taken, for want of file descriptors for example.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection that was taken in.
pub struct Connection {
    socket: TcpStream,
    _place: OwnedSemaphorePermit,
}

/// Serves gRPC until `stop`.
pub fn serve_grpc(
    listener: TcpListener,
    services: tonic::service::Routes,
    admission: Admission,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Error>> + Send {
    let connections = futures::stream::unfold((listener, admission.clone()), async |(listener, admission)| {
        let connection = accept(&listener, &admission).await;
        Some((Ok::<_, io::Error>(Gathered::new(connection)), (listener, admission)))
    });
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
        .layer(AdmitLayer(admission))
        .add_routes(services)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned());
    async { served.await.map_err(|why| Error::Serve("gRPC", why.into())) }
}

/// Serves HTTP until `stop`; then ends what is under way. A request's head must be there within `head`.
pub async fn serve_http(
    listener: TcpListener,
    app: axum::Router,
    admission: Admission,
    head: Duration,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            connection = accept(&listener, &admission) => {
                connections.spawn(converse(connection, app.clone(), head, stop.clone()));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Answers the requests of one HTTP connection.
async fn converse(connection: Connection, app: axum::Router, head: Duration, stop: CancellationToken) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(app))
        .with_upgrades();
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // Callers leave, and some never say what they want.
        tracing::debug!(%error, "a connection ended");
    }
}

/// The next connection for which there is a place; the others are closed.
async fn accept(listener: &TcpListener, admission: &Admission) -> Connection {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                if let Some(place) = admission.connection() {
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "set TCP_NODELAY");
                    }
                    return Connection { socket, _place: place };
                }
            }
            Err(error) => {
                tracing::debug!(%error, "accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

// === impl Connection ===

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.socket.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;
    use crate::options::Options;
    use crate::testing::Fake;

    /// Long enough for anything on loopback, however busy the machine is.
    const LONG: Duration = Duration::from_secs(10);

    async fn serve(head: Duration) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<Result<(), Error>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let options = Options { max_connections: 1, ..Options::default() };
        let admission = Admission::new(&options, Fake::founded());
        let app = axum::Router::new().route("/", get(async || "well"));
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve_http(listener, app, admission, head, stop.clone()));
        (address, stop, served)
    }

    /// All that the server says until it closes the connection.
    async fn heard(socket: &mut TcpStream) -> String {
        let mut text = String::new();
        // A connection that is reset is closed too.
        let _ = timeout(LONG, socket.read_to_string(&mut text)).await.expect("closed in time");
        text
    }

    #[tokio::test]
    async fn a_caller_that_does_not_say_what_it_wants_is_not_waited_for() {
        let (address, _stop, _served) = serve(Duration::from_millis(50)).await;
        let mut slow = TcpStream::connect(address).await.expect("connects");
        slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("sent");
        assert!(!heard(&mut slow).await.contains("well"));
    }

    #[tokio::test]
    async fn a_connection_beyond_the_bound_is_closed_and_one_that_ends_makes_room() {
        let (address, stop, served) = serve(LONG).await;
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let mut first = TcpStream::connect(address).await.expect("connects");
        first.write_all(&ask[..10]).await.expect("sent");
        let mut second = TcpStream::connect(address).await.expect("connects");
        assert_eq!(heard(&mut second).await, "");
        first.write_all(&ask[10..]).await.expect("sent");
        assert!(heard(&mut first).await.ends_with("well"));
        stop.cancel();
        timeout(LONG, served).await.expect("ends in time").expect("no panic").expect("no error");
    }
}
