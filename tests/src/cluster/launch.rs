//! What each process of a cluster is started with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::places::{Place, Places};
use super::{LOG_FILTER, Size, Victim};
use crate::binary;
use crate::process::{Launch, Process, Role};

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

/// Gives every process its place and its folders.
pub fn plan(folder: &Path, binary: &Path, size: Size, log_filter: &str, places: &mut dyn Places) -> Result<Plan> {
    let maker = Maker { folder, binary, log_filter };
    let mut place = |role, count| -> Result<Vec<Place>> {
        (0..count).map(|index| places.place(Victim { role, index }, &maker.data(role, index))).collect()
    };
    let voters = place(Role::Meta, size.meta)?;
    let nodes = place(Role::Node, size.nodes)?;
    let routers = place(Role::Router, size.routers)?;
    let voter_list = voters
        .iter()
        .zip(1..)
        .map(|(place, id)| format!("{id}={}/{}", place.grpc, place.raft))
        .collect::<Vec<_>>()
        .join(",");
    let meta_list = join(&voters);
    let node_list = join(&nodes);
    let mut launches = Vec::new();
    for (index, place) in voters.into_iter().enumerate() {
        let flags = [
            ("--id", (index + 1).to_string()),
            ("--listen", place.grpc.to_string()),
            ("--raft-listen", place.raft.to_string()),
            ("--voters", voter_list.clone()),
        ];
        launches.push(maker.launch(Role::Meta, index, place, &flags));
    }
    launches.extend(nodes.into_iter().enumerate().map(|(index, place)| maker.node(index, place, &meta_list)));
    for (index, place) in routers.into_iter().enumerate() {
        let flags =
            [("--grpc-listen", place.grpc.to_string()), ("--meta", meta_list.clone()), ("--nodes", node_list.clone())];
        launches.push(maker.launch(Role::Router, index, place, &flags));
    }
    Ok(Plan { binary: binary.to_path_buf(), launches })
}

/// A node that joins a cluster which runs, with these meta voters.
pub fn node(folder: &Path, binary: &Path, index: usize, meta: &[Process], places: &mut dyn Places) -> Result<Launch> {
    let maker = Maker { folder, binary, log_filter: LOG_FILTER };
    let place = places.place(Victim { role: Role::Node, index }, &maker.data(Role::Node, index))?;
    let meta_list = meta.iter().map(|voter| voter.grpc.to_string()).collect::<Vec<_>>().join(",");
    Ok(maker.node(index, place, &meta_list))
}

struct Maker<'a> {
    folder: &'a Path,
    binary: &'a Path,
    log_filter: &'a str,
}

// === impl Maker ===

impl Maker<'_> {
    fn data(&self, role: Role, index: usize) -> PathBuf {
        self.folder.join(format!("{}-{index}", role.word()))
    }

    fn node(&self, index: usize, place: Place, meta_list: &str) -> Launch {
        let flags = [
            ("--listen", place.grpc.to_string()),
            ("--raft-listen", place.raft.to_string()),
            ("--advertise", place.grpc.to_string()),
            ("--advertise-raft", place.raft.to_string()),
            ("--zone", format!("zone-{index}")),
            ("--meta", meta_list.to_owned()),
        ];
        self.launch(Role::Node, index, place, &flags)
    }

    fn launch(&self, role: Role, index: usize, place: Place, flags: &[(&str, String)]) -> Launch {
        let word = role.word();
        let data = self.data(role, index);
        let mut arguments = vec![word.to_owned()];
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        flag("--http-listen", place.http.to_string());
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
            grpc: place.grpc,
            http: place.http,
            log: self.folder.join(format!("{word}-{index}.log")),
            data,
            log_filter: self.log_filter.to_owned(),
            around: place.around,
        }
    }
}

fn join(places: &[Place]) -> String {
    places.iter().map(|place| place.grpc.to_string()).collect::<Vec<_>>().join(",")
}
