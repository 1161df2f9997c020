//! What can be set about syncs, and every limit that they keep.

use std::time::Duration;

use super::source::Place;
use serde::{Deserialize, Serialize};

/// Limits on syncs, and how their sources are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncOptions {
    /// Whether this router syncs registries by their schedules. Syncs on request it runs in any case.
    pub by_schedule: bool,
    /// Most syncs at a time on this router.
    pub max_at_once: usize,
    /// How long one sync may take in all, seconds.
    pub limit_s: u64,
    /// How long a file in a watched folder must have been left alone before it is taken, seconds.
    pub settle_s: u64,
    /// How long a connection may take to open, milliseconds.
    pub connect_ms: u64,
    /// How long a source may be silent, milliseconds.
    pub idle_ms: u64,
    /// How often one file, or one listing, is tried.
    pub attempts: u32,
    /// The first pause between two tries, milliseconds; it doubles with each.
    pub pause_ms: u64,
    /// The longest pause between two tries, milliseconds.
    pub max_pause_ms: u64,
    /// The longest time that a source may ask to be left alone for within a sync, seconds.
    pub max_retry_after_s: u64,
    /// After how long a sync by schedule that failed is tried again, if it is not due before, seconds.
    pub retry_s: u64,
    /// Time for one number to be looked up where a list comes from, milliseconds.
    pub lookup_ms: u64,
    /// Where object storage is, as a URL; empty for what the environment says, else Amazon's.
    pub s3_endpoint: String,
    /// Region of object storage; empty for what the environment says.
    pub s3_region: String,
    /// URLs of the places that callers may name, with all that is below them: of lists and of backups. Any place that the
    /// router can reach, if there are none.
    pub places: Vec<String>,
    /// File with the private key for SFTP, in OpenSSH's form; empty if registries have passwords.
    pub sftp_key_file: String,
    /// File with the keys of known SFTP servers, in OpenSSH's form; empty for the user's own.
    pub sftp_known_hosts: String,
}

// === impl SyncOptions ===

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            by_schedule: true,
            max_at_once: 2,
            limit_s: 4 * 3_600,
            settle_s: 30,
            connect_ms: 10_000,
            idle_ms: 60_000,
            attempts: 5,
            pause_ms: 1_000,
            max_pause_ms: 60_000,
            max_retry_after_s: 600,
            retry_s: 3_600,
            lookup_ms: 5_000,
            s3_endpoint: String::new(),
            s3_region: String::new(),
            places: Vec::new(),
            sftp_key_file: String::new(),
            sftp_known_hosts: String::new(),
        }
    }
}

impl SyncOptions {
    /// Whether callers may name a place.
    pub fn allows(&self, place: &Place) -> bool {
        self.places.is_empty() || place.is_below(&self.places)
    }

    /// The first of the places that is none.
    pub fn bad_place(&self) -> Option<&str> {
        self.places.iter().map(String::as_str).find(|place| Place::parse(place).is_err())
    }

    /// Each limit with the most that it may be; none of them may be zero.
    pub fn bounds(&self) -> [(&'static str, u64, u64); 10] {
        [
            ("sync.max_at_once", self.max_at_once as u64, 16),
            ("sync.limit_s", self.limit_s, 7 * 24 * 3_600),
            ("sync.connect_ms", self.connect_ms, 600_000),
            ("sync.idle_ms", self.idle_ms, 3_600_000),
            ("sync.attempts", self.attempts.into(), 100),
            ("sync.pause_ms", self.pause_ms, 600_000),
            ("sync.max_pause_ms", self.max_pause_ms, 3_600_000),
            ("sync.max_retry_after_s", self.max_retry_after_s, 24 * 3_600),
            ("sync.retry_s", self.retry_s, 31 * 24 * 3_600),
            // Below the time that a request over REST may take.
            ("sync.lookup_ms", self.lookup_ms, 10_000),
        ]
    }

    /// Time for a connection to open.
    pub fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    /// Time for a source to be silent.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    /// Time for one number to be looked up.
    pub fn lookup(&self) -> Duration {
        Duration::from_millis(self.lookup_ms)
    }

    /// The longest time that a source may ask to be left alone for.
    pub fn max_retry_after(&self) -> Duration {
        Duration::from_secs(self.max_retry_after_s)
    }
}
