//! What can be set about a router, and every limit that it keeps.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sync::SyncOptions;

/// Longest call id, caller, correlation id, and name of whoever enters or removes an opt-out, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// Most bytes in one piece of an import.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Numbers of one stream that are being checked at once.
pub const STREAM_WINDOW: usize = 256;

/// A router's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Service addresses of the meta voters, `host:port`.
    pub meta: Vec<String>,
    /// Service addresses of nodes that can tell the catalog while the meta group cannot. Optional.
    pub nodes: Vec<String>,
    /// Time for a check where the caller does not ask for less, milliseconds.
    pub deadline_ms: u64,
    /// How long a check waits for a replica before it asks another one too, milliseconds.
    pub hedge_ms: u64,
    /// Whether a leader's word is taken alone while it says that nobody else can lead. It assumes that the clocks of the
    /// nodes run at the same rate, within a fifth; without it each check asks a majority and no clock is trusted.
    pub lease_reads: bool,
    /// Time for an opt-out to be added or removed, milliseconds.
    pub write_deadline_ms: u64,
    /// Most numbers in one bulk check over gRPC.
    pub max_bulk_grpc: usize,
    /// Most numbers in one bulk check over REST.
    pub max_bulk_rest: usize,
    /// Largest body of a REST request, bytes.
    pub max_body_bytes: usize,
    /// Requests that are under way at once, over both APIs, each tenant's share of them included; more are refused with
    /// a time to come back.
    pub max_in_flight: usize,
    /// Connections at once, over both APIs; more are closed.
    pub max_connections: usize,
    /// How long the head of an HTTP request may take to arrive, and a connection may be idle before it, milliseconds.
    pub header_read_ms: u64,
    /// Folder for the files of an import while it lasts.
    pub spool_dir: PathBuf,
    /// File with the key that providers' keys are encrypted with: 32 bytes, hexadecimal or base64. With an empty name it is
    /// the variable `DNC_SECRET_KEY`; without either, providers' keys are refused.
    pub secret_key_file: PathBuf,
    /// Limits on imports.
    pub import: ImportOptions,
    /// Limits on syncs, and how their sources are reached.
    pub sync: SyncOptions,
}

/// Limits on imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportOptions {
    /// Most imports at a time.
    pub max_at_once: usize,
    /// Most bytes of all files of one import together, as they arrive.
    pub max_bytes: u64,
    /// Most files in one import.
    pub max_files: usize,
    /// Most blocks in one import, which limits its memory: 1.3 kB each at most.
    pub max_blocks: usize,
    /// Most changes in one import of change lists, which limits its memory: 24 bytes each.
    pub max_changes: usize,
    /// Shards that are written to at a time.
    pub shards_at_once: usize,
    /// How long the caller may be silent while it sends, seconds.
    pub idle_s: u64,
    /// How long one run may take to be written, seconds.
    pub run_s: u64,
    /// How long replicas may take to be ready after the last run, seconds.
    pub verify_s: u64,
    /// How long an import may take from its first write to a shard to its last, seconds. Whoever loads into the same
    /// registry later gives up what another router began longer ago, and five minutes: it must be gone.
    pub stage_s: u64,
    /// How long an import may take in all, seconds.
    pub limit_s: u64,
}

/// Settings that make no router.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadOptions {
    /// Nobody to ask for the catalog.
    #[error("a router needs the address of a meta voter or of a node")]
    NoPeers,
    /// A limit that lets nothing through.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A place that is none.
    #[error("sync.places: {0} is no URL of a folder, a server or a bucket")]
    BadPlace(String),
    /// A limit beyond what answers can carry.
    #[error("{name} must be at most {max}")]
    TooLarge {
        /// The setting.
        name: &'static str,
        /// The most it can be.
        max: u64,
    },
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            meta: Vec::new(),
            nodes: Vec::new(),
            deadline_ms: 1_000,
            hedge_ms: 15,
            lease_reads: true,
            write_deadline_ms: 5_000,
            max_bulk_grpc: 10_000,
            max_bulk_rest: 1_000,
            max_body_bytes: 1 << 20,
            max_in_flight: 4_096,
            max_connections: 4_096,
            header_read_ms: 30_000,
            spool_dir: std::env::temp_dir(),
            secret_key_file: PathBuf::new(),
            import: ImportOptions::default(),
            sync: SyncOptions::default(),
        }
    }
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            max_at_once: 2,
            max_bytes: 16 << 30,
            max_files: 2_000,
            max_blocks: dnc_core::block::DEFAULT_BLOCK_LIMIT,
            max_changes: 10_000_000,
            shards_at_once: 4,
            idle_s: 60,
            run_s: 30,
            verify_s: 120,
            stage_s: 3_600,
            limit_s: 4 * 3_600,
        }
    }
}

impl Options {
    /// Refuses settings that make no router.
    pub fn check(&self) -> Result<(), BadOptions> {
        if self.meta.is_empty() && self.nodes.is_empty() {
            return Err(BadOptions::NoPeers);
        }
        if let Some(place) = self.sync.bad_place() {
            return Err(BadOptions::BadPlace(place.into()));
        }
        let import = &self.import;
        let bounds: [(&'static str, u64, u64); 20] = [
            ("deadline_ms", self.deadline_ms, 60_000),
            ("hedge_ms", self.hedge_ms, 60_000),
            ("write_deadline_ms", self.write_deadline_ms, 60_000),
            ("max_bulk_grpc", self.max_bulk_grpc as u64, 100_000),
            ("max_bulk_rest", self.max_bulk_rest as u64, 100_000),
            ("max_body_bytes", self.max_body_bytes as u64, 64 << 20),
            ("max_in_flight", self.max_in_flight as u64, 1_000_000),
            ("max_connections", self.max_connections as u64, 1_000_000),
            ("header_read_ms", self.header_read_ms, 600_000),
            ("import.max_at_once", import.max_at_once as u64, 64),
            ("import.max_bytes", import.max_bytes, 1 << 40),
            ("import.max_files", import.max_files as u64, 100_000),
            ("import.max_blocks", import.max_blocks as u64, 100_000_000),
            ("import.max_changes", import.max_changes as u64, 1_000_000_000),
            ("import.shards_at_once", import.shards_at_once as u64, 4_096),
            ("import.idle_s", import.idle_s, 3_600),
            ("import.run_s", import.run_s, 3_600),
            ("import.verify_s", import.verify_s, 24 * 3_600),
            ("import.stage_s", import.stage_s, 7 * 24 * 3_600),
            ("import.limit_s", import.limit_s, 7 * 24 * 3_600),
        ];
        for (name, value, max) in bounds.into_iter().chain(self.sync.bounds()) {
            if value == 0 {
                return Err(BadOptions::Zero(name));
            }
            if value > max {
                return Err(BadOptions::TooLarge { name, max });
            }
        }
        Ok(())
    }

    /// Time for a check.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Time for the head of an HTTP request.
    pub fn header_read(&self) -> Duration {
        Duration::from_millis(self.header_read_ms)
    }

    /// Time for an opt-out.
    pub fn write_deadline(&self) -> Duration {
        Duration::from_millis(self.write_deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_peer() -> Options {
        Options { meta: vec!["localhost:1".into()], ..Options::default() }
    }

    #[test]
    fn the_defaults_need_a_peer_and_nothing_else() {
        assert_eq!(Options::default().check(), Err(BadOptions::NoPeers));
        assert_eq!(with_peer().check(), Ok(()));
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        let mut options = with_peer();
        options.sync.places = vec!["file:///backups".into(), "/var/lists".into()];
        assert_eq!(options.check(), Err(BadOptions::BadPlace("/var/lists".into())));
    }

    #[test]
    fn a_limit_of_zero_and_an_absurd_one_are_refused_by_name() {
        let mut options = with_peer();
        options.max_bulk_rest = 0;
        assert_eq!(options.check(), Err(BadOptions::Zero("max_bulk_rest")));
        let mut options = with_peer();
        options.deadline_ms = 3_600_000;
        assert!(matches!(options.check(), Err(BadOptions::TooLarge { name: "deadline_ms", .. })));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<Options>(r#"{"max_bulk": 5}"#).is_err());
        let options: Options = serde_json::from_str(r#"{"max_bulk_rest": 5}"#).expect("reads");
        assert_eq!(options.max_bulk_rest, 5);
        assert_eq!(options.max_bulk_grpc, 10_000);
    }
}
