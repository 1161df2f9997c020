//! Settings, with defaults for three replicas in one data centre.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::HostError;

/// A command may have this many bytes.
pub const COMMAND_BYTES_MAX: usize = 2 << 20;

/// A key and its value together may have this many bytes.
pub const PAIR_BYTES_MAX: usize = 4 << 20;

/// A message between replicas may have this many bytes. Twice what the parts above can add up to.
pub(crate) const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Entries that are read together, to be sent or applied, stop here (or after one entry).
pub(crate) const READ_BYTES_SOFT: usize = 1 << 20;

/// Pairs that travel together in a snapshot stop here (or after one pair).
pub(crate) const CHUNK_BYTES_SOFT: usize = 512 << 10;

/// How the store uses memory and files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreOptions {
    /// Memory for blocks that were read, in MiB.
    pub block_cache_mib: usize,
    /// Memory for writes that are not yet in a sorted file, in MiB, for each column family.
    pub write_buffer_mib: usize,
    /// The write-ahead log is cut back when it passes this size, in MiB.
    pub wal_mib_max: u64,
    /// Files that RocksDB keeps open.
    pub open_files_max: i32,
    /// Threads for flushes and compactions.
    pub background_jobs: i32,
}

/// How groups behave. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostOptions {
    /// Threads of the Raft runtime.
    pub worker_threads: usize,
    /// A leader is heard at least this often.
    pub heartbeat_ms: u64,
    /// A follower that hears no leader campaigns after its lease and a random time from this..
    pub election_ms_min: u64,
    /// ..to this. It is also the length of the lease that a follower owes its leader.
    pub election_ms_max: u64,
    /// What every follower in the cluster owes its leader at least, and every leader relies on. No setting: a leader must know it of
    /// nodes that are configured by others. Tests shorten it.
    #[serde(skip)]
    pub owed_ms: u64,
    /// A replica that has just started votes for nobody and does not campaign for this long: it
    /// may have promised so before it stopped. Not shorter than `election_ms_max`.
    pub lease_ms: u64,
    /// Time to open a connection.
    pub connect_ms: u64,
    /// After a failed connection the next attempt waits this long.
    pub reconnect_ms: u64,
    /// A call without a deadline of its own ends after this.
    pub rpc_ms: u64,
    /// An append stream with requests unanswered for this long has failed.
    pub append_progress_ms: u64,
    /// A snapshot transfer without progress for this long has failed.
    pub snapshot_progress_ms: u64,
    /// A peer that has received a whole snapshot may take this long to load it.
    pub snapshot_install_ms: u64,
    /// An idle connection is probed this often, and given up when the probe is not answered in the
    /// same time.
    pub keepalive_ms: u64,
    /// Append requests that may be unanswered on one stream.
    pub append_inflight_max: usize,
    /// Entries in one append request.
    pub append_entries_max: u64,
    /// Applied entries after which the log may be cut again.
    pub snapshot_entries: u64,
    /// Applied entries that stay in the log, for followers that were briefly away.
    pub log_keep_entries: u64,
    /// MiB that the log of one group may grow by before it is cut, however few entries that is.
    pub log_mib_max: u64,
    /// Snapshots that are received at once, over all groups.
    pub snapshots_inflight_max: usize,
}

// === impl StoreOptions ===

impl Default for StoreOptions {
    fn default() -> Self {
        Self { block_cache_mib: 64, write_buffer_mib: 16, wal_mib_max: 256, open_files_max: 512, background_jobs: 2 }
    }
}

// === impl HostOptions ===

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            worker_threads: 2,
            heartbeat_ms: 100,
            election_ms_min: 500,
            election_ms_max: 1_000,
            owed_ms: 1_000,
            lease_ms: 1_000,
            connect_ms: 1_000,
            reconnect_ms: 100,
            rpc_ms: 1_000,
            append_progress_ms: 3_000,
            snapshot_progress_ms: 10_000,
            snapshot_install_ms: 120_000,
            keepalive_ms: 1_000,
            append_inflight_max: 32,
            append_entries_max: 256,
            snapshot_entries: 5_000,
            log_keep_entries: 5_000,
            log_mib_max: 256,
            snapshots_inflight_max: 4,
        }
    }
}

impl HostOptions {
    /// Refuses settings that would break a promise or never elect a leader.
    pub(crate) fn validate(&self) -> Result<(), HostError> {
        let refuse = |reason: &str| Err(HostError::Options(reason.to_owned()));
        if self.worker_threads == 0 {
            return refuse("worker_threads is 0");
        }
        if self.heartbeat_ms == 0 || self.heartbeat_ms * 2 > self.election_ms_min {
            return refuse("heartbeat_ms is 0 or more than half of election_ms_min");
        }
        if self.election_ms_min >= self.election_ms_max {
            return refuse("election_ms_min is not below election_ms_max");
        }
        if self.election_ms_max < self.owed_ms {
            return refuse(&format!("election_ms_max is below {} ms, on which leaders rely", self.owed_ms));
        }
        if self.lease_ms < self.election_ms_max {
            return refuse("lease_ms is below election_ms_max, the lease that a follower owes");
        }
        if self.append_inflight_max == 0
            || self.append_entries_max == 0
            || self.snapshot_entries == 0
            || self.snapshots_inflight_max == 0
            || self.log_mib_max == 0
            || self.rpc_ms == 0
            || self.connect_ms == 0
            || self.append_progress_ms == 0
            || self.snapshot_progress_ms == 0
            || self.snapshot_install_ms == 0
            || self.keepalive_ms == 0
        {
            return refuse("a limit is 0");
        }
        Ok(())
    }

    /// The Raft library's settings for one group.
    pub(crate) fn raft_config(&self, name: String) -> Result<openraft::Config, HostError> {
        openraft::Config {
            cluster_name: name,
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_ms_min,
            election_timeout_max: self.election_ms_max,
            install_snapshot_timeout: self.snapshot_progress_ms,
            max_payload_entries: self.append_entries_max,
            max_append_entries: Some(1_024),
            // A follower further behind than the log reaches is sent a snapshot in any case; one
            // that the log still reaches is caught up by log.
            replication_lag_threshold: self.snapshot_entries + self.log_keep_entries,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.log_keep_entries,
            purge_batch_size: (self.snapshot_entries / 4).max(1),
            api_channel_size: Some(4_096),
            backoff: "50ms 100ms 200ms ..500ms".to_owned(),
            // Switched on when the lease that an earlier life may owe has passed.
            enable_elect: false,
            enable_pre_vote: Some(true),
            // A restarted leader that leads again without an election would not have waited.
            enable_leader_restore: Some(false),
            removed_leader_step_down: openraft::StepDownPolicy::Never,
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| HostError::Options(error.to_string()))
    }

    /// What a leader relies on.
    pub(crate) fn owed(&self) -> Duration {
        Duration::from_millis(self.owed_ms)
    }

    /// How long a replica that has just started leaves elections out.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn the_defaults_are_valid() {
        let options = HostOptions::default();
        options.validate().expect("defaults");
        options.raft_config("test".to_owned()).expect("raft settings");
    }

    #[test]
    fn a_lease_shorter_than_what_followers_owe_is_refused() {
        let options = HostOptions { lease_ms: 999, ..HostOptions::default() };
        assert!(options.validate().is_err());
    }

    #[test]
    fn nobody_may_owe_less_than_leaders_elsewhere_rely_on() {
        let options = HostOptions { election_ms_max: 999, ..HostOptions::default() };
        assert!(options.validate().is_err());
        let options = HostOptions { election_ms_max: 1_500, lease_ms: 1_500, ..HostOptions::default() };
        options.validate().expect("more than that is well");
        assert_eq!(options.owed(), Duration::from_millis(1_000));
        // Nor is it read from anywhere.
        let written = HostOptions { owed_ms: 5, ..HostOptions::default() };
        let read: HostOptions = codec::decode(&codec::encode(&written)).expect("options");
        assert_eq!(read, HostOptions::default());
    }
}
