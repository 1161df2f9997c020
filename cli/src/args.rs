//! What can be typed.

use clap::{Parser, Subcommand, ValueEnum};

/// A distributed Do-Not-Call lookup cluster.
#[derive(Parser)]
#[command(name = "dnc", version, about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands: servers first, then callers.
#[derive(Subcommand)]
pub enum Command {
    /// Run a whole cluster in this process, on loopback: three meta voters, three nodes, one router.
    Dev(crate::dev::Flags),
    /// Run a voter of the meta group.
    Meta(crate::roles::meta::Flags),
    /// Run a storage node.
    Node(crate::roles::node::Flags),
    /// Run a router.
    Router(crate::roles::router::Flags),
    /// Ask whether numbers may be called.
    ///
    /// Exit code 0: all are CLEAR, or what --expect says. 1: at least one is not. 2: at least one could not be checked.
    Check(crate::commands::check::Check),
    /// Load list files into a registry as a new version.
    Import(crate::commands::import::Import),
    /// List, create, change and retire registries.
    Registry(crate::commands::registry::RegistryArgs),
    /// Suppressions: numbers that must not be called, entry by entry.
    ///
    /// Exit code 0: done. 1: done in part; what was not is named. 2: not done.
    Suppress(crate::commands::suppress::SuppressArgs),
    /// Show what was checked in a period, and how old the lists are.
    Report(crate::commands::report::Report),
    /// Show what is held now, and what was checked today.
    Stats(crate::commands::report::StatsArgs),
    /// Add, list and remove rules: patterns that list numbers without naming them.
    Rule(crate::commands::rule::RuleArgs),
    /// Create, list and change tenants: which lists they are answered from, and which must cover a number.
    Tenant(crate::commands::tenant::TenantArgs),
    /// Exemptions: why a number may be called although a federal or state registry lists it.
    ///
    /// Exit code 0: done. 2: not done.
    Exempt(crate::commands::exempt::ExemptArgs),
    /// Fetch lists from where they come from, now; show what came of syncs.
    ///
    /// Exit code 0: started, or ended well. 1: a sync that was waited for failed or is held back, or was refused. 2: nothing was started.
    Sync(crate::commands::sync::SyncArgs),
    /// Show how the cluster stands, and why; move replicas; let nodes come and go.
    ///
    /// Exit code 0: done, or healthy. 1: not healthy, or a plan that was waited for was cancelled. 2: not done.
    Cluster(crate::commands::cluster::ClusterArgs),
    /// Make, list, verify and restore backups: all that a cluster holds, in a folder or in object storage.
    Backup(crate::commands::backup::BackupArgs),
    /// Ask a process whether it is ready, as a container's health check does.
    ///
    /// Exit code 0: it is. 1: it is not. 2: it does not answer.
    Health(crate::health::Health),
    /// Write a list of made-up numbers, as long as the national registry if need be.
    Generate(crate::generate::Generate),
    /// Put load on routers and measure, or generate lists to load before.
    Bench(crate::bench::BenchArgs),
}

/// Where a command's routers are, and how it prints.
#[derive(clap::Args, Clone)]
pub struct Caller {
    /// Routers to ask; the next one is tried when one fails.
    #[arg(
        long,
        value_name = "URL",
        env = "DNC_ROUTER",
        default_value = "http://127.0.0.1:7400",
        value_delimiter = ','
    )]
    pub router: Vec<String>,
    /// The tenant to call for.
    #[arg(long, value_name = "NAME", env = "DNC_TENANT", default_value = "default")]
    pub tenant: String,
    /// How to print the answer. With `json`, one object a line.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}
