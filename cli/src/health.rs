//! `dnc health`: whether a process is ready, by exit code. For an image that holds neither a shell nor curl: its health check
//! is the binary itself.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::output;

/// Exit code of a process that answers that it is not ready.
const NOT_READY: u8 = 1;
/// Time for the answer: a container's health check kills what takes longer.
const LIMIT: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are read; the first line is what counts.
const ANSWER_MAX: u64 = 4_096;

/// Arguments of `dnc health`.
#[derive(clap::Args)]
pub struct Health {
    /// Where the process serves /readyz and /healthz: a router's HTTP address, or the http_listen of a voter or a node.
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:7480")]
    address: String,
    /// Ask whether it lives instead.
    #[arg(long)]
    live: bool,
}

/// Asks, and says what was answered.
pub async fn run(asked: Health) -> Result<ExitCode> {
    let path = if asked.live { "/healthz" } else { "/readyz" };
    let answer = timeout(LIMIT, ask(&asked.address, path)).await;
    let answer = answer.with_context(|| format!("no answer within {} s", LIMIT.as_secs())).and_then(|done| done);
    let status = status_of(&answer.with_context(|| format!("ask {}{path}", asked.address))?)?;
    output::line(format_args!("{} answers {status} to {path}", asked.address))?;
    Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

async fn ask(address: &str, path: &str) -> Result<String> {
    let mut connection = TcpStream::connect(address).await.context("connect")?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.context("send the request")?;
    let mut answer = Vec::new();
    connection.take(ANSWER_MAX).read_to_end(&mut answer).await.context("read the answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status code in the first line of an HTTP answer.
fn status_of(answer: &str) -> Result<u16> {
    let words = answer.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    match words.as_slice() {
        [protocol, code, ..] if protocol.starts_with("HTTP/") => code.parse().context("read the status code"),
        _ => bail!("what answers does not speak HTTP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line_of_http_alone() {
        assert_eq!(status_of("HTTP/1.1 200 OK\r\n\r\nready\n").unwrap(), 200);
        assert_eq!(status_of("HTTP/1.0 503 Service Unavailable\r\n").unwrap(), 503);
        for text in ["", "PRI * HTTP/2.0", "HTTP/1.1 ok"] {
            assert!(status_of(text).is_err(), "{text}");
        }
    }
}
