//! Redis: one set of all numbers, and sets of one block each, small enough that Redis packs them.
//!
//! Spoken to by hand: requests are written as they go over the wire, and of answers only the integers are read, so that the
//! client costs less than the server.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dnc_core::generate::NationalList;
use futures::future::try_join_all;
use tempfile::TempDir;

use crate::drawn::{Asked, Drawn};
use crate::measure::{Count, Rate};
use crate::pipe::Pipe;
use crate::server::Server;

/// The set of all numbers.
const ALL: &str = "all";
/// Members of one SADD.
const ADD_AT_ONCE: usize = 1_000;
/// Clients, as `redis-benchmark` has them by default.
const CLIENTS: usize = 50;
/// Connections that ask in bulk.
const BULK_CLIENTS: usize = 8;

/// How numbers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `SMISMEMBER`, of so many numbers.
    Many(usize),
    /// `SISMEMBER`, so many at once on each connection.
    Each(usize),
    /// The same in the sets of blocks.
    Packed(usize),
}

/// A running Redis with the numbers in it.
pub struct Redis {
    port: u16,
    _server: Server,
    _folder: TempDir,
}

struct Connection(Pipe);

// === impl Redis ===

impl Redis {
    /// Starts one, without persistence.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dnc-bench-redis-").tempdir()?;
        let port = dnc_tests::ports::free()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(folder.path());
        let server = Server::start("redis-server", command, port).await?;
        Ok(Self { port, _server: server, _folder: folder })
    }

    /// Puts the numbers in; what it takes in memory, bytes: as one set, and as sets of blocks.
    pub async fn load(&self, list: &NationalList) -> Result<(u64, u64)> {
        let mut connection = self.connect().await?;
        let empty = connection.memory().await?;
        let mut numbers = list.ascending().map(|number| number.to_u64()).peekable();
        while numbers.peek().is_some() {
            let some: Vec<u64> = numbers.by_ref().take(ADD_AT_ONCE).collect();
            connection.command("SADD", ALL, &some);
            connection.0.flush().await?;
            ensure!(connection.integer().await? == some.len() as i64, "a number was there already");
        }
        let one = connection.memory().await?;
        let mut numbers = list.ascending().map(|number| (number.block().0, u64::from(number.line()))).peekable();
        while let Some((block, line)) = numbers.next() {
            let mut lines = vec![line];
            while let Some((_, line)) = numbers.next_if(|(next, _)| *next == block) {
                lines.push(line);
            }
            connection.command("SADD", &block.to_string(), &lines);
            connection.0.flush().await?;
            connection.integer().await?;
        }
        Ok((one - empty, connection.memory().await? - one))
    }

    /// Asks as fast as answers come.
    pub async fn ask(&self, how: How, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
        let clients = if matches!(how, How::Many(_)) { BULK_CLIENTS } else { CLIENTS };
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(self.connect().await?);
        }
        let drawn = std::cell::RefCell::new(drawn);
        let count = Count::over(window);
        let each = connections.into_iter().map(|mut connection| {
            let (mut count, drawn) = (count.share(), &drawn);
            async move {
                let (How::Many(size) | How::Each(size) | How::Packed(size)) = how;
                let mut asked: Vec<Asked> = Vec::with_capacity(size);
                while count.goes_on() {
                    asked.clear();
                    asked.extend_from_slice(drawn.borrow_mut().many(size));
                    let begun = Instant::now();
                    connection.write(how, &asked);
                    connection.0.flush().await?;
                    if matches!(how, How::Many(_)) {
                        ensure!(connection.line(b'*').await? == size as i64, "an answer is missing");
                    }
                    for one in &asked {
                        ensure!((connection.integer().await? == 1) == one.listed, "a wrong answer");
                    }
                    count.answered(size, begun);
                }
                anyhow::Ok(count)
            }
        });
        Count::sum(try_join_all(each).await?)
    }

    async fn connect(&self) -> Result<Connection> {
        Pipe::connect(self.port).await.map(Connection)
    }
}

// === impl Connection ===

impl Connection {
    fn write(&mut self, how: How, asked: &[Asked]) {
        match how {
            How::Many(_) => self.command("SMISMEMBER", ALL, asked.iter().map(|one| &one.digits)),
            How::Each(_) => asked.iter().for_each(|one| self.command("SISMEMBER", ALL, [&one.digits])),
            How::Packed(_) => asked.iter().for_each(|one| {
                self.command("SISMEMBER", &(one.digits / 10_000).to_string(), [&(one.digits % 10_000)]);
            }),
        }
    }

    fn command<'a, I>(&mut self, name: &str, key: &str, members: I)
    where
        I: IntoIterator<Item = &'a u64, IntoIter: ExactSizeIterator>,
    {
        let members = members.into_iter();
        let out = &mut self.0.out;
        let written = write!(out, "*{}\r\n${}\r\n{name}\r\n${}\r\n{key}\r\n", members.len() + 2, name.len(), key.len());
        written.expect("a vector takes all");
        for member in members {
            let length = member.checked_ilog10().map_or(1, |log| log + 1);
            write!(out, "${length}\r\n{member}\r\n").expect("a vector takes all");
        }
    }

    async fn integer(&mut self) -> Result<i64> {
        self.line(b':').await
    }

    /// The number on the next line, which begins with this byte.
    async fn line(&mut self, kind: u8) -> Result<i64> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.0.peek()) {
                let line = &self.0.peek()[..end];
                let digits = std::str::from_utf8(line.get(1..).unwrap_or_default())?.trim_end();
                if line.first() != Some(&kind) {
                    bail!("Redis says {digits}");
                }
                let value = digits.parse()?;
                self.0.take(end + 1);
                return Ok(value);
            }
            self.0.more().await?;
        }
    }

    /// Bytes that Redis has taken.
    async fn memory(&mut self) -> Result<u64> {
        self.0.out.extend_from_slice(b"INFO memory\r\n");
        self.0.flush().await?;
        let length = usize::try_from(self.line(b'$').await?)?;
        let text = String::from_utf8_lossy(&self.0.await_bytes(length + 2).await?[..length]).into_owned();
        self.0.take(length + 2);
        let used = text.lines().find_map(|line| line.strip_prefix("used_memory:")).context("it says what it uses")?;
        Ok(used.trim().parse()?)
    }
}
