//! Clients that check and suppress while faults happen, and write down what they saw.
//!
//! Each client is a thread of its own with two loops: one checks, one suppresses and releases. So
//! checks go on while a write waits for an election, and no client's clock waits for another's work. [`Workload::start`] begins, [`Workload::stop`] gives the history,
//! [`sweep`] asks for every number once more at the end.

mod chooser;
mod recorder;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dnc_core::number::PhoneNumber;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::chooser::{Chooser, Recent, Write, Writer};
use self::recorder::Recorder;
pub use self::target::{Routers, Target};
use crate::history::{self, Event, Operation, Outcome, Report};
use crate::numbers::Numbers;

/// Time in which a check must be answered.
pub const CHECK_DEADLINE: Duration = Duration::from_secs(1);

/// How long clients may take to end their last operation.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Numbers in one bulk check of the final sweep.
const SWEEP_BULK: usize = 100;

/// How much load, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Clients.
    pub clients: u32,
    /// Checks a second, of all clients together; a bulk check counts as one.
    pub checks_per_s: u32,
    /// Writes a second, of all clients together.
    pub writes_per_s: u32,
    /// Numbers in a bulk check; every eighth check is one.
    pub bulk: usize,
    /// Decides which client asks what.
    pub seed: u64,
}

/// A running workload.
#[derive(Debug)]
pub struct Workload {
    recorder: Arc<Recorder>,
    numbers: Arc<Numbers>,
    clients: Vec<JoinHandle<Result<()>>>,
    // Also when nobody waits for its end.
    stop: DropGuard,
}

// === impl Load ===

impl Default for Load {
    fn default() -> Self {
        Load { clients: 4, checks_per_s: 180, writes_per_s: 20, bulk: 20, seed: 1 }
    }
}

// === impl Workload ===

impl Workload {
    /// Begins. Each client has its own target; there must be one for each.
    pub fn start<T: Target>(targets: Vec<T>, numbers: Numbers, load: Load) -> Workload {
        assert_eq!(targets.len(), load.clients as usize, "one target for each client");
        assert_eq!(targets.len(), numbers.own.len(), "one pool for each client");
        let recorder = Arc::new(Recorder::new());
        let numbers = Arc::new(numbers);
        let recent = Arc::new(Recent::default());
        let stop = CancellationToken::new();
        let pace = move |per_s: u32| Duration::from_secs(1) * load.clients / per_s.max(1);
        let mut clients = Vec::new();
        for (target, client) in targets.into_iter().zip(0u32..) {
            let seed = load.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(client));
            let chooser = Chooser::new(numbers.clone(), recent.clone(), load.bulk, seed);
            let writer = Writer::new(numbers.own[client as usize].clone(), seed);
            let one = Client { client, target, recorder: recorder.clone(), recent: recent.clone(), stop: stop.clone() };
            clients.push(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    tokio::join!(
                        one.check_on(chooser, pace(load.checks_per_s)),
                        one.write_on(writer, pace(load.writes_per_s))
                    )
                });
                Ok(())
            }));
        }
        Workload { recorder, numbers, clients, stop: stop.drop_guard() }
    }

    /// The moment it is, by the clock of the history.
    pub fn now(&self) -> history::Moment {
        self.recorder.now()
    }

    /// What the history says so far. Suppressions of which it is too early to tell count as kept.
    pub fn report(&self) -> Report {
        history::check(&self.numbers.world(), &self.recorder.events(), &[], CHECK_DEADLINE)
    }

    /// Lets every client end what it is doing, and gives the history.
    pub async fn stop(self) -> Result<History> {
        self.stop.disarm().cancel();
        let clients = self.clients;
        let ended = tokio::task::spawn_blocking(move || {
            clients.into_iter().try_for_each(|client| match client.join() {
                Ok(ended) => ended,
                Err(_) => bail!("a client broke down"),
            })
        });
        tokio::time::timeout(STOP_LIMIT, ended)
            .await
            .with_context(|| format!("a client did not end within {STOP_LIMIT:?}"))???;
        Ok(History { recorder: self.recorder, numbers: self.numbers })
    }
}

/// The history of a workload that has ended.
#[derive(Debug)]
pub struct History {
    recorder: Arc<Recorder>,
    numbers: Arc<Numbers>,
}

// === impl History ===

impl History {
    /// All that the clients saw.
    pub fn events(&self) -> Vec<Event> {
        self.recorder.events()
    }

    /// Asks for every number once more. The replicas should have caught up before.
    pub async fn sweep<T: Target>(&self, target: &T) -> Vec<Event> {
        sweep(target, &self.numbers, self.recorder.clone()).await
    }

    /// Asks for every number once more, and judges the whole. The replicas should have caught up before.
    pub async fn judge<T: Target>(self, target: &T) -> Report {
        let sweep = self.sweep(target).await;
        history::check(&self.numbers.world(), &self.events(), &sweep, CHECK_DEADLINE)
    }
}

/// Checks every number of the workload, in bulk.
async fn sweep<T: Target>(target: &T, numbers: &Numbers, recorder: Arc<Recorder>) -> Vec<Event> {
    let all: Vec<PhoneNumber> = numbers
        .own
        .iter()
        .flatten()
        .chain(&numbers.listed)
        .chain(&numbers.clear)
        .chain(&numbers.uncovered)
        .copied()
        .collect();
    let mut events = Vec::with_capacity(all.len());
    for numbers in all.chunks(SWEEP_BULK) {
        let started = recorder.now();
        let answers = target.check_all(numbers).await;
        let ended = recorder.now();
        for (number, answer) in numbers.iter().zip(answers) {
            events.push(Event {
                client: u32::MAX,
                number: *number,
                started,
                ended,
                operation: Operation::Check(answer),
            });
        }
    }
    events
}

/// One client.
struct Client<T> {
    client: u32,
    target: T,
    recorder: Arc<Recorder>,
    recent: Arc<Recent>,
    stop: CancellationToken,
}

// === impl Client ===

impl<T: Target> Client<T> {
    async fn check_on(&self, mut chooser: Chooser, pace: Duration) {
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.tick(&mut ticks).await {
            self.check(&chooser.next()).await;
        }
    }

    async fn write_on(&self, mut writer: Writer, pace: Duration) {
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.tick(&mut ticks).await {
            let Some(write) = writer.next() else {
                // Its numbers are used up; it has nothing more to write.
                return;
            };
            let outcome = self.write(write).await;
            writer.learn(write, outcome);
            if let (Write::Suppress(number) | Write::Keep(number), Outcome::Acknowledged) = (write, outcome) {
                self.recent.push(number);
                // The very next check is the hardest.
                self.check(&[number]).await;
            }
        }
    }

    async fn tick(&self, ticks: &mut tokio::time::Interval) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            _ = ticks.tick() => true,
        }
    }

    async fn check(&self, numbers: &[PhoneNumber]) {
        let started = self.recorder.now();
        let answers = match numbers {
            [one] => vec![self.target.check(*one).await],
            _ => self.target.check_all(numbers).await,
        };
        let ended = self.recorder.now();
        for (number, answer) in numbers.iter().zip(answers) {
            self.recorder.record(Event {
                client: self.client,
                number: *number,
                started,
                ended,
                operation: Operation::Check(answer),
            });
        }
    }

    async fn write(&self, write: Write) -> Outcome {
        let started = self.recorder.now();
        let (number, outcome, operation): (_, _, fn(Outcome) -> Operation) = match write {
            Write::Suppress(number) | Write::Keep(number) => {
                (number, self.target.suppress(number).await, Operation::Suppress)
            }
            Write::Release(number) => (number, self.target.release(number).await, Operation::Release),
        };
        self.recorder.record(Event {
            client: self.client,
            number,
            started,
            ended: self.recorder.now(),
            operation: operation(outcome),
        });
        outcome
    }
}
