//! Syncs and look-ups as JSON: the one shape that REST answers with and the command line prints.

use dnc_proto::v1;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{filled, moment, some};

/// A sync that was started, or why it was not.
#[derive(Serialize, ToSchema)]
#[schema(as = StartedSync)]
pub struct StartedShown<'a> {
    registry: &'a str,
    sync_id: Option<&'a str>,
    /// `running`, or how it ended if that was waited for; `refused` if it was not started.
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<SyncShown<'a>>,
}

/// Several that were started.
#[derive(Serialize, ToSchema)]
#[schema(as = StartedSyncs)]
pub struct AllStartedShown<'a> {
    syncs: Vec<StartedShown<'a>>,
}

/// What runs, what is due, and what came of the last ones.
#[derive(Serialize, ToSchema)]
#[schema(as = Syncs)]
pub struct SyncsShown<'a> {
    registry: &'a str,
    running: Option<RunningShown<'a>>,
    next_sync: Option<Timestamp>,
    syncs: Vec<SyncShown<'a>>,
}

/// A sync that runs, and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = RunningSync)]
struct RunningShown<'a> {
    sync_id: &'a str,
    router: &'a str,
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    done: u64,
    total: u64,
}

/// What came of one sync.
#[derive(Serialize, ToSchema)]
#[schema(as = Sync)]
pub struct SyncShown<'a> {
    sync_id: &'a str,
    trigger: &'a str,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    status: &'a str,
    version: Option<u64>,
    records_added: u64,
    records_removed: u64,
    records_unchanged: u64,
    message: Option<&'a str>,
}

/// What a list's origin and this cluster say of a number.
#[derive(Serialize, ToSchema)]
#[schema(as = Lookup)]
pub struct LookupShown<'a> {
    registry: &'a str,
    phone_number: &'a str,
    origin_listed: bool,
    /// What this cluster says: `listed`, `not_listed`, `not_covered` or `unavailable`.
    #[schema(pattern = "^(listed|not_listed|not_covered|unavailable)$")]
    here: &'a str,
    /// Null unless both speak for the number.
    agree: Option<bool>,
}

// === impl StartedShown, AllStartedShown ===

impl<'a> StartedShown<'a> {
    /// One that was started.
    pub fn of(started: &'a v1::StartedSync) -> Self {
        let status = match &started.ended {
            Some(ended) => &ended.outcome,
            None if started.sync_id.is_empty() => "refused",
            None => "running",
        };
        Self {
            registry: &started.registry,
            sync_id: filled(&started.sync_id),
            status,
            error: filled(&started.error),
            ended: started.ended.as_ref().map(SyncShown::of),
        }
    }
}

impl<'a> AllStartedShown<'a> {
    /// All that were started.
    pub fn of(answer: &'a v1::StartSyncResponse) -> Self {
        Self { syncs: answer.started.iter().map(StartedShown::of).collect() }
    }
}

// === impl SyncsShown ===

impl<'a> SyncsShown<'a> {
    /// The syncs of a registry.
    pub fn of(answer: &'a v1::ListSyncsResponse) -> Self {
        let running = answer.running.as_ref().map(|running| RunningShown {
            sync_id: &running.sync_id,
            router: &running.router,
            started_at: running.started_at.as_ref().and_then(moment),
            phase: filled(&running.phase),
            done: running.done,
            total: running.total,
        });
        Self {
            registry: &answer.registry,
            running,
            next_sync: answer.next_at.as_ref().and_then(moment),
            syncs: answer.syncs.iter().map(SyncShown::of).collect(),
        }
    }
}

// === impl SyncShown ===

impl<'a> SyncShown<'a> {
    /// What came of a sync, under the names that it is shown by.
    pub fn of(sync: &'a v1::SyncRecord) -> Self {
        Self {
            sync_id: &sync.id,
            trigger: &sync.trigger,
            started_at: sync.started_at.as_ref().and_then(moment),
            completed_at: sync.completed_at.as_ref().and_then(moment),
            status: &sync.outcome,
            version: some(sync.version),
            records_added: sync.added,
            records_removed: sync.removed,
            records_unchanged: sync.unchanged,
            message: filled(&sync.message),
        }
    }
}

// === impl LookupShown ===

impl<'a> LookupShown<'a> {
    /// A look-up's answer.
    pub fn of(answer: &'a v1::LookupResponse) -> Self {
        Self {
            registry: &answer.registry,
            phone_number: &answer.phone_number,
            origin_listed: answer.origin_listed,
            here: &answer.here,
            agree: answer.agree,
        }
    }
}
