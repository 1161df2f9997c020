//! A connection whose writes wait for their turn, so that what many calls have to say goes in one packet.
//!
//! The runtime runs next whoever was woken last. Without this a connection writes as soon as the first of many answers is there, and
//! again after each of the others: a system call for each, which costs more than most answers do. Here a write first lets
//! everything run that can run now. A connection that is alone with its answer loses one turn through the runtime's queue.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

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

    /// Lets the others have their turn once before each write.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waited {
            return Poll::Ready(());
        }
        self.waited = true;
        // A task that wakes itself goes to the end of the queue.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
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
        self.poll_written(context, |connection, context| connection.poll_write(context, bytes))
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
        self.poll_written(context, |connection, context| connection.poll_write_vectored(context, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_write_lets_those_go_first_that_can_run_now() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut gathered = Gathered::new(ours);
        let writes = tokio::spawn({
            let order = Arc::clone(&order);
            async move {
                for at in 0..2 {
                    let order_of = Arc::clone(&order);
                    tokio::spawn(async move { order_of.lock().push(format!("answer {at}")) });
                    gathered.write_all(b"x").await.expect("there is room");
                    order.lock().push(format!("write {at}"));
                }
            }
        });
        writes.await.expect("no panic");
        assert_eq!(*order.lock(), ["answer 0", "write 0", "answer 1", "write 1"]);
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.expect("closed");
        assert_eq!(read, "xx");
    }

    #[tokio::test]
    async fn a_write_that_finds_no_room_goes_on_when_there_is_some() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut gathered = Gathered::new(ours);
        let written = tokio::spawn(async move { gathered.write_all(b"0123456789").await });
        let mut read = [0; 10];
        theirs.read_exact(&mut read).await.expect("all of it");
        assert_eq!(&read, b"0123456789");
        written.await.expect("no panic").expect("no error");
    }
}
