//! The retry policy: which router is tried, for how long, and when another one is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

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
    /// How much of it is missing: with zero it is final, else another router may know more.
    missing: u32,
}

// === impl Tried ===

impl<T> Tried<T> {
    /// An answer that is final.
    pub fn done(answer: T) -> Self {
        Self { answer, missing: 0 }
    }

    /// An answer of which so much is missing.
    pub fn scored(answer: T, missing: u32) -> Self {
        Self { answer, missing }
    }
}

/// Whether another router, or the same one later, may do better.
pub fn is_retryable(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => true,
        // A connection that broke in the middle of a call.
        Code::Unknown | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

// === impl Attempts ===

impl Attempts {
    /// Tries these; there is one at least.
    pub fn new(routers: Arc<[Channel]>) -> Self {
        Self { routers, current: Arc::new(AtomicUsize::new(0)) }
    }

    /// Calls one router after the other by the policy. `call` is given a connection and the time that it has.
    pub async fn run<T>(
        &self,
        policy: Policy,
        call: impl AsyncFn(Channel, Duration) -> Result<Tried<T>, Status>,
    ) -> Result<T, Status> {
        let count = self.routers.len();
        let first = self.current.load(Ordering::Relaxed);
        retry(
            policy,
            |attempt| {
                let at = (first + attempt) % count;
                let channel = self.routers[at].clone();
                let call = &call;
                async move |limit: Duration| {
                    let tried = call(channel, limit).await;
                    if tried.as_ref().is_ok_and(|tried| tried.missing == 0) {
                        self.current.store(at, Ordering::Relaxed);
                    }
                    tried
                }
            },
            count,
        )
        .await
    }

    /// A connection to the first router that can be reached.
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
async fn retry<T, F, A>(policy: Policy, attempt: F, around: usize) -> Result<T, Status>
where
    F: Fn(usize) -> A,
    A: AsyncFnOnce(Duration) -> Result<Tried<T>, Status>,
{
    let deadline = Instant::now() + policy.total;
    let mut best: Option<Tried<T>> = None;
    let mut last = Status::deadline_exceeded("no router answered in time");
    let mut pause = policy.pause;
    for number in 0.. {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let limit = left.min(policy.attempt);
        match timeout(limit, attempt(number)(limit)).await {
            Ok(Ok(tried)) if tried.missing == 0 => return Ok(tried.answer),
            Ok(Ok(tried)) => {
                if best.as_ref().is_none_or(|best| tried.missing < best.missing) {
                    best = Some(tried);
                }
            }
            Ok(Err(status)) if is_retryable(&status) => last = status,
            Ok(Err(status)) => return Err(status),
            Err(_) => last = Status::deadline_exceeded("the router did not answer in time"),
        }
        if (number + 1) % around == 0 {
            // All have had their turn: a moment's rest for them, and for this machine.
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(pause.min(left)).await;
            pause *= 2;
        }
    }
    best.map(|best| best.answer).ok_or(last)
}

/// Asks a router for nothing but a sign of life.
async fn reach(channel: Channel) -> Result<(), Status> {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let request = HealthCheckRequest::default();
    HealthClient::new(channel).check(request).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const POLICY: Policy = Policy {
        attempt: Duration::from_millis(300),
        total: Duration::from_millis(1_000),
        pause: Duration::from_millis(5),
    };

    /// Runs a script: what each attempt does, the last again and again. Gives the outcome and how many attempts there were.
    async fn run(script: &[Result<Tried<&'static str>, Status>]) -> (Result<&'static str, Status>, usize) {
        let attempts = RefCell::new(0);
        let outcome = retry(
            POLICY,
            |number| {
                let attempts = &attempts;
                async move |_limit: Duration| {
                    *attempts.borrow_mut() += 1;
                    match &script[number.min(script.len() - 1)] {
                        Ok(tried) => Ok(Tried::scored(tried.answer, tried.missing)),
                        Err(status) if status.message() == "hang" => std::future::pending().await,
                        Err(status) => Err(status.clone()),
                    }
                }
            },
            2,
        )
        .await;
        let attempts = *attempts.borrow();
        (outcome, attempts)
    }

    fn hang() -> Result<Tried<&'static str>, Status> {
        Err(Status::unavailable("hang"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_router_is_tried_on_an_error_and_on_a_timeout() {
        let started = Instant::now();
        let gone = Err(Status::unavailable("gone"));
        let (outcome, attempts) = run(&[gone, hang(), Ok(Tried::done("clear"))]).await;
        assert_eq!(outcome.expect("an answer"), "clear");
        assert_eq!(attempts, 3);
        assert!(started.elapsed() < Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn four_attempts_fit_into_the_second_and_then_it_is_over() {
        let started = Instant::now();
        let (outcome, attempts) = run(&[hang()]).await;
        assert_eq!(outcome.expect_err("no answer").code(), Code::DeadlineExceeded);
        assert_eq!(attempts, 4);
        assert_eq!(started.elapsed(), Duration::from_millis(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_with_something_missing_counts_only_if_no_better_one_comes() {
        let partly = |answer, missing| Ok(Tried::scored(answer, missing));
        let (outcome, attempts) = run(&[partly("some", 1), Ok(Tried::done("all"))]).await;
        assert_eq!((outcome.expect("an answer"), attempts), ("all", 2));
        let (outcome, _) = run(&[partly("worse", 9), partly("better", 1), hang()]).await;
        assert_eq!(outcome.expect("an answer"), "better");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated() {
        let refused = Err(Status::invalid_argument("no number"));
        let (outcome, attempts) = run(&[refused]).await;
        assert_eq!(outcome.expect_err("refused").code(), Code::InvalidArgument);
        assert_eq!(attempts, 1);
    }
}
