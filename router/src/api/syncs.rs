//! Syncs and look-ups as messages, for both APIs.

use std::time::Duration;

use dnc_core::ids::TenantId;
use dnc_core::registry::RegistryKind;
use dnc_proto::v1;

use super::state::State;
use super::told;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::sync::{Error, Running, Started};

/// Starts what is asked for. One registry that cannot be synced is an error; of several, each has its own.
pub async fn start<C: Cluster>(state: &State<C>, asked: v1::StartSyncRequest) -> Result<v1::StartSyncResponse, Error> {
    let wait = Duration::from_millis(asked.wait_ms.into());
    let outcomes = match (asked.registry.as_str(), asked.r#type.as_str()) {
        ("", "") => return Err(Invalid::new("registry", "name a registry, or a type of registries").into()),
        ("", kind) => {
            let kind: RegistryKind = kind.parse().map_err(|why| Invalid::new("type", format!("{why}")))?;
            let place = Some(asked.jurisdiction.as_str()).filter(|place| !place.is_empty());
            state.syncs.start_all(kind, place).await?
        }
        (registry, "") => {
            let started = state.syncs.start(registry).await?;
            vec![(started.name.clone(), Ok(started))]
        }
        _ => return Err(Invalid::new("type", "name a registry or a type, not both").into()),
    };
    let until = tokio::time::Instant::now() + wait;
    let mut answer = Vec::with_capacity(outcomes.len());
    for (registry, outcome) in outcomes {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        answer.push(match outcome {
            Ok(started) => begun(state, started, left).await,
            Err(why) => v1::StartedSync { registry, error: why.to_string(), ..v1::StartedSync::default() },
        });
    }
    Ok(v1::StartSyncResponse { started: answer })
}

async fn begun<C: Cluster>(state: &State<C>, started: Started, wait: Duration) -> v1::StartedSync {
    let ended = if wait.is_zero() { None } else { state.syncs.wait(&started, wait).await };
    v1::StartedSync {
        sync_id: id(started.sync),
        registry: started.name,
        error: String::new(),
        ended: ended.as_ref().map(told::sync),
    }
}

/// What runs, what is due, and what came of the last ones.
pub async fn list<C: Cluster>(state: &State<C>, asked: v1::ListSyncsRequest) -> Result<v1::ListSyncsResponse, Error> {
    let registry = state.syncs.registry(&asked.registry).await?;
    let limit = if asked.limit == 0 { usize::MAX } else { asked.limit as usize };
    Ok(v1::ListSyncsResponse {
        running: state.syncs.running(&registry).map(running),
        next_at: told::next_sync(&registry, crate::clock::now_ms()).and_then(told::at),
        syncs: registry.sync.history.iter().rev().take(limit).map(told::sync).collect(),
        registry: registry.name,
    })
}

fn running(running: Running) -> v1::RunningSync {
    let (phase, done, total) =
        running.progress.map_or(("", 0, 0), |progress| (progress.phase.as_str(), progress.done, progress.total));
    v1::RunningSync {
        sync_id: id(running.sync),
        router: running.router,
        started_at: told::at(running.since_ms),
        phase: phase.into(),
        done,
        total,
    }
}

/// Asks the origin of a registry's list for a number.
pub async fn lookup<C: Cluster>(
    state: &State<C>,
    tenant: TenantId,
    asked: v1::LookupRequest,
) -> Result<v1::LookupResponse, Error> {
    let looked = state.syncs.lookup(tenant, &asked.registry, &asked.phone_number).await?;
    Ok(v1::LookupResponse {
        agree: looked.agree(),
        phone_number: looked.number.to_string(),
        origin_listed: looked.origin,
        here: looked.here.as_str().into(),
        registry: looked.registry,
    })
}

fn id(sync: u128) -> String {
    format!("{sync:032x}")
}
