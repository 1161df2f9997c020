//! `dnc bench`: load on routers, measured, and lists of numbers to load before.
//!
//! The load generator calls the API as any client would, but without retries: what a router does is what is counted. Numbers
//! come from a [`population`], so each answer can be held against what it should be. It never reads the lists again. Start at
//! [`run`]; `load` drives the workers, `workers` are the ways to ask, `report` is what comes out.

mod generate;
mod load;
mod population;
mod report;
mod tally;
mod workers;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use self::population::Population;
use crate::args::Caller;

/// Arguments of `dnc bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    generate: Option<Generator>,
    #[command(flatten)]
    load: Load,
}

#[derive(Subcommand)]
enum Generator {
    Generate(generate::Generate),
}

/// Which numbers there are. The same three values give the same numbers everywhere.
#[derive(clap::Args, Clone)]
pub struct PopulationArgs {
    /// How many numbers are listed.
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    numbers: u64,
    /// Area codes (201,212), or how many of them from 201 upwards.
    #[arg(long, value_name = "N|CODES", default_value = "25")]
    areas: String,
    /// Seed of everything that is left to chance.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// The load.
#[derive(clap::Args, Clone)]
pub struct Load {
    #[command(flatten)]
    population: PopulationArgs,
    /// How numbers are asked for.
    #[arg(long, value_enum, default_value_t = Mode::Unary)]
    mode: Mode,
    /// Connections, spread over the routers.
    #[arg(long, value_name = "C", default_value_t = 4)]
    connections: usize,
    /// Requests under way at a time, on each connection. With `stream`, numbers.
    #[arg(long, value_name = "N", default_value_t = 16)]
    in_flight: usize,
    /// Numbers in one bulk.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    bulk_size: usize,
    /// Share of the numbers that are listed, 0 to 1.
    #[arg(long, value_name = "R", default_value_t = 0.5)]
    hit_ratio: f64,
    /// How long to measure.
    #[arg(long, value_name = "T", default_value_t = 10)]
    seconds: u64,
    /// How long to warm up before.
    #[arg(long, value_name = "T", default_value_t = 2)]
    warmup_seconds: u64,
    /// How long one request may take.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    deadline_ms: u64,
    #[command(flatten)]
    caller: Caller,
}

/// How numbers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One number a request.
    Unary,
    /// Many numbers a request.
    Bulk,
    /// Many numbers a request, as integers.
    Packed,
    /// One stream for each connection.
    Stream,
}

/// Generates lists, or puts load on routers.
pub async fn run(asked: BenchArgs) -> Result<ExitCode> {
    match asked.generate {
        Some(Generator::Generate(generate)) => tokio::task::spawn_blocking(move || generate::run(&generate)).await?,
        None => {
            asked.load.check()?;
            let report = load::run(&asked.load).await?;
            report.print(asked.load.caller.output)?;
            Ok(report.exit_code())
        }
    }
}

// === impl PopulationArgs, Load ===

impl PopulationArgs {
    fn population(&self) -> Result<Population> {
        let areas = population::areas(&self.areas).map_err(|error| error.context("read --areas"))?;
        Population::new(self.seed, areas, self.numbers)
    }
}

impl Load {
    fn check(&self) -> Result<()> {
        ensure!((1..=1_000).contains(&self.connections), "--connections is 1 to 1,000");
        ensure!((1..=100_000).contains(&self.in_flight), "--in-flight is 1 to 100,000");
        ensure!((1..=10_000).contains(&self.bulk_size), "--bulk-size is 1 to 10,000");
        ensure!((0.0..=1.0).contains(&self.hit_ratio), "--hit-ratio is 0 to 1");
        ensure!((1..=86_400).contains(&self.seconds), "--seconds is 1 to 86,400");
        ensure!(self.warmup_seconds <= 3_600, "--warmup-seconds is at most 3,600");
        ensure!((1..=60_000).contains(&self.deadline_ms), "--deadline-ms is 1 to 60,000");
        Ok(())
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
