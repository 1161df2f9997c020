//! A connection whose writes wait for their turn, so that what many calls have to say goes in one packet.
//!
//! A thread of the runtime runs next whoever was woken last. Without this a connection writes as soon as the first of many answers is
//! there, and again after each of the others: a system call for each, which costs more than most answers do. Here a small write
//! first goes to the end of its thread's queue. Another thread that has nothing to do may take it from there, and then it is
//! written at once, as if this were not here. A connection that is alone with its answer loses one turn.
//!
//! HTTP/2 hands payloads of 256 bytes and more over one by one, so answers with much evidence are gathered less.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// A write of so many bytes is worth a system call of its own.
const LARGE: usize = 1_024;

/// A connection that gathers what it writes.
#[derive(Debug)]
pub struct Gathered<S> {
    connection: S,
    /// The others had their turn since the last write.
    waited: bool,
}

// === impl Gathered ===

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Gathers what is written to this connection.
    pub fn new(connection: S) -> Self {
        Self { connection, waited: false }
    }

    /// Lets the others have their turn once before each write that is not large.
    fn poll_turn(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<()> {
        if self.waited || bytes >= LARGE {
            return Poll::Ready(());
        }
        self.waited = true;
        // A task that wakes itself goes to the end of the queue.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_written(
        &mut self,
        bytes: usize,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(bytes, context));
        let written = ready!(write(Pin::new(&mut self.connection), context));
        self.waited = false;
        Poll::Ready(written)
    }
}

impl<S: Connected> Connected for Gathered<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.connection.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_written(bytes.len(), context, |connection, context| connection.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = buffers.iter().map(|buffer| buffer.len()).sum();
        self.poll_written(bytes, context, |connection, context| connection.poll_write_vectored(context, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    /// Long enough for anything in memory.
    const LONG: Duration = Duration::from_secs(10);

    /// What happens when others can run while so many bytes are written, twice, in one call or in several buffers.
    async fn order(bytes: usize, vectored: bool) -> Vec<&'static str> {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let mut gathered = Gathered::new(ours);
        let writes = tokio::spawn({
            let order = Arc::clone(&order);
            async move {
                for _ in 0..2 {
                    let other = Arc::clone(&order);
                    tokio::spawn(async move { other.lock().push("another answer") });
                    let text = vec![b'x'; bytes];
                    let written = match vectored {
                        true => {
                            let halves = text.split_at(bytes / 2);
                            gathered.write_vectored(&[IoSlice::new(halves.0), IoSlice::new(halves.1)]).await
                        }
                        false => gathered.write(&text).await,
                    };
                    assert_eq!(written.expect("there is room"), bytes);
                    order.lock().push("written");
                }
            }
        });
        timeout(LONG, writes).await.expect("in time").expect("no panic");
        let mut read = Vec::new();
        timeout(LONG, theirs.read_to_end(&mut read)).await.expect("in time").expect("closed");
        assert_eq!(read.len(), 2 * bytes);
        std::mem::take(&mut *order.lock())
    }

    #[tokio::test]
    async fn a_small_write_lets_those_go_first_that_can_run_now() {
        for vectored in [false, true] {
            assert_eq!(order(LARGE - 1, vectored).await, ["another answer", "written", "another answer", "written"]);
        }
    }

    #[tokio::test]
    async fn a_large_write_waits_for_nobody() {
        for vectored in [false, true] {
            assert_eq!(order(LARGE, vectored).await[..2], ["written", "written"]);
        }
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_goes_on_when_there_is_some() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut gathered = Gathered::new(ours);
        let written = tokio::spawn(async move { gathered.write_all(b"0123456789").await });
        let mut read = [0; 10];
        timeout(LONG, theirs.read_exact(&mut read)).await.expect("in time").expect("all of it");
        assert_eq!(&read, b"0123456789");
        timeout(LONG, written).await.expect("in time").expect("no panic").expect("no error");
    }
}
