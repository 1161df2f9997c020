//! What an operator can set on a node.

use std::path::PathBuf;

use dnc_consensus::HostOptions;
use serde::{Deserialize, Serialize};

/// Settings of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Folder for everything that the node keeps.
    pub data_dir: PathBuf,
    /// `host:port` at which routers reach it.
    pub advertise: String,
    /// `host:port` at which the other replicas of its shards reach it.
    pub advertise_raft: String,
    /// Failure zone: replicas of a shard are spread over zones.
    pub zone: String,
    /// Service addresses of the meta voters, each `host:port`.
    pub meta: Vec<String>,
    /// Most requests of routers in flight at once; more are refused with RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Raft's times and limits.
    pub raft: HostOptions,
}

/// Sockets that the node listens on, bound by the caller, so that a taken port is the caller's error.
#[derive(Debug)]
pub struct Listeners {
    /// For routers.
    pub service: std::net::TcpListener,
    /// For the other replicas.
    pub raft: std::net::TcpListener,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Options {
            data_dir: PathBuf::from("data/node"),
            advertise: String::new(),
            advertise_raft: String::new(),
            zone: String::new(),
            meta: Vec::new(),
            max_in_flight: 4_096,
            raft: HostOptions::default(),
        }
    }
}
