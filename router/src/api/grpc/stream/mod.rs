//! `CheckStream`: answers in request order, with a window of numbers being checked at once.
//!
//! What makes it fast is that numbers that wait together are judged together: whatever has arrived
//! while others are being judged goes down as one batch, and comes back as one.

mod judge;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use dnc_core::ids::TenantId;
use dnc_proto::{PreparedResponse, v1};
use futures::stream::FuturesOrdered;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::judge::{by_call, judge};
use crate::api::checks::Checks;
use crate::cluster::Cluster;
use crate::options::STREAM_WINDOW;

/// Answers on their way out. Dropping it ends the checking.
pub struct Answers {
    batches: mpsc::Receiver<Result<Batch, Status>>,
    /// The batch that is leaving.
    leaving: Option<Batch>,
}

/// Answers that were judged together. They hold their room in the window until the last of them has left.
struct Batch {
    responses: vec::IntoIter<PreparedResponse>,
    _room: OwnedSemaphorePermit,
}

impl Stream for Answers {
    type Item = Result<PreparedResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(response) = self.leaving.as_mut().and_then(|batch| batch.responses.next()) {
                return Poll::Ready(Some(Ok(response)));
            }
            self.leaving = None;
            match ready!(self.batches.poll_recv(cx)) {
                Some(Ok(batch)) => self.leaving = Some(batch),
                Some(Err(why)) => return Poll::Ready(Some(Err(why))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Answers the requests of a stream, in their order, until it ends, the caller leaves or the router stops.
pub fn answers<C: Cluster>(
    checks: Checks<C>,
    request_id: String,
    tenant: TenantId,
    stop: CancellationToken,
    requests: impl Stream<Item = Result<v1::CheckRequest, Status>> + Send + Unpin + 'static,
) -> Answers {
    // Each batch holds room for one answer at least, so there are never more of them; and one place for how the stream ends.
    let (sender, batches) = mpsc::channel(STREAM_WINDOW + 1);
    tokio::spawn(async move {
        let gone = sender.clone();
        tokio::select! {
            () = pump(checks, request_id, tenant, stop, requests, sender) => {}
            () = gone.closed() => {}
        }
    });
    Answers { batches, leaving: None }
}

async fn pump<C: Cluster>(
    checks: Checks<C>,
    request_id: String,
    tenant: TenantId,
    stop: CancellationToken,
    mut requests: impl Stream<Item = Result<v1::CheckRequest, Status>> + Send + Unpin,
    sender: mpsc::Sender<Result<Batch, Status>>,
) {
    // Of what is being judged and of what has not left yet: a caller that reads slowly is not worked for beyond it.
    let window = Arc::new(Semaphore::new(STREAM_WINDOW));
    let mut pending = FuturesOrdered::new();
    let mut end: Option<Result<(), Status>> = None;
    loop {
        // Looked at once: the window may get room between two looks, and then nothing would be waited for.
        let has_room = window.available_permits() > 0;
        tokio::select! {
            // Answers first: what is done leaves before more is taken in.
            biased;
            Some(batch) = pending.next() => {
                if sender.send(Ok(batch)).await.is_err() {
                    return;
                }
            }
            first = requests.next(), if end.is_none() && has_room => {
                let mut batch = Vec::new();
                end = gather(first, &mut requests, &mut batch, window.available_permits());
                // Numbers of one batch are judged for one call's brand and campaign.
                for batch in by_call(batch) {
                    let room = u32::try_from(batch.len()).ok().and_then(|n| window.clone().try_acquire_many_owned(n).ok());
                    let room = room.expect("no more is gathered than has room, and nobody else takes any");
                    let judged = judge(checks.clone(), request_id.clone(), tenant, batch);
                    pending.push_back(judged.map(|responses| Batch { responses: responses.into_iter(), _room: room }));
                }
            }
            _ = window.acquire(), if end.is_none() && !has_room => {}
            () = stop.cancelled(), if end.is_none() => {
                end = Some(Err(Status::unavailable("this router stops")));
            }
            else => break,
        }
    }
    if let Some(Err(why)) = end {
        // The caller may have left; then nobody misses the error.
        let _ = sender.send(Err(why)).await;
    }
}

/// Takes a request and all that have arrived behind it, as many as fit; says if and how the stream ended.
fn gather(
    first: Option<Result<v1::CheckRequest, Status>>,
    requests: &mut (impl Stream<Item = Result<v1::CheckRequest, Status>> + Unpin),
    batch: &mut Vec<v1::CheckRequest>,
    room: usize,
) -> Option<Result<(), Status>> {
    let mut next = first;
    loop {
        match next {
            None => return Some(Ok(())),
            Some(Err(why)) => return Some(Err(why)),
            Some(Ok(request)) => batch.push(request),
        }
        if batch.len() == room {
            return None;
        }
        match requests.next().now_or_never() {
            Some(arrived) => next = arrived,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Fake, clear, listed, number};
    use dnc_core::tenant::DEFAULT_TENANT_ID as TENANT;

    fn ask(phone_number: &str, correlation_id: &str) -> Result<v1::CheckRequest, Status> {
        Ok(v1::CheckRequest {
            phone_number: phone_number.into(),
            correlation_id: correlation_id.into(),
            ..v1::CheckRequest::default()
        })
    }

    fn checks(fake: &Fake) -> Checks<Fake> {
        Checks::new(fake.clone(), Duration::from_secs(1))
    }

    #[tokio::test]
    async fn answers_come_in_request_order_and_a_bad_number_does_not_end_the_stream() {
        let fake = Fake::founded();
        fake.judge(number("2015550100"), listed("federal"));
        fake.judge(number("2015550101"), clear("federal"));
        let requests = futures::stream::iter([
            ask("2015550101", "0"),
            ask("nonsense", "1"),
            ask("2015550100", "2"),
            ask("2015550101", "3"),
        ]);
        let got: Vec<_> = answers(checks(&fake), "r".into(), TENANT, CancellationToken::new(), requests)
            .map(|response| response.expect("an answer").into_message().expect("whole"))
            .map(|r| (r.correlation_id.clone(), r.verdict(), r.error.is_some()))
            .collect()
            .await;
        assert_eq!(
            got,
            [
                ("0".into(), v1::Verdict::Clear, false),
                ("1".into(), v1::Verdict::Unspecified, true),
                ("2".into(), v1::Verdict::Listed, false),
                ("3".into(), v1::Verdict::Clear, false),
            ]
        );
    }

    #[tokio::test]
    async fn numbers_that_wait_together_are_judged_together_up_to_the_window() {
        let fake = Fake::founded();
        let requests: Vec<_> = (0..600).map(|n| ask(&format!("201555{n:04}"), &n.to_string())).collect();
        let ids: Vec<_> =
            answers(checks(&fake), "r".into(), TENANT, CancellationToken::new(), futures::stream::iter(requests))
                .map(|response| response.expect("an answer").own.correlation_id)
                .collect()
                .await;
        let expected: Vec<_> = (0..600).map(|n: u32| n.to_string()).collect();
        assert_eq!(ids, expected);
        let batches: Vec<_> = fake.asked().iter().map(Vec::len).collect();
        assert!(batches.iter().all(|size| *size <= STREAM_WINDOW), "{batches:?}");
        assert!(batches.len() <= 6, "{batches:?}");
    }

    #[tokio::test]
    async fn a_caller_that_does_not_read_is_not_worked_for_beyond_the_window() {
        let fake = Fake::founded();
        let requests: Vec<_> = (0..600).map(|n| ask(&format!("201555{n:04}"), "")).collect();
        let mut answers =
            answers(checks(&fake), "r".into(), TENANT, CancellationToken::new(), futures::stream::iter(requests));
        let asked = || fake.asked().iter().map(Vec::len).sum::<usize>();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked(), STREAM_WINDOW);
        let mut read = 0;
        while let Some(answer) = answers.next().await {
            answer.expect("an answer");
            read += 1;
        }
        assert_eq!((read, asked()), (600, 600));
    }

    #[tokio::test]
    async fn an_error_of_the_stream_comes_after_the_answers_before_it() {
        let fake = Fake::founded();
        let requests = futures::stream::iter([ask("2015550100", "0"), Err(Status::cancelled("left"))]);
        let got: Vec<_> =
            answers(checks(&fake), "r".into(), TENANT, CancellationToken::new(), requests).collect().await;
        assert_eq!(got.len(), 2);
        assert!(got[0].is_ok());
        assert_eq!(got[1].as_ref().expect_err("the error").code(), tonic::Code::Cancelled);
    }

    #[tokio::test]
    async fn a_router_that_stops_ends_the_stream() {
        let stop = CancellationToken::new();
        let requests = futures::stream::pending();
        let mut answers = answers(checks(&Fake::founded()), "r".into(), TENANT, stop.clone(), requests);
        stop.cancel();
        let last = answers.next().await.expect("an end");
        assert_eq!(last.expect_err("an error").code(), tonic::Code::Unavailable);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn a_caller_that_leaves_ends_the_checking() {
        let fake = Fake::founded();
        let (sender, requests) = mpsc::channel(1);
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        drop(answers(checks(&fake), "r".into(), TENANT, CancellationToken::new(), requests));
        tokio::time::timeout(Duration::from_secs(5), sender.closed()).await.expect("the requests are dropped");
    }
}
