//! A connection to a server that is spoken to by hand: what is to be sent, and what has come.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection with both its buffers.
pub struct Pipe {
    stream: TcpStream,
    /// What the next [`Self::flush`] sends.
    pub out: Vec<u8>,
    buffer: Vec<u8>,
    read: usize,
}

// === impl Pipe ===

impl Pipe {
    /// Connects to a port of loopback.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connect to the server")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, out: Vec::new(), buffer: Vec::new(), read: 0 })
    }

    /// Sends what is to be sent.
    pub async fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// What has come and was not taken.
    pub fn peek(&self) -> &[u8] {
        &self.buffer[self.read..]
    }

    /// Waits for so many bytes; there may be more.
    pub async fn await_bytes(&mut self, least: usize) -> Result<&[u8]> {
        while self.peek().len() < least {
            self.more().await?;
        }
        Ok(self.peek())
    }

    /// Waits until anything more has come.
    pub async fn more(&mut self) -> Result<()> {
        self.buffer.drain(..self.read);
        self.read = 0;
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }

    /// Takes bytes that have come.
    pub fn take(&mut self, count: usize) {
        self.read += count;
    }
}
