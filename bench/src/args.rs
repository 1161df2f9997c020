//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

/// What else can be measured.
#[derive(clap::Subcommand)]
pub enum Other {
    /// How the cost of a check, memory and imports grow with the numbers, and with the nodes
    Growth(GrowthArgs),
    /// The life of the whole national registry on three replicas: lists, changes, restarts, a lost node
    National(NationalArgs),
}

/// What is measured of growth.
#[derive(clap::Args)]
pub struct GrowthArgs {
    /// How many numbers, one after the other, on three nodes
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "1000000,10000000,50000000,100000000,258500000"
    )]
    pub sizes: Vec<u64>,
    /// How many nodes, one after the other, with ten million numbers
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2,3,4,5,6")]
    pub nodes: Vec<usize>,
    /// How long each work is measured, seconds
    #[arg(long, value_name = "T", default_value_t = 5.0)]
    pub seconds: f64,
    /// File for the figures, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// File for the plot
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Markdown file with a section for the tables, between the lines `<!-- growth -->` and `<!-- /growth -->`
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// What the life of a list is measured with.
#[derive(clap::Args)]
pub struct NationalArgs {
    /// How many numbers are listed
    #[arg(long, value_name = "N", default_value_t = 258_500_000)]
    pub numbers: u64,
    /// Markdown file with a section for the table, between the lines `<!-- national -->` and `<!-- /national -->`
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Compares a cluster with Redis and PostgreSQL on this machine.
#[derive(clap::Parser)]
#[command(name = "dnc-bench", max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Measures something else instead.
    #[command(subcommand)]
    pub other: Option<Other>,
    /// How many numbers are listed.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub numbers: u64,
    /// Seed of the list and of what is asked.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Rounds; figures are their medians.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=101))]
    pub rounds: u32,
    /// How long each work is measured in each round, seconds.
    #[arg(long, value_name = "T", default_value_t = 3.0)]
    pub seconds: f64,
    /// Storage nodes of the cluster, each number on all of them up to three.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub nodes: u32,
    /// Core of the servers.
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub server_core: usize,
    /// Core of the load.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub load_core: usize,
    /// Works to measure, all unless given.
    #[arg(long, value_name = "WORK", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave Redis and PostgreSQL out.
    #[arg(long)]
    pub alone: bool,
    /// File for the figures, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Markdown file with a section for the table, between the lines `<!-- bench-compare -->` and `<!-- /bench-compare -->`.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// A word on what else the machine did, for the report.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

// === impl Args ===

impl Args {
    /// How long each work is measured in each round.
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0))
    }

    /// Whether a work is to be measured.
    pub fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == work)
    }
}
