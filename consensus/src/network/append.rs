//! The leader's end of an append stream: requests are sent before earlier ones are answered,
//! answers come in order, and a stream on which nothing moves is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use openraft::OptionalSend;
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Streaming;

use crate::codec;
use crate::network::client::{describe, unreachable};
use crate::network::pool::{GroupGeneration, Loan, Pool, Purpose};
use crate::network::throttle::Throttle;
use crate::network::wire::{AppendRequest, AppendResponse};
use crate::raft_types::Types;
use crate::types::NodeId;

type Answer = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// Requests on their way, known to both directions of a stream.
struct Window {
    /// One permit for each request that may still be sent.
    free: Semaphore,
    sent: AtomicU64,
}

/// The answering direction.
struct Answers {
    pool: Arc<Pool>,
    to: NodeId,
    loan: Loan,
    window: Arc<Window>,
    incoming: Streaming<AppendResponse>,
    received: u64,
    /// Nothing was owed at this moment, or an answer came.
    progress_at: Instant,
}

/// Opens a stream and sends `input` on it, held back by the throttle of snapshots for as long as the peer `learns`. The
/// answers end after an error.
pub(crate) async fn open_append_stream<S, L>(
    pool: Arc<Pool>,
    to: NodeId,
    of: GroupGeneration,
    input: S,
    learns: L,
) -> Result<impl Stream<Item = Answer> + Send + use<S, L>, RPCError<Types>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    L: Fn() -> bool + Send + 'static,
{
    // Raft pauses after a failure when it is asked for the next request, and nowhere else: it is asked before anything can fail.
    let mut input = input.peekable();
    std::pin::Pin::new(&mut input).peek().await;
    let mut loan = pool.get(to, Purpose::Append).map_err(unreachable)?;
    let window = Arc::new(Window { free: Semaphore::new(pool.options.append_inflight_max), sent: AtomicU64::new(0) });
    let request = pool.envelope(to, of).seal(requests(input, window.clone(), pool.throttle.clone(), learns));
    let limit = Duration::from_millis(pool.options.rpc_ms + pool.options.connect_ms);
    let incoming = match tokio::time::timeout(limit, loan.client.append(request)).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => {
            pool.failed(&loan, &status);
            return Err(unreachable(describe(to, &status)).into());
        }
        Err(_) => return Err(unreachable(format!("node {to} opened no append stream within {limit:?}")).into()),
    };
    let answers = Answers { pool, to, loan, window, incoming, received: 0, progress_at: Instant::now() };
    Ok(stream::unfold(Some(answers), |answers| async move {
        let mut answers = answers?;
        match answers.next().await? {
            Ok(answer) => Some((Ok(answer), Some(answers))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// Encodes the requests, and holds them back while too many are unanswered.
fn requests<S, L>(
    input: S,
    window: Arc<Window>,
    throttle: Arc<Throttle>,
    learns: L,
) -> impl Stream<Item = AppendRequest> + Send + use<S, L>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    L: Fn() -> bool + Send + 'static,
{
    stream::unfold((input, window, throttle, learns), |(mut input, window, throttle, learns)| async move {
        window.free.acquire().await.ok()?.forget();
        let body = codec::encode(&input.next().await?);
        if learns() {
            throttle.take(body.len()).await;
        }
        window.sent.fetch_add(1, Ordering::SeqCst);
        Some((AppendRequest { body }, (input, window, throttle, learns)))
    })
}

// === impl Answers ===

impl Answers {
    async fn next(&mut self) -> Option<Answer> {
        let limit = Duration::from_millis(self.pool.options.append_progress_ms);
        loop {
            match tokio::time::timeout(limit / 8, self.incoming.message()).await {
                Ok(Ok(Some(answer))) => {
                    self.received += 1;
                    self.progress_at = Instant::now();
                    self.window.free.add_permits(1);
                    return Some(codec::decode(&answer.body).map_err(|error| unreachable(error).into()));
                }
                Ok(Ok(None)) => return None,
                Ok(Err(status)) => {
                    self.pool.failed(&self.loan, &status);
                    return Some(Err(unreachable(describe(self.to, &status)).into()));
                }
                Err(_) if self.window.sent.load(Ordering::SeqCst) == self.received => {
                    // Nothing is owed: an idle stream may stay open.
                    self.progress_at = Instant::now();
                }
                Err(_) if self.progress_at.elapsed() > limit => {
                    let reason = format!("node {} answered no append for {limit:?}", self.to);
                    return Some(Err(unreachable(reason).into()));
                }
                Err(_) => {}
            }
        }
    }
}
