//! `dnc-chaos`: what the cluster promises, tried to breaking.
//!
//! A scenario ([`scenarios`]) is a list of acts ([`plan`]) that a seed completes. [`run`] performs
//! them on a real cluster ([`stage`]) that lives in network namespaces ([`world`]) behind a shim for
//! disk and clock ([`disk`]), while clients of the test kit check and write. What they saw is
//! judged ([`verdict`]) and written down ([`results`]). It changes nothing in the product and looks
//! into it only to see who leads, and at the end, to compare replicas.

mod disk;
mod errands;
mod figures;
mod meanwhile;
mod moves;
mod mutants;
mod page;
mod plan;
mod results;
mod run;
mod scenarios;
mod stage;
mod verdict;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use self::meanwhile::Meanwhile;
use self::scenarios::Scenario;
use self::verdict::Outcome;

/// Hurts a cluster on purpose, and checks that it keeps its promises.
#[derive(Parser)]
#[command(name = "dnc-chaos", version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster, put load on it, do a scenario to it round after round, and judge. Needs root.
    ///
    /// Exit code 0: every promise was looked at and kept. 1: one was broken, or the cluster did not heal.
    /// 2: a fault could not be done, or a promise not be looked at.
    Run {
        /// What is done: one by its name (see `list`), `all`, or `smoke` for the few that every change is tried with.
        #[arg(long)]
        scenario: String,
        /// Decides everything that is left to chance; chosen and printed if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// How long each scenario is repeated, about; once at least.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// What operators do meanwhile. With several scenarios, those that cannot go with it are left out.
        #[arg(long, value_enum, default_value_t)]
        meanwhile: Meanwhile,
        /// Where verdicts, histories and reports go.
        #[arg(long, default_value = "chaos-results")]
        results: PathBuf,
        /// Keep the data and logs of the cluster, also when all went well.
        #[arg(long)]
        keep: bool,
    },
    /// Plant bugs, one after the other, and see which scenario finds each of them, within how many seeds. Needs root, and
    /// a binary that was built with the feature `planted-bugs`, named by DNC_TESTS_BINARY (`make chaos-mutants`).
    ///
    /// Exit code 0: every bug was found, and the scenarios that found them hold without it. 1: not so.
    Mutants {
        /// One bug by its name; all of them if it is not given.
        #[arg(long)]
        bug: Option<String>,
        /// Seeds that are tried for each scenario, from 1 on.
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// Where the table and the verdicts go.
        #[arg(long, default_value = "mutant-results")]
        results: PathBuf,
        /// Do not try the scenarios without a bug.
        #[arg(long)]
        without_control: bool,
    },
    /// Say which scenarios there are, and what each one shows.
    List,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::List => {
            for scenario in scenarios::all() {
                say(&format!("{:<28}{}", scenario.name, scenario.proves));
            }
            return ExitCode::SUCCESS;
        }
        Command::Run { scenario, seed, minutes, meanwhile, results, keep } => {
            let asked = Asked { seed: seed.unwrap_or_else(rand::random), minutes, meanwhile, results, keep };
            // Whoever is interrupted drops what it holds: processes end, namespaces go.
            tokio::select! {
                done = run_all(&scenario, &asked) => done,
                error = interrupted() => Err(error),
            }
        }
        Command::Mutants { bug, seeds, results, without_control } => {
            let asked = mutants::Asked { bug, seeds, results, control: !without_control };
            tokio::select! {
                done = mutants::hunt(&asked) => done,
                error = interrupted() => Err(error),
            }
        }
    };
    match done {
        Ok(Outcome::Held) => ExitCode::SUCCESS,
        Ok(Outcome::Broken) => ExitCode::from(1),
        Ok(Outcome::NotTried) => ExitCode::from(2),
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// What is the same for all scenarios of a call.
struct Asked {
    seed: u64,
    minutes: f64,
    meanwhile: Meanwhile,
    results: PathBuf,
    keep: bool,
}

/// One scenario or several, each on a cluster of its own; the worst outcome.
async fn run_all(name: &str, asked: &Asked) -> Result<Outcome> {
    let Asked { seed, meanwhile, keep, .. } = *asked;
    let length = Duration::try_from_secs_f64(asked.minutes * 60.0).context("--minutes")?;
    let goes_with = |scenario: &&Scenario| meanwhile.around(scenario.acts(seed)).is_some();
    let chosen: Vec<&'static Scenario> = match name {
        "all" => scenarios::all().filter(goes_with).collect(),
        "smoke" => scenarios::all().filter(|scenario| scenario.smoke).filter(goes_with).collect(),
        one => vec![scenarios::named(one).with_context(|| format!("there is no scenario {one}: see dnc-chaos list"))?],
    };
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let name = meanwhile.of(scenario.name);
        let folder = run::folder(&asked.results, &name, seed);
        let asked = run::Asked { scenario, meanwhile, seed, length, folder, bug: None, calm: run::CALM, keep };
        let outcome = match run::run(&asked).await {
            Ok(results) => results.verdict.outcome,
            Err(error) => {
                say(&format!("  {error:#}"));
                Outcome::NotTried
            }
        };
        outcomes.push((name, outcome));
    }
    if outcomes.len() > 1 {
        say("");
        outcomes.iter().for_each(|(name, outcome)| say(&format!("{name:<28}{outcome:?}")));
    }
    let any = |wanted| outcomes.iter().any(|(_, outcome)| *outcome == wanted);
    let worst = [Outcome::Broken, Outcome::NotTried].into_iter().find(|outcome| any(*outcome));
    Ok(worst.unwrap_or(Outcome::Held))
}

async fn interrupted() -> anyhow::Error {
    let waiting = async {
        let mut end = signal(SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked?,
            _ = end.recv() => {}
        }
        bail!("interrupted")
    };
    let ended: Result<()> = waiting.await;
    ended.err().unwrap_or_else(|| anyhow::anyhow!("interrupted"))
}

/// Prints a line for whoever runs this.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
