//! `dnc-chaos`: what the cluster promises, tried to breaking.
//!
//! A seed decides which process is hurt, how and when ([`schedule`]); [`run`] does it to a real
//! cluster under load and judges what callers saw. It changes nothing in the product and looks into
//! it only at the end, to compare replicas.

mod run;
mod schedule;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::schedule::Scenario;

/// Hurts a cluster on purpose, and checks that it keeps its promises.
#[derive(Parser)]
#[command(name = "dnc-chaos", version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster on loopback, put load on it, hurt one process after another, and judge.
    ///
    /// Exit code 0: every promise was kept. 1: one was broken, or the cluster did not recover.
    Run {
        /// What is done to processes.
        #[arg(long, value_enum, default_value_t = Scenario::All)]
        scenario: Scenario,
        /// Decides everything that is left to chance; chosen and printed if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// How long, about.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_440))]
        minutes: u32,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Run { scenario, seed, minutes } = Args::parse().command;
    let seed = seed.unwrap_or_else(rand::random);
    match run::run(scenario, seed, minutes).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            run::say(&format!("seed {seed}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
