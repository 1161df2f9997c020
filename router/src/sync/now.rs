//! How far a sync is, for whoever asks the router that runs it.

use std::sync::Arc;

use dnc_proto::v1;
use parking_lot::Mutex;

/// How far a sync is. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Now(Arc<Mutex<Progress>>);

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// How much of that is done, in its own unit: bytes, runs, shards.
    pub done: u64,
    /// Of how much; 0 if it is not known.
    pub total: u64,
}

/// What a sync does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It asks what there is.
    #[default]
    Listing,
    /// It downloads.
    Fetching,
    /// It loads what it fetched.
    Loading(v1::ImportPhase),
}

// === impl Now ===

impl Now {
    /// How far it is.
    pub fn get(&self) -> Progress {
        *self.0.lock()
    }

    /// A phase begins, of this size; 0 if it is not known.
    pub fn phase(&self, phase: Phase, total: u64) {
        *self.0.lock() = Progress { phase, done: 0, total };
    }

    /// So much of the phase is done.
    pub fn done(&self, done: u64) {
        self.0.lock().done = done;
    }

    /// An import tells how far it is.
    pub fn import(&self, progress: &v1::ImportProgress) {
        let phase = Phase::Loading(progress.phase());
        *self.0.lock() = Progress { phase, done: progress.done, total: progress.total };
    }
}

// === impl Phase ===

impl Phase {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Listing => "listing",
            Phase::Fetching => "fetching",
            Phase::Loading(v1::ImportPhase::Reading) => "reading",
            Phase::Loading(v1::ImportPhase::Staging) => "staging",
            Phase::Loading(v1::ImportPhase::Sealing) => "sealing",
            Phase::Loading(v1::ImportPhase::Activating) => "activating",
            Phase::Loading(_) => "loading",
        }
    }
}
