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
    /// When the disk counts as full or stalled.
    pub disk: DiskOptions,
    /// How often, and how fast, all that is stored is read to find damage.
    pub scrub: ScrubOptions,
    /// Raft's times and limits.
    pub raft: HostOptions,
}

/// When a node leaves leading and writing to others, because its disk is not well.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskOptions {
    /// The disk counts as full when less than this is free, in MiB..
    pub free_mib_min: u64,
    /// ..or less than this part of it, in percent.
    pub free_percent_min: u64,
    /// It counts as stalled when a sync takes longer than this, in milliseconds.
    pub stall_ms: u64,
    /// It counts as well again after so long without either, in milliseconds.
    pub well_after_ms: u64,
}

/// How all that is stored is read in the background, to find damage before somebody needs what it hit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubOptions {
    /// From the end of one reading to the beginning of the next, in seconds; 0 for never. The first begins at a random time
    /// within it.
    pub interval_s: u64,
    /// MiB that are read in a second at most.
    pub mib_per_s: u64,
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
            disk: DiskOptions::default(),
            scrub: ScrubOptions::default(),
            raft: HostOptions::default(),
        }
    }
}

// === impl DiskOptions ===

impl Default for DiskOptions {
    fn default() -> Self {
        DiskOptions { free_mib_min: 256, free_percent_min: 2, stall_ms: 2_000, well_after_ms: 10_000 }
    }
}

// === impl ScrubOptions ===

impl Default for ScrubOptions {
    fn default() -> Self {
        ScrubOptions { interval_s: 24 * 60 * 60, mib_per_s: 8 }
    }
}

// === impl Listeners ===

impl Listeners {
    /// The same sockets once more: each life of a node listens on them.
    pub fn try_clone(&self) -> std::io::Result<Listeners> {
        Ok(Listeners { service: self.service.try_clone()?, raft: self.raft.try_clone()? })
    }
}
