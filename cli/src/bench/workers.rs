//! The ways to ask. A worker asks until the window ends and gives back what it counted.

use std::future::Future;
use std::time::{Duration, Instant};

use dnc_proto::v1::{BulkCheckRequest, BulkItem, CheckRequest, PackedCheckRequest};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::Load;
use super::load::{Client, Source, Window};
use super::population::Generated;
use super::tally::Tally;

/// After a failure a worker waits this long, so that a router that refuses is not asked in a busy loop.
const BACK_OFF: Duration = Duration::from_millis(10);

/// One number a request.
pub async fn unary(mut client: Client, mut source: Source, load: &Load, window: Window) -> Tally {
    let mut tally = Tally::new();
    while Instant::now() < window.end {
        let asked = source.draw();
        let request = CheckRequest { phone_number: asked.text(), ..CheckRequest::default() };
        let begun = Instant::now();
        let answer = within(load.deadline(), client.check(request)).await;
        let now = Instant::now();
        let counts = window.counts(now);
        match answer {
            Ok(answer) if counts => {
                tally.answered(now - begun);
                tally.verdict(asked, answer.get_ref());
            }
            Ok(_) => {}
            Err(status) => failed(&mut tally, counts, &status).await,
        }
    }
    tally
}

/// Many numbers a request.
pub async fn bulk(mut client: Client, mut source: Source, load: &Load, window: Window) -> Tally {
    let mut tally = Tally::new();
    while Instant::now() < window.end {
        let asked: Vec<Generated> = (0..load.bulk_size).map(|_| source.draw()).collect();
        let items =
            asked.iter().map(|one| BulkItem { phone_number: one.text(), correlation_id: String::new() }).collect();
        let request = BulkCheckRequest { items, ..BulkCheckRequest::default() };
        let begun = Instant::now();
        let answer = within(load.deadline(), client.bulk_check(request)).await;
        let now = Instant::now();
        let counts = window.counts(now);
        match answer {
            Ok(answer) if answer.get_ref().results.len() != asked.len() => {
                failed(&mut tally, counts, &Status::data_loss("an answer is missing")).await;
            }
            Ok(answer) if counts => {
                tally.answered(now - begun);
                for (asked, answer) in asked.iter().zip(&answer.get_ref().results) {
                    tally.verdict(*asked, answer);
                }
            }
            Ok(_) => {}
            Err(status) => failed(&mut tally, counts, &status).await,
        }
    }
    tally
}

/// Many numbers a request, in the packed form.
pub async fn packed(mut client: Client, mut source: Source, load: &Load, window: Window) -> Tally {
    let mut tally = Tally::new();
    while Instant::now() < window.end {
        let asked: Vec<Generated> = (0..load.bulk_size).map(|_| source.draw()).collect();
        let numbers = asked.iter().map(|one| one.digits()).collect();
        let request = PackedCheckRequest { numbers, ..PackedCheckRequest::default() };
        let begun = Instant::now();
        let answer = within(load.deadline(), client.packed_check(request)).await;
        let now = Instant::now();
        let counts = window.counts(now);
        match answer {
            Ok(answer) if answer.get_ref().verdicts.len() != asked.len() => {
                failed(&mut tally, counts, &Status::data_loss("an answer is missing")).await;
            }
            Ok(answer) if counts => {
                tally.answered(now - begun);
                for (asked, verdict) in asked.iter().zip(&answer.get_ref().verdicts) {
                    tally.packed(*asked, *verdict);
                }
            }
            Ok(_) => {}
            Err(status) => failed(&mut tally, counts, &status).await,
        }
    }
    tally
}

/// Numbers as fast as answers come, a bounded number of them under way.
pub async fn stream(mut client: Client, mut source: Source, load: &Load, window: Window) -> Tally {
    let mut tally = Tally::new();
    while Instant::now() < window.end {
        if let Err(status) = one_stream(&mut client, &mut source, load, window, &mut tally).await {
            failed(&mut tally, window.counts(Instant::now()), &status).await;
        }
    }
    tally
}

/// One stream, until the window ends or the stream breaks.
async fn one_stream(
    client: &mut Client,
    source: &mut Source,
    load: &Load,
    window: Window,
    tally: &mut Tally,
) -> Result<(), Status> {
    let (requests, outgoing) = mpsc::channel(load.in_flight);
    // What is under way, in order: answers come in the order of the requests. Its bound is the window.
    let (under_way, mut asked) = mpsc::channel::<(Generated, Instant)>(load.in_flight);
    let ask = async move {
        while Instant::now() < window.end {
            let number = source.draw();
            let request = CheckRequest { phone_number: number.text(), ..CheckRequest::default() };
            // Either end closes when the stream has broken, which the other half tells.
            if under_way.send((number, Instant::now())).await.is_err() || requests.send(request).await.is_err() {
                return;
            }
        }
    };
    let listen = async move {
        let mut answers =
            within(load.deadline(), client.check_stream(ReceiverStream::new(outgoing))).await?.into_inner();
        while let Some(answer) = within(load.deadline(), answers.message()).await? {
            let now = Instant::now();
            let (number, begun) = asked.recv().await.ok_or_else(|| Status::internal("an answer to nothing"))?;
            if window.counts(now) {
                tally.answered(now - begun);
                tally.verdict(number, &answer);
            }
        }
        match asked.recv().await {
            None => Ok(()),
            Some(_) => Err(Status::data_loss("the stream ended before its answers")),
        }
    };
    // A half that ends lets its ends of the channels go, and with them the other half.
    let ((), done) = tokio::join!(ask, listen);
    done
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

async fn failed(tally: &mut Tally, counts: bool, status: &Status) {
    if counts {
        tally.failed(code(status.code()));
    }
    tokio::time::sleep(BACK_OFF).await;
}

fn code(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "cancelled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::Internal => "internal",
        Code::DataLoss => "data_loss",
        Code::Unimplemented => "unimplemented",
        _ => "other",
    }
}
