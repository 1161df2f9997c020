//! `dnc-bench`: the same numbers and the same questions for a cluster, for Redis and for PostgreSQL, in one run.
//!
//! All servers run on one core and the load on another. Each round measures every work on each system in turn, so that what
//! disturbs the machine disturbs all of them; what is reported is the median of the rounds. While one system is measured the
//! cluster's processes are stopped if it is not theirs, for they do some work even when nobody asks (the others do none).
//! Every answer is held against what is known of the number: a run with a wrong one fails.
//!
//! Start at [`rounds::run`]; `ours`, `redis` and `postgres` each start a system, load it and ask it; `report` writes down what came out.
//! [`growth`] and [`national`] measure a cluster alone.

mod args;
mod drawn;
mod growth;
mod lists;
mod measure;
mod national;
mod ours;
mod pin;
mod pipe;
mod postgres;
mod redis;
mod report;
mod rounds;
mod server;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Other};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match &args.other {
                None => rounds::run(&args).await,
                Some(Other::Growth(args)) => growth::run(args).await,
                Some(Other::National(args)) => national::run(args).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
