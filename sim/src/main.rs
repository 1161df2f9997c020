//! `dnc-sim`: runs seeds, says what came of each, and how to see it again.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use dnc_consensus::Workbench;
use dnc_sim::plan::Plant;
use dnc_sim::run::{self, Options};

#[derive(Parser)]
#[command(name = "dnc-sim", about = "Runs a whole cluster in one thread and in simulated time, decided by a seed")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs some seeds. Exit status 1 if what was promised was broken.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// How many seeds.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// This seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// A bug to plant in the simulation's shell: it must be found.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Lines of the trace to show when something is wrong.
    #[arg(long, default_value_t = 60)]
    last: usize,
    /// Print the whole trace.
    #[arg(long)]
    trace: bool,
    /// Go on after a seed in which something was wrong.
    #[arg(long)]
    keep_going: bool,
}

#[allow(clippy::print_stdout)] // What this program is for.
fn main() -> anyhow::Result<ExitCode> {
    let Cli { command: Command::Run(run) } = Cli::parse();
    let folder = tempfile::tempdir().context("make a folder for the states of machines")?;
    let workbench = Arc::new(Workbench::open(folder.path()).context("open a place for the states of machines")?);
    let (first, count) = run.seed.map_or((run.from, run.seeds), |seed| (seed, 1));
    let options = Options { plant: run.plant, keep: run.last, aloud: run.trace };
    let began = std::time::Instant::now();
    let mut wrong = 0;
    let mut ran = 0;
    for seed in first..first + count {
        let outcome = run::one(seed, options, &workbench);
        ran += 1;
        println!("{outcome}");
        if !outcome.is_well() {
            wrong += 1;
            println!("{}", outcome.plan);
            outcome.last.iter().for_each(|line| println!("  {line}"));
            outcome.violations.iter().for_each(|what| println!("violation: {what}"));
            let plant = run.plant.map_or(String::new(), |plant| format!(" --plant {}", name(plant)));
            println!("to see it again: dnc-sim run --seed {seed} --trace{plant}");
            if !run.keep_going {
                break;
            }
        }
    }
    println!("{ran} seeds in {:.1} s, {wrong} of them with violations", began.elapsed().as_secs_f64());
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

fn name(plant: Plant) -> String {
    clap::ValueEnum::to_possible_value(&plant).map_or(String::new(), |value| value.get_name().to_owned())
}
