//! `dnc`: the one binary. It reads settings, starts what they name and turns outcomes into exit codes.
//!
//! Nothing is decided here about numbers, lists or shards: servers live in `dnc-meta`, `dnc-node` and `dnc-router`, and
//! every client command goes through a router like any other caller. Start at [`args::Command`] for what can be asked.

mod admin;
mod args;
mod bench;
mod commands;
mod config;
mod dev;
mod folder;
mod generate;
mod health;
mod listen;
mod output;
mod recorder;
mod roles;
mod shutdown;
mod telemetry;
mod vitals;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use self::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "planted-bugs")]
    tell_what_is_planted();
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error),
    };
    let done = runtime.block_on(run(args.command));
    // Whatever still runs has had its time to stop.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done.unwrap_or_else(|error| output::fail(&error))
}

/// Nobody should wonder what this binary is, or run it with a bug that there is not.
#[cfg(feature = "planted-bugs")]
#[allow(clippy::print_stderr, reason = "before anything can log")]
fn tell_what_is_planted() {
    let bug = dnc_planted::chosen().map_or("none of them chosen", dnc_planted::Bug::name);
    eprintln!("this binary holds planted bugs: {bug}");
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(flags) => dev::run(flags).await,
        Command::Meta(flags) => roles::meta::run(flags).await,
        Command::Node(flags) => roles::node::run(flags).await,
        Command::Router(flags) => roles::router::run(flags).await,
        Command::Check(asked) => commands::check::run(asked).await,
        Command::Import(asked) => commands::import::run(asked).await,
        Command::Registry(asked) => commands::registry::run(asked).await,
        Command::Suppress(asked) => commands::suppress::run(asked).await,
        Command::Report(asked) => commands::report::report(asked).await,
        Command::Stats(asked) => commands::report::stats(asked).await,
        Command::Rule(asked) => commands::rule::run(asked).await,
        Command::Tenant(asked) => commands::tenant::run(asked).await,
        Command::Exempt(asked) => commands::exempt::run(asked).await,
        Command::Sync(asked) => commands::sync::run(asked).await,
        Command::Cluster(asked) => commands::cluster::run(asked).await,
        Command::Backup(asked) => commands::backup::run(asked).await,
        Command::Health(asked) => health::run(asked).await,
        Command::Generate(asked) => tokio::task::spawn_blocking(move || generate::run(&asked)).await?,
        Command::Bench(asked) => bench::run(asked).await,
    }
}
