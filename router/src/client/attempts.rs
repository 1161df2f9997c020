//! The retry policy: which router is tried, for how long, and when another one is.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Status};

/// What each number of a bulk adds to the time for an attempt.
const EACH: Duration = Duration::from_micros(100);
/// The longest that an attempt may become by that.
const MAX_ATTEMPT: Duration = Duration::from_secs(1);

/// How long to try.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Time for one attempt.
    pub attempt: Duration,
    /// Time for all of them.
    pub total: Duration,
    /// Pause once all routers have failed in turn; it doubles each time around.
    pub pause: Duration,
}

// === impl Policy ===

impl Policy {
    /// The policy for a request about so many numbers: each is given a little more time, up to as much as a router itself
    /// has by default, and there is time for two attempts at least.
    pub fn for_numbers(self, count: usize) -> Policy {
        let more = EACH * u32::try_from(count).unwrap_or(u32::MAX);
        let attempt = (self.attempt + more).min(MAX_ATTEMPT).max(self.attempt);
        Policy { attempt, total: self.total.max(attempt * 2), ..self }
    }
}

/// Routers to try, beginning with the one that answered last.
#[derive(Clone)]
pub struct Attempts {
    routers: Arc<[Channel]>,
    current: Arc<AtomicUsize>,
}

/// What an attempt brought.
#[derive(Debug)]
pub struct Tried<T> {
    answer: T,
    /// How much of it is missing: if anything is, another router may know more.
    missing: u32,
}

/// Why no attempt brought an answer.
#[derive(Debug)]
pub struct Failed {
    /// What the last attempt ended with.
    pub status: Status,
    /// Whether one of the attempts, not only the last, may have been done although its answer did not come.
    pub maybe_done: bool,
}

// === impl Tried ===

impl<T> Tried<T> {
    /// An answer of which so much is missing; with zero it is final.
    pub fn scored(answer: T, missing: u32) -> Self {
        Self { answer, missing }
    }
}

/// Whether another router, or the same one later, may do better.
fn is_retryable(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => true,
        // A connection that broke in the middle of a call.
        Code::Unknown | Code::Internal => status.source().is_some(),
        _ => false,
    }
}

/// Whether the request may have been done all the same. Only two things say that it was not: that it never left, and a refusal.
fn may_be_done(status: &Status) -> bool {
    // A fault on the way back, or of the router, is no refusal.
    let fault = matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss);
    (fault || is_retryable(status)) && !never_left(status)
}

/// Whether the request reached nobody, because no connection opened.
fn never_left(status: &Status) -> bool {
    std::iter::successors(status.source(), |&error| error.source()).any(|error| error.is::<ConnectError>())
}

// === impl Attempts ===

impl Attempts {
    /// Tries these; there is one at least.
    pub fn new(routers: Arc<[Channel]>) -> Self {
        Self { routers, current: Arc::new(AtomicUsize::new(0)) }
    }

    /// Calls one router after the other by the policy. `call` is given a connection and the time that it has.
    pub async fn run<T, F>(&self, policy: Policy, call: impl Fn(Channel, Duration) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<Tried<T>, Status>>,
    {
        let count = self.routers.len();
        let first = self.current.load(Ordering::Relaxed);
        let attempt = |number: usize, limit: Duration| {
            let at = (first + number) % count;
            let tried = call(self.routers[at].clone(), limit);
            async move {
                let tried = tried.await;
                if tried.as_ref().is_ok_and(|tried| tried.missing == 0) {
                    self.current.store(at, Ordering::Relaxed);
                }
                tried
            }
        };
        retry(policy, attempt, count).await
    }

    /// A connection to the first router that says that it can answer.
    pub async fn first_alive(&self, limit: Duration) -> Result<Channel, Status> {
        let count = self.routers.len();
        let first = self.current.load(Ordering::Relaxed);
        let mut last = Status::unavailable("no router can be reached");
        for attempt in 0..count {
            let at = (first + attempt) % count;
            let channel = self.routers[at].clone();
            match timeout(limit, reach(channel.clone())).await {
                Ok(Ok(())) => {
                    self.current.store(at, Ordering::Relaxed);
                    return Ok(channel);
                }
                Ok(Err(status)) => last = status,
                Err(_) => last = Status::unavailable("the router did not answer in time"),
            }
        }
        Err(last)
    }
}

/// Makes attempts, one after the other, until one is final or the time is up; then the best answer counts, else the last error.
async fn retry<T, F>(policy: Policy, attempt: impl Fn(usize, Duration) -> F, around: usize) -> Result<T, Failed>
where
    F: Future<Output = Result<Tried<T>, Status>>,
{
    let deadline = Instant::now() + policy.total;
    let mut best: Option<Tried<T>> = None;
    let mut failed = Failed { status: Status::deadline_exceeded("no router answered in time"), maybe_done: false };
    let mut pause = policy.pause;
    for number in 0.. {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let limit = left.min(policy.attempt);
        match timeout(limit, attempt(number, limit)).await {
            Ok(Ok(tried)) if tried.missing == 0 => return Ok(tried.answer),
            Ok(Ok(tried)) => {
                if best.as_ref().is_none_or(|best| tried.missing < best.missing) {
                    best = Some(tried);
                }
            }
            Ok(Err(status)) => {
                failed.maybe_done |= may_be_done(&status);
                failed.status = status;
                if !is_retryable(&failed.status) {
                    return Err(failed);
                }
            }
            Err(_) => {
                failed.maybe_done = true;
                failed.status = Status::deadline_exceeded("the router did not answer in time");
            }
        }
        if (number + 1) % around == 0 {
            // All have had their turn: a moment's rest for them, and for this machine.
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(pause.min(left)).await;
            pause *= 2;
        }
    }
    best.map(|best| best.answer).ok_or(failed)
}

/// Asks a router whether it can answer: one that lives and does not know the cluster yet is no help.
async fn reach(channel: Channel) -> Result<(), Status> {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    let request = HealthCheckRequest::default();
    match HealthClient::new(channel).check(request).await?.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(Status::unavailable(format!("the router says that it is {}", other.as_str_name()))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const POLICY: Policy = Policy {
        attempt: Duration::from_millis(300),
        total: Duration::from_millis(1_000),
        pause: Duration::from_millis(5),
    };

    type Step = Result<Tried<&'static str>, Status>;

    /// Runs a script: what each attempt does, the last again and again. Gives the outcome and how many attempts there were.
    async fn run(script: &[Step]) -> (Result<&'static str, Failed>, usize) {
        let attempts = Cell::new(0);
        let attempt = |number: usize, _limit: Duration| {
            attempts.set(attempts.get() + 1);
            let step = match &script[number.min(script.len() - 1)] {
                Ok(tried) => Ok(Tried::scored(tried.answer, tried.missing)),
                Err(status) => Err(status.clone()),
            };
            async move {
                match step {
                    Err(status) if status.message() == "hang" => std::future::pending().await,
                    step => step,
                }
            }
        };
        let outcome = retry(POLICY, attempt, 2).await;
        (outcome, attempts.get())
    }

    fn done(answer: &'static str) -> Step {
        Ok(Tried::scored(answer, 0))
    }

    fn hang() -> Step {
        Err(Status::unavailable("hang"))
    }

    fn refused() -> Step {
        Err(Status::invalid_argument("no number"))
    }

    /// What tonic makes of a connection that does not open.
    fn never_left() -> Step {
        let mut status = Status::unavailable("connection refused");
        status.set_source(Arc::new(ConnectError("connection refused".into())));
        Err(status)
    }

    /// How a script ends that brings no answer: the last code, and whether it may have been done.
    async fn failure(script: &[Step]) -> (Code, bool) {
        let failed = run(script).await.0.expect_err("no answer");
        (failed.status.code(), failed.maybe_done)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_router_is_tried_on_an_error_and_on_a_timeout() {
        let started = Instant::now();
        let gone = Err(Status::unavailable("gone"));
        let (outcome, attempts) = run(&[gone, hang(), done("clear")]).await;
        assert_eq!(outcome.expect("an answer"), "clear");
        assert_eq!(attempts, 3);
        assert!(started.elapsed() < Duration::from_millis(400));
    }

    #[test]
    fn a_bulk_is_given_time_by_its_size_within_bounds_and_for_two_attempts() {
        let times = |count| {
            let policy = POLICY.for_numbers(count);
            (policy.attempt.as_millis(), policy.total.as_millis())
        };
        assert_eq!(times(1), (300, 1_000));
        assert_eq!(times(1_000), (400, 1_000));
        assert_eq!(times(5_000), (800, 1_600));
        assert_eq!(times(10_000), (1_000, 2_000));
        assert_eq!(times(usize::MAX), (1_000, 2_000));
    }

    #[tokio::test(start_paused = true)]
    async fn four_attempts_fit_into_the_second_and_then_it_is_over() {
        let started = Instant::now();
        let (outcome, attempts) = run(&[hang()]).await;
        assert_eq!(outcome.expect_err("no answer").status.code(), Code::DeadlineExceeded);
        assert_eq!(attempts, 4);
        assert_eq!(started.elapsed(), Duration::from_millis(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_with_something_missing_counts_only_if_no_better_one_comes() {
        let partly = |answer, missing| Ok(Tried::scored(answer, missing));
        let (outcome, attempts) = run(&[partly("some", 1), done("all")]).await;
        assert_eq!((outcome.expect("an answer"), attempts), ("all", 2));
        let (outcome, _) = run(&[partly("worse", 9), partly("better", 1), hang()]).await;
        assert_eq!(outcome.expect("an answer"), "better");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated() {
        let (outcome, attempts) = run(&[refused()]).await;
        assert_eq!(outcome.expect_err("refused").status.code(), Code::InvalidArgument);
        assert_eq!(attempts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_says_that_it_was_not_done_only_if_no_attempt_before_may_have_been() {
        assert_eq!(failure(&[refused()]).await, (Code::InvalidArgument, false));
        assert_eq!(failure(&[never_left(), refused()]).await, (Code::InvalidArgument, false));
        assert_eq!(failure(&[hang(), refused()]).await, (Code::InvalidArgument, true));
        let lost = || Err(Status::unavailable("gone"));
        assert_eq!(failure(&[lost(), never_left(), refused()]).await, (Code::InvalidArgument, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_left_was_not_done_and_what_met_a_fault_may_have_been() {
        assert_eq!(failure(&[never_left()]).await, (Code::Unavailable, false));
        assert_eq!(failure(&[never_left(), hang(), never_left()]).await, (Code::Unavailable, true));
        assert_eq!(failure(&[Err(Status::internal("a fault"))]).await, (Code::Internal, true));
    }
}
