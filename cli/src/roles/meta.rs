//! `dnc meta`: a voter of the meta group.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use dnc_meta::Voter;
use serde::Serialize;
use tracing::info;

use super::{Common, Process, Sockets, require};
use crate::config::{self, Setting};
use crate::folder::Folder;

/// Flags of `dnc meta`.
#[derive(clap::Args, Serialize)]
pub struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    common: Common,
    /// This voter's id, one of those in --voters. Unless given, the voter whose host there begins with this machine's name.
    #[arg(long)]
    id: Option<u64>,
    /// Folder for everything that it keeps.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for nodes, routers and the other voters.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for the other voters' Raft.
    #[arg(long, value_name = "ADDRESS")]
    raft_listen: Option<String>,
    /// Address for /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
    /// All voters, this one included: id=service/raft, each host:port.
    #[arg(long, value_name = "VOTERS", value_delimiter = ',')]
    voters: Option<Vec<String>>,
    /// Shards of a new cluster, fixed for good.
    #[arg(long, value_name = "N")]
    shards: Option<u32>,
    /// Replicas of each shard of a new cluster.
    #[arg(long, value_name = "N")]
    replication: Option<u32>,
    /// Nodes of a new cluster that must have joined before shards are placed.
    #[arg(long, value_name = "N")]
    initial_nodes: Option<u32>,
}

/// Runs a voter until a signal ends it.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let defaults = dnc_meta::Options::new(0, "data/meta".into(), Vec::new());
    let process = Process::at(7410, 7411, 7481);
    let (process, mut options) = config::load(flags.common.config.as_deref(), &flags, process, defaults)?;
    require(!options.voters.is_empty(), Setting("voters"))?;
    if options.id == 0 {
        options.id = voter_of_this_machine(&options.voters).unwrap_or(0);
    }
    require(options.id != 0, Setting("id"))?;
    options.check()?;

    let _folder = Folder::hold(&options.data_dir)?;
    let Sockets { service, raft, http } = process.bind()?;
    let started = process.start("meta", "dnc-meta", &options.data_dir, format!("meta-{}", options.id))?;
    info!(voter = options.id, service = %service.address, raft = %raft.address, http = %http.address, "meta voter starts");

    let listeners = dnc_meta::Listeners { service: service.listener, raft: raft.listener };
    let voter =
        started.serve(http, |ready, stop| async move { Ok(dnc_meta::run(options, listeners, ready, stop).await?) });
    Ok(voter.await)
}

/// The voter that this machine's name names: where machines are named in order, all voters can have the same settings.
fn voter_of_this_machine(voters: &[Voter]) -> Option<u64> {
    voter_named(std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim(), voters)
}

/// The one voter whose service is at a host of this name, whatever its domain.
fn voter_named(machine: &str, voters: &[Voter]) -> Option<u64> {
    let named = |voter: &&Voter| voter.service.split(['.', ':']).next() == Some(machine);
    let mut found = voters.iter().filter(named);
    match (found.next(), found.next()) {
        (Some(voter), None) => Some(voter.id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_is_known_by_its_machine_and_never_guessed() {
        let voters: Vec<Voter> =
            ["1=dnc-meta-0.dnc-meta:7410/dnc-meta-0.dnc-meta:7411", "2=dnc-meta-1:7410/dnc-meta-1:7411"]
                .map(|text| text.parse().unwrap())
                .into();
        assert_eq!(voter_named("dnc-meta-0", &voters), Some(1));
        assert_eq!(voter_named("dnc-meta-1", &voters), Some(2));
        assert_eq!(voter_named("dnc-meta", &voters), None);
        assert_eq!(voter_named("dnc-meta-0", &[voters[0].clone(), voters[0].clone()]), None);
    }
}
