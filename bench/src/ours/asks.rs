//! The ways to ask a router.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dnc_proto::v1;
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::lean::Lean;
use crate::drawn::{Asked, Drawn};
use crate::measure::{Count, Rate};

/// Connections of all works but the idle one.
pub const CONNECTIONS: usize = 4;
/// Bulks on their way on each connection.
const BULKS: usize = 2;

/// Many numbers a call, packed.
pub async fn packed(router: SocketAddr, size: usize, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
    let clients = connect(router, CONNECTIONS, BULKS).await?;
    let (drawn, count) = (RefCell::new(drawn), Count::over(window));
    let each = clients.into_iter().map(|mut client| {
        let (mut count, drawn) = (count.share(), &drawn);
        async move {
            let mut asked: Vec<Asked> = Vec::with_capacity(size);
            while count.goes_on() {
                asked.clear();
                asked.extend_from_slice(drawn.borrow_mut().many(size));
                let numbers = asked.iter().map(|one| one.digits).collect();
                let begun = Instant::now();
                let answer = client.packed(v1::PackedCheckRequest { numbers, ..Default::default() }).await?;
                count.answered(size, begun);
                ensure!(answer.verdicts.len() == size && !answer.answers.is_empty(), "an answer is missing");
                for (one, verdict) in asked.iter().zip(&answer.verdicts) {
                    let expected = if one.listed { v1::PackedVerdict::Listed } else { v1::PackedVerdict::Clear };
                    ensure!(i32::from(*verdict) == i32::from(expected), "a wrong answer: {verdict}");
                }
            }
            anyhow::Ok(count)
        }
    });
    Count::sum(try_join_all(each).await?)
}

/// One number a call.
pub async fn unary(
    router: SocketAddr,
    connections: usize,
    at_once: usize,
    drawn: &mut Drawn,
    window: Duration,
) -> Result<Rate> {
    let clients = connect(router, connections, at_once).await?;
    let (drawn, count) = (RefCell::new(drawn), Count::over(window));
    let each = clients.into_iter().map(|mut client| {
        let (mut count, drawn) = (count.share(), &drawn);
        async move {
            while count.goes_on() {
                let asked = drawn.borrow_mut().one();
                let request = request(asked);
                let begun = Instant::now();
                let answer = client.check(request).await?;
                count.answered(1, begun);
                ensure!(answer.verdict == expected(asked), "a wrong answer: {answer:?}");
            }
            anyhow::Ok(count)
        }
    });
    Count::sum(try_join_all(each).await?)
}

/// Streams on which as many numbers as fit the window are on their way.
pub async fn stream(router: SocketAddr, in_flight: usize, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
    let clients = connect(router, CONNECTIONS, 1).await?;
    let (drawn, count) = (RefCell::new(drawn), Count::over(window));
    let each = clients.into_iter().map(|mut client| {
        let (mut count, drawn) = (count.share(), &drawn);
        async move {
            let (requests, outgoing) = mpsc::channel(in_flight);
            let mut under_way = std::collections::VecDeque::with_capacity(in_flight);
            let send = |under_way: &mut std::collections::VecDeque<(Asked, Instant)>| -> Result<()> {
                let asked = drawn.borrow_mut().one();
                requests.try_send(request(asked)).context("the stream takes no more")?;
                under_way.push_back((asked, Instant::now()));
                Ok(())
            };
            for _ in 0..in_flight {
                send(&mut under_way)?;
            }
            let mut answers = client.stream(ReceiverStream::new(outgoing)).await?;
            while count.goes_on() {
                let answer = answers.message().await?.context("the stream ended")?;
                let (asked, begun) = under_way.pop_front().context("an answer to nothing")?;
                count.answered(1, begun);
                ensure!(answer.verdict == expected(asked), "a wrong answer: {answer:?}");
                send(&mut under_way)?;
            }
            anyhow::Ok(count)
        }
    });
    Count::sum(try_join_all(each).await?)
}

/// Many numbers a request, as JSON over HTTP/1.1.
pub async fn json(router: SocketAddr, size: usize, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
    let (drawn, count) = (RefCell::new(drawn), Count::over(window));
    let each = (0..CONNECTIONS * BULKS).map(|_| {
        let (mut count, drawn) = (count.share(), &drawn);
        async move {
            let mut stream = TcpStream::connect(router).await.context("connect to the router")?;
            stream.set_nodelay(true)?;
            let (mut body, mut answer) = (String::new(), Vec::new());
            while count.goes_on() {
                let listed = write_body(&mut body, drawn.borrow_mut().many(size));
                let begun = Instant::now();
                let head = format!(
                    "POST /api/v1/dnc/check/bulk HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(body.as_bytes()).await?;
                let found = read_answer(&mut stream, &mut answer).await?;
                count.answered(size, begun);
                let count_of = |what: &str| memchr::memmem::find_iter(found, what.as_bytes()).count();
                let verdicts = (count_of("\"verdict\":\"LISTED\""), count_of("\"verdict\":\"CLEAR\""));
                ensure!(verdicts == (listed, size - listed), "wrong answers: {verdicts:?}");
            }
            anyhow::Ok(count)
        }
    });
    Count::sum(try_join_all(each).await?)
}

/// Writes a request; how many of its numbers are listed.
fn write_body(body: &mut String, asked: &[Asked]) -> usize {
    body.clear();
    body.push_str("{\"phone_numbers\":[");
    for (at, one) in asked.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(body, "{comma}\"+{}\"", one.digits).expect("a string takes all");
    }
    body.push_str("]}");
    asked.iter().filter(|one| one.listed).count()
}

/// Reads one answer of known length; its body.
async fn read_answer<'a>(stream: &mut TcpStream, answer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    answer.clear();
    let head = loop {
        if let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(stream.read_buf(answer).await? > 0, "the router closed the connection");
    };
    let text = std::str::from_utf8(&answer[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).context("the answer has a length")?;
    let end = head + length.trim().parse::<usize>()?;
    while answer.len() < end {
        ensure!(stream.read_buf(answer).await? > 0, "the router closed the connection");
    }
    Ok(&answer[head..end])
}

/// So many connections, each as often as it is used at a time.
async fn connect(router: SocketAddr, connections: usize, at_once: usize) -> Result<Vec<Lean>> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = Lean::connect(router).await?;
        clients.extend(vec![client; at_once]);
    }
    Ok(clients)
}

fn request(asked: Asked) -> v1::CheckRequest {
    v1::CheckRequest { phone_number: format!("+{}", asked.digits), ..v1::CheckRequest::default() }
}

fn expected(asked: Asked) -> i32 {
    let verdict = if asked.listed { v1::Verdict::Listed } else { v1::Verdict::Clear };
    verdict.into()
}
