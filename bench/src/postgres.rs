//! PostgreSQL: one table whose primary key is the number.
//!
//! Spoken to by hand (protocol 3.0, extended queries in the binary form, each statement prepared once), so that the client
//! costs less than the server.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dnc_core::generate::NationalList;
use futures::future::try_join_all;
use nix::unistd::{User, geteuid};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::drawn::{Asked, Drawn};
use crate::measure::{Count, Rate};
use crate::pipe::Pipe;
use crate::server::Server;

/// Who owns the database. PostgreSQL does not run as root.
const USER: &str = "postgres";
/// Where Debian keeps the programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Connections that ask for single numbers, and in bulk.
const CLIENTS: usize = 16;
const BULK_CLIENTS: usize = 4;
/// Type ids of a `bigint` and of an array of them.
const BIGINT: u32 = 20;
const BIGINT_ARRAY: u32 = 1_016;
/// Bytes of one piece of a load.
const PIECE: usize = 1 << 20;

/// Time for the server to take connections, and how often that is tried.
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// How numbers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `WHERE number = $1`.
    One,
    /// `WHERE number = ANY($1)`, so many at a time.
    Any(usize),
}

/// A running PostgreSQL with the numbers in it.
pub struct Postgres {
    port: u16,
    _server: Server,
    _folder: TempDir,
}

struct Connection(Pipe);

// === impl Postgres ===

impl Postgres {
    /// Makes a database and starts it.
    pub async fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("dnc-bench-postgres-").tempdir()?;
        let owner = User::from_name(USER)?.filter(|_| geteuid().is_root());
        if let Some(owner) = &owner {
            nix::unistd::chown(folder.path(), Some(owner.uid), Some(owner.gid)).context("give the folder away")?;
        }
        let as_owner = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir("/");
            if let Some(owner) = &owner {
                command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
            }
            command
        };
        let data = folder.path().join("data");
        let mut make = as_owner("initdb");
        make.arg("--pgdata").arg(&data).args(["--username", USER, "--auth", "trust", "--encoding", "UTF8"]);
        ensure!(make.stdout(Stdio::null()).status().context("run initdb")?.success(), "initdb failed");
        let port = dnc_tests::ports::free()?.port();
        let mut command = as_owner("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", ""]);
        // All of the table in memory, and nothing of what would slow the load down: only reading is measured.
        for setting in [
            "listen_addresses=127.0.0.1",
            "shared_buffers=2GB",
            "fsync=off",
            "max_wal_size=8GB",
            "jit=off",
            "autovacuum=off",
        ] {
            command.args(["-c", setting]);
        }
        let server = Server::start("postgres", command, port).await?;
        Ok(Self { port, _server: server, _folder: folder })
    }

    /// Puts the numbers in; the bytes of the table with its index.
    pub async fn load(&self, list: &NationalList) -> Result<u64> {
        let mut connection = self.wait().await?;
        connection.simple("CREATE TABLE listed (number bigint)").await?;
        connection.message(b'Q', b"COPY listed FROM STDIN\0");
        connection.0.flush().await?;
        connection.until(b'G').await?;
        let mut piece = Vec::with_capacity(PIECE + 32);
        for number in list.ascending() {
            piece.extend_from_slice(number.to_u64().to_string().as_bytes());
            piece.push(b'\n');
            if piece.len() >= PIECE {
                connection.message(b'd', &piece);
                connection.0.flush().await?;
                piece.clear();
            }
        }
        connection.message(b'd', &piece);
        connection.message(b'c', b"");
        connection.0.flush().await?;
        connection.until(b'Z').await?;
        connection.simple("ALTER TABLE listed ADD PRIMARY KEY (number)").await?;
        connection.simple("VACUUM ANALYZE listed").await?;
        let rows = connection.simple("SELECT pg_total_relation_size('listed')").await?;
        let size = rows.first().context("it says its size")?;
        Ok(std::str::from_utf8(size)?.parse()?)
    }

    /// Asks as fast as answers come.
    pub async fn ask(&self, how: How, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
        let (clients, size) = match how {
            How::One => (CLIENTS, 1),
            How::Any(size) => (BULK_CLIENTS, size),
        };
        let mut connections = Vec::new();
        for _ in 0..clients {
            let mut connection = self.connect().await?;
            connection.prepare(how).await?;
            connections.push(connection);
        }
        let drawn = std::cell::RefCell::new(drawn);
        let count = Count::over(window);
        let each = connections.into_iter().map(|mut connection| {
            let (mut count, drawn) = (count.share(), &drawn);
            async move {
                let mut asked: Vec<Asked> = Vec::with_capacity(size);
                while count.goes_on() {
                    asked.clear();
                    asked.extend_from_slice(drawn.borrow_mut().many(size));
                    let begun = Instant::now();
                    let mut found = connection.ask(how, &asked).await?;
                    count.answered(size, begun);
                    let mut listed: Vec<u64> = asked.iter().filter(|one| one.listed).map(|one| one.digits).collect();
                    found.sort_unstable();
                    listed.sort_unstable();
                    listed.dedup();
                    ensure!(found == listed, "a wrong answer");
                }
                anyhow::Ok(count)
            }
        });
        Count::sum(try_join_all(each).await?)
    }

    /// Opens the first connection: the server takes some time until it answers.
    async fn wait(&self) -> Result<Connection> {
        let deadline = Instant::now() + START;
        loop {
            match self.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) if Instant::now() >= deadline => return Err(error.context("PostgreSQL does not start")),
                Err(_) => sleep(LOOK).await,
            }
        }
    }

    async fn connect(&self) -> Result<Connection> {
        let mut connection = Connection(Pipe::connect(self.port).await?);
        let mut start = 196_608_u32.to_be_bytes().to_vec();
        start.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        connection.0.out.extend_from_slice(&(start.len() as u32 + 4).to_be_bytes());
        connection.0.out.extend_from_slice(&start);
        connection.0.flush().await?;
        connection.until(b'Z').await?;
        Ok(connection)
    }
}

/// The newest programs that there are.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).context("PostgreSQL is missing: deploy/setup.sh --bench")?;
    let newest =
        versions.flatten().map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file());
    newest.max_by_key(|bin| version(bin)).context("PostgreSQL is missing: deploy/setup.sh --bench")
}

fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

// === impl Connection ===

impl Connection {
    fn message(&mut self, kind: u8, body: &[u8]) {
        self.0.out.push(kind);
        self.0.out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        self.0.out.extend_from_slice(body);
    }

    async fn prepare(&mut self, how: How) -> Result<()> {
        let (query, kind) = match how {
            How::One => ("SELECT number FROM listed WHERE number = $1", BIGINT),
            How::Any(_) => ("SELECT number FROM listed WHERE number = ANY($1)", BIGINT_ARRAY),
        };
        let mut parse = b"s\0".to_vec();
        parse.extend_from_slice(query.as_bytes());
        parse.push(0);
        parse.extend_from_slice(&1_u16.to_be_bytes());
        parse.extend_from_slice(&kind.to_be_bytes());
        self.message(b'P', &parse);
        self.message(b'S', b"");
        self.0.flush().await?;
        self.until(b'Z').await.map(drop)
    }

    /// The numbers that are there.
    async fn ask(&mut self, how: How, asked: &[Asked]) -> Result<Vec<u64>> {
        let mut value = Vec::with_capacity(asked.len() * 12 + 20);
        if matches!(how, How::Any(_)) {
            // One dimension, no nulls, of bigints, so many, counted from 1.
            for word in [1, 0, BIGINT, asked.len() as u32, 1] {
                value.extend_from_slice(&word.to_be_bytes());
            }
        }
        for one in asked {
            if matches!(how, How::Any(_)) {
                value.extend_from_slice(&8_u32.to_be_bytes());
            }
            value.extend_from_slice(&one.digits.to_be_bytes());
        }
        // The unnamed portal of statement `s`: one parameter, binary, and binary results.
        let mut bind = b"\0s\0\0\x01\0\x01\0\x01".to_vec();
        bind.extend_from_slice(&(value.len() as u32).to_be_bytes());
        bind.extend_from_slice(&value);
        bind.extend_from_slice(b"\0\x01\0\x01");
        self.message(b'B', &bind);
        self.message(b'E', b"\0\0\0\0\0");
        self.message(b'S', b"");
        self.0.flush().await?;
        let rows = self.until(b'Z').await?;
        rows.iter().map(|row| Ok(u64::from_be_bytes(row.as_slice().try_into().context("a row is a bigint")?))).collect()
    }

    async fn simple(&mut self, query: &str) -> Result<Vec<Vec<u8>>> {
        let mut text = query.as_bytes().to_vec();
        text.push(0);
        self.message(b'Q', &text);
        self.0.flush().await?;
        self.until(b'Z').await
    }

    /// Reads up to a message of this kind; the first column of each row on the way.
    async fn until(&mut self, last: u8) -> Result<Vec<Vec<u8>>> {
        let mut rows = Vec::new();
        loop {
            let head = self.0.await_bytes(5).await?;
            let kind = head[0];
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let body = &self.0.await_bytes(1 + length).await?[5..=length];
            match kind {
                b'E' => bail!("PostgreSQL says {}", String::from_utf8_lossy(body)),
                // So many columns, then the length of each and its bytes.
                b'D' => rows.push(body.get(6..).context("a row has a column")?.to_vec()),
                _ => {}
            }
            self.0.take(1 + length);
            if kind == last {
                return Ok(rows);
            }
        }
    }
}
