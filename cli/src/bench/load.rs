//! Drives the load: connections, workers, warm-up, measurement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dnc_core::generate::Random;
use dnc_proto::v1::check_service_client::CheckServiceClient;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::population::{Generated, Population};
use super::report::Report;
use super::tally::Tally;
use super::{Load, Mode, workers};

/// How long opening a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Largest answer that is read: ten thousand verdicts with their evidence.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of one connection.
pub type Client = CheckServiceClient<Channel>;

/// When what is measured begins and ends.
#[derive(Clone, Copy)]
pub struct Window {
    /// Answers before this do not count.
    pub begin: Instant,
    /// Nothing is asked after this, and answers after it do not count.
    pub end: Instant,
}

/// Draws numbers for one worker.
pub struct Source {
    population: Arc<Population>,
    random: Random,
    hit_ratio: f64,
}

/// Runs the load to its end.
pub async fn run(load: &Load) -> Result<Report> {
    let population = Arc::new(load.population.population()?);
    let mut clients = Vec::with_capacity(load.connections);
    for router in load.caller.router.iter().cycle().take(load.connections) {
        clients.push(connect(router).await.with_context(|| format!("connect to the router at {router}"))?);
    }
    let begin = Instant::now() + Duration::from_secs(load.warmup_seconds);
    let window = Window { begin, end: begin + Duration::from_secs(load.seconds) };
    let mut workers = JoinSet::new();
    for client in clients {
        // A stream keeps its window full by itself; requests need a worker for each that is under way.
        let each = if load.mode == Mode::Stream { 1 } else { load.in_flight };
        for _ in 0..each {
            let random = Random::for_worker(load.population.seed, workers.len() as u64);
            let source = Source { population: Arc::clone(&population), random, hit_ratio: load.hit_ratio };
            let (client, load) = (client.clone(), load.clone());
            workers.spawn(async move {
                match load.mode {
                    Mode::Unary => workers::unary(client, source, &load, window).await,
                    Mode::Bulk => workers::bulk(client, source, &load, window).await,
                    Mode::Packed => workers::packed(client, source, &load, window).await,
                    Mode::Stream => workers::stream(client, source, &load, window).await,
                }
            });
        }
    }
    let mut sum = Tally::new();
    while let Some(tally) = workers.join_next().await {
        sum.add(&tally.context("a worker ended early")?);
    }
    Ok(Report::new(load, &sum))
}

async fn connect(router: &str) -> Result<Client> {
    let channel = Endpoint::from_shared(router.to_owned())?
        .connect_timeout(CONNECT_LIMIT)
        .tcp_nodelay(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .connect()
        .await?;
    Ok(CheckServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
}

// === impl Window, Source ===

impl Window {
    /// Whether an answer that comes now counts.
    pub fn counts(&self, now: Instant) -> bool {
        self.begin <= now && now < self.end
    }
}

impl Source {
    /// The next number to ask about.
    pub fn draw(&mut self) -> Generated {
        match self.random.chance(self.hit_ratio) {
            true => self.population.hit(&mut self.random),
            false => self.population.miss(&mut self.random),
        }
    }
}

impl Generated {
    /// As it is asked for in the packed form: the E.164 digits as an integer.
    pub fn digits(self) -> u64 {
        10_000_000_000 + self.national
    }

    /// As it is asked for: E.164.
    pub fn text(self) -> String {
        let mut digits = *b"+10000000000";
        let mut rest = self.national;
        for digit in digits[2..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        digits.iter().map(|&byte| char::from(byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_asked_for_in_e164() {
        assert_eq!(Generated { national: 2_015_550_100, listed: true }.text(), "+12015550100");
    }

    #[test]
    fn the_share_of_hits_is_what_was_asked_for() {
        let population = Arc::new(Population::new(1, vec![201], 1_000).unwrap());
        let mut source = Source { population, random: Random::new(1), hit_ratio: 0.5 };
        let hits = (0..10_000).filter(|_| source.draw().listed).count();
        assert!((4_800..5_200).contains(&hits), "{hits}");
    }
}
