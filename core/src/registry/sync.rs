//! Syncs: lists fetched from where they come from, by one router at a time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ids::VersionId;

/// Syncs and loads that are remembered of a registry.
pub const MAX_HISTORY: usize = 60;

/// Where a registry stands with its syncs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncState {
    /// Who syncs it now.
    pub claim: Option<Claim>,
    /// When it is due next, milliseconds since 1970.
    pub next_ms: Option<u64>,
    /// What came of the last ones, oldest first.
    pub history: VecDeque<SyncRecord>,
}

/// The right of one router to sync a registry, until it ends or is renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Names this sync.
    pub sync: u128,
    /// Where the router listens, for people.
    pub router: String,
    /// When it began, milliseconds since 1970.
    pub since_ms: u64,
    /// When another router may take over, milliseconds since 1970.
    pub until_ms: u64,
}

/// What came of one sync or load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRecord {
    /// Names the sync, or the load.
    pub sync: u128,
    /// How it was started.
    pub trigger: Trigger,
    /// When, milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended, milliseconds since 1970.
    pub completed_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The version that it made active, if it did.
    pub version: Option<VersionId>,
    /// Numbers that came in.
    pub added: u64,
    /// Numbers that went.
    pub removed: u64,
    /// Numbers that were in both.
    pub unchanged: u64,
    /// What went wrong, or why there was nothing to do.
    pub message: String,
}

/// How a sync was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// By its schedule.
    Schedule,
    /// By somebody's request.
    Request,
    /// Somebody loaded files.
    Import,
}

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// What was fetched is active.
    Done,
    /// There was nothing new.
    Skipped,
    /// It failed; the version before stays.
    Failed,
    /// What was fetched is complete, and waits for somebody to force it past the guard.
    Held,
}

// === impl SyncState ===

impl SyncState {
    /// Remembers what came of a sync; one that is known stays as it is.
    pub fn remember(&mut self, record: SyncRecord) {
        if self.history.iter().any(|known| known.sync == record.sync) {
            return;
        }
        if self.history.len() >= MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(record);
    }

    /// Who syncs it at this time.
    pub fn claim_at(&self, now_ms: u64) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| now_ms < claim.until_ms)
    }

    /// What came of the last one.
    pub fn last(&self) -> Option<&SyncRecord> {
        self.history.back()
    }
}

// === impl Trigger, Outcome ===

impl Trigger {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Request => "request",
            Trigger::Import => "import",
        }
    }
}

impl Outcome {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Skipped => "skipped",
            Outcome::Failed => "failed",
            Outcome::Held => "held",
        }
    }
}
