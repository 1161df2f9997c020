//! What is asked of one node: questions of checks that come at about the same moment go in one call.
//!
//! A call costs many times what a question costs. Whoever asks leaves its questions here, and a task sends all that are there. It
//! waits for no time and for no answer: those who can run now get their turn, and then everything goes. So one check alone goes
//! at once, and a slow answer holds up nobody who asks later. Each question is answered as if it had come alone.

use std::mem;
use std::time::Duration;

use dnc_core::ids::NodeId;
use dnc_meta::nodes::{Line, addressed, client};
use dnc_proto::internal as wire;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

/// Questions that wait to be sent; whoever comes then waits for a place.
const MAX_WAITING: usize = 4_096;
/// Numbers that are put into one call; a check of more has a call of its own.
const MAX_TOGETHER: usize = 1_000;

/// A way to ask one node. Clones share it; its task ends with the last of them.
#[derive(Clone)]
pub struct Outbox {
    asks: mpsc::Sender<Ask>,
}

/// Who is asked, and how.
#[derive(Clone)]
struct To {
    line: Line,
    cluster: Option<u128>,
    node: NodeId,
}

/// The questions of one check.
struct Ask {
    message: wire::NodeCheckRequest,
    limit: Duration,
    reply: oneshot::Sender<Result<wire::NodeCheckResponse, Status>>,
}

/// Questions that go in one call.
struct Together {
    message: wire::NodeCheckRequest,
    numbers: usize,
    limit: Duration,
    /// How many of the questions are whose.
    replies: Vec<(usize, oneshot::Sender<Result<wire::NodeCheckResponse, Status>>)>,
}

// === impl Outbox ===

impl Outbox {
    /// Asks a node of this cluster over a connection.
    pub fn new(line: Line, cluster: Option<u128>, node: NodeId) -> Outbox {
        let (asks, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send_all(waiting, To { line, cluster, node }));
        Outbox { asks }
    }

    /// Asks. The call has this time from when it leaves; whoever asks limits the whole.
    pub async fn check(
        &self,
        message: wire::NodeCheckRequest,
        limit: Duration,
    ) -> Result<wire::NodeCheckResponse, Status> {
        let (reply, answer) = oneshot::channel();
        let gone = || Status::unavailable("the connection was given up");
        self.asks.send(Ask { message, limit, reply }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn send_all(mut waiting: mpsc::Receiver<Ask>, to: To) {
    while let Some(first) = waiting.recv().await {
        // Whoever is about to ask goes along.
        tokio::task::yield_now().await;
        let mut together = Together::of(first);
        while let Ok(next) = waiting.try_recv() {
            if let Some(other) = together.take(next) {
                tokio::spawn(mem::replace(&mut together, Together::of(other)).send(to.clone()));
            }
        }
        tokio::spawn(together.send(to.clone()));
    }
}

// === impl Together ===

impl Together {
    fn of(ask: Ask) -> Together {
        let replies = vec![(ask.message.questions.len(), ask.reply)];
        Together { numbers: numbers(&ask.message), message: ask.message, limit: ask.limit, replies }
    }

    /// Takes another check's questions along; gives back what does not fit.
    fn take(&mut self, ask: Ask) -> Option<Ask> {
        let more = numbers(&ask.message);
        if ask.message.view != self.message.view || self.numbers + more > MAX_TOGETHER {
            return Some(ask);
        }
        self.numbers += more;
        self.limit = self.limit.max(ask.limit);
        self.replies.push((ask.message.questions.len(), ask.reply));
        self.message.questions.extend(ask.message.questions);
        self.message.request_id.push(',');
        self.message.request_id.push_str(&ask.message.request_id);
        None
    }

    async fn send(self, to: To) {
        let questions = self.message.questions.len();
        let request = addressed(to.cluster, to.node, self.message, self.limit);
        let mut client = client(to.line);
        let answered = tokio::time::timeout(self.limit, client.check(request)).await;
        let silent = || Err(Status::deadline_exceeded("the node did not answer"));
        // Whoever does not wait any more needs no answer.
        match answered.unwrap_or_else(|_| silent()).map(tonic::Response::into_inner) {
            Ok(response) => {
                let (view, node) = (response.view, response.node);
                let mut answers =
                    if response.answers.len() == questions { response.answers } else { Vec::new() }.into_iter();
                for (count, reply) in self.replies {
                    let answers = answers.by_ref().take(count).collect();
                    let _ = reply.send(Ok(wire::NodeCheckResponse { answers, view, node }));
                }
            }
            Err(status) => {
                for (_, reply) in self.replies {
                    let _ = reply.send(Err(status.clone()));
                }
            }
        }
    }
}

fn numbers(message: &wire::NodeCheckRequest) -> usize {
    message.questions.iter().map(wire::ShardQuestion::count).sum()
}
