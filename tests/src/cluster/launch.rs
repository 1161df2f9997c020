//! What each process of a cluster is started with.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Size;
use crate::process::{Launch, Role};
use crate::{binary, ports};

/// What to start, in this order.
pub struct Plan {
    /// The program.
    pub binary: PathBuf,
    /// Meta voters, nodes, routers.
    pub launches: Vec<Launch>,
}

/// Puts the binary into the cluster's folder, so that a build during the test does not change what its processes are started from.
pub fn keep_binary(folder: &Path) -> Result<PathBuf> {
    let built = binary::dnc()?;
    let kept = folder.join("dnc");
    // Another file system needs a copy.
    if fs::hard_link(&built, &kept).is_err() {
        fs::copy(&built, &kept).with_context(|| format!("copy {}", built.display()))?;
    }
    Ok(kept)
}

/// Gives every process its ports and folders.
pub fn plan(folder: &Path, binary: &Path, size: Size, log_filter: &str) -> Result<Plan> {
    let maker = Maker { folder, binary, log_filter };
    let voters: Vec<Ports> = (0..size.meta).map(|_| Ports::free()).collect::<Result<_>>()?;
    let voter_list = voters
        .iter()
        .zip(1..)
        .map(|(ports, id)| format!("{id}={}/{}", ports.grpc, ports.raft))
        .collect::<Vec<_>>()
        .join(",");
    let meta_list = join(voters.iter().map(|ports| ports.grpc));
    let nodes: Vec<Ports> = (0..size.nodes).map(|_| Ports::free()).collect::<Result<_>>()?;
    let node_list = join(nodes.iter().map(|ports| ports.grpc));
    let mut launches = Vec::new();
    for (index, ports) in voters.iter().enumerate() {
        launches.push(maker.launch(
            Role::Meta,
            index,
            ports,
            &[
                ("--id", (index + 1).to_string()),
                ("--listen", ports.grpc.to_string()),
                ("--raft-listen", ports.raft.to_string()),
                ("--voters", voter_list.clone()),
            ],
        ));
    }
    for (index, ports) in nodes.iter().enumerate() {
        launches.push(maker.launch(
            Role::Node,
            index,
            ports,
            &[
                ("--listen", ports.grpc.to_string()),
                ("--raft-listen", ports.raft.to_string()),
                ("--advertise", ports.grpc.to_string()),
                ("--advertise-raft", ports.raft.to_string()),
                ("--zone", format!("zone-{index}")),
                ("--meta", meta_list.clone()),
            ],
        ));
    }
    for index in 0..size.routers {
        let ports = Ports::free()?;
        launches.push(maker.launch(
            Role::Router,
            index,
            &ports,
            &[("--grpc-listen", ports.grpc.to_string()), ("--meta", meta_list.clone()), ("--nodes", node_list.clone())],
        ));
    }
    Ok(Plan { binary: binary.to_path_buf(), launches })
}

struct Maker<'a> {
    folder: &'a Path,
    binary: &'a Path,
    log_filter: &'a str,
}

struct Ports {
    grpc: SocketAddr,
    http: SocketAddr,
    raft: SocketAddr,
}

// === impl Maker, Ports ===

impl Maker<'_> {
    fn launch(&self, role: Role, index: usize, ports: &Ports, flags: &[(&str, String)]) -> Launch {
        let word = match role {
            Role::Meta => "meta",
            Role::Node => "node",
            Role::Router => "router",
        };
        let name = format!("{word}-{index}");
        let data = self.folder.join(&name);
        let mut arguments = vec![word.to_owned()];
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        flag("--http-listen", ports.http.to_string());
        let folder = match role {
            Role::Meta | Role::Node => "--data-dir",
            Role::Router => "--spool-dir",
        };
        flag(folder, data.display().to_string());
        for (name, value) in flags {
            flag(name, value.clone());
        }
        Launch {
            role,
            index,
            binary: self.binary.to_path_buf(),
            arguments,
            grpc: ports.grpc,
            http: ports.http,
            log: self.folder.join(format!("{name}.log")),
            data,
            log_filter: self.log_filter.to_owned(),
        }
    }
}

impl Ports {
    fn free() -> Result<Ports> {
        Ok(Ports { grpc: ports::free()?, http: ports::free()?, raft: ports::free()? })
    }
}

fn join(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses.map(|a| a.to_string()).collect::<Vec<_>>().join(",")
}
