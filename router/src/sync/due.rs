//! What is to be done now for each registry's syncs. Pure: a function of the catalog and the time.

use dnc_core::catalog::Catalog;
use dnc_core::ids::RegistryId;
use dnc_core::registry::{Claim, Outcome, Registry, SyncRecord, Trigger};

use crate::schedule::Schedule;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Say when it is due next.
    Schedule(RegistryId, u64),
    /// Sync it.
    Sync(RegistryId),
    /// Record that the router that synced it is gone.
    Close(RegistryId, SyncRecord),
}

/// What is to be done at this time.
pub fn acts(catalog: &Catalog, now_ms: u64) -> Vec<Act> {
    catalog.registries.values().flat_map(|registry| acts_for(registry, now_ms)).collect()
}

fn acts_for(registry: &Registry, now_ms: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    if registry.retired {
        return acts;
    }
    if let Some(claim) = &registry.sync.claim {
        if now_ms < claim.until_ms {
            return acts;
        }
        acts.push(Act::Close(registry.id, abandoned(claim, now_ms)));
    }
    let fetched = registry.settings.enabled && !registry.kind.is_live() && registry.settings.fetch.is_some();
    if fetched {
        match registry.sync.next_ms {
            None => acts.extend(next(registry, now_ms).map(|next_ms| Act::Schedule(registry.id, next_ms))),
            Some(next_ms) if next_ms <= now_ms && registry.settings.schedule.is_some() => {
                acts.push(Act::Sync(registry.id));
            }
            Some(_) => {}
        }
    }
    acts
}

/// When a registry is due after this time; none without a schedule.
pub fn next(registry: &Registry, now_ms: u64) -> Option<u64> {
    let schedule = Schedule::of(registry.settings.schedule.as_ref()?).ok()?;
    schedule.next_after(now_ms)
}

/// When a registry is due after a sync of it has ended: by its schedule, or earlier if it failed.
pub fn next_after(registry: &Registry, outcome: Outcome, retry_ms: u64, now_ms: u64) -> Option<u64> {
    let next = next(registry, now_ms)?;
    Some(if outcome == Outcome::Failed { next.min(now_ms + retry_ms) } else { next })
}

/// The record of a sync whose router let its claim run out.
fn abandoned(claim: &Claim, now_ms: u64) -> SyncRecord {
    SyncRecord {
        sync: claim.sync,
        // How it was started went with it; one by schedule is due still and comes again.
        trigger: Trigger::Schedule,
        started_ms: claim.since_ms,
        completed_ms: now_ms,
        outcome: Outcome::Failed,
        version: None,
        added: 0,
        removed: 0,
        unchanged: 0,
        message: format!(
            "router {} stopped, or was cut off, before the sync ended; the list before stays",
            claim.router
        ),
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::Change;
    use dnc_core::registry::{Fetch, RegistryKind, Schedule, Settings};

    use super::*;
    use crate::cluster::Cluster;
    use crate::testing::Fake;

    /// Two in the morning of 10 November 2026 in New York.
    const NIGHT: u64 = 1_794_294_000_000;
    const DAY: u64 = 24 * 3_600_000;

    fn fetched() -> Settings {
        Settings {
            fetch: Some(Fetch { url: "file:///lists".into(), lookup_url: String::new(), key: None }),
            schedule: Some(Schedule { cron: "0 2 * * *".into(), time_zone: "America/New_York".into() }),
            ..Settings::default()
        }
    }

    fn set(fake: &Fake, settings: Settings) -> RegistryId {
        let registry = fake.known().catalog.registry_named("federal").expect("founded").clone();
        fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
        registry.id
    }

    fn at(fake: &Fake, now_ms: u64) -> Vec<Act> {
        acts(&fake.known().catalog, now_ms)
    }

    #[test]
    fn a_registry_with_a_source_and_a_schedule_is_scheduled_and_then_due() {
        let fake = Fake::founded();
        assert_eq!(at(&fake, NIGHT), []);
        let id = set(&fake, fetched());
        assert_eq!(at(&fake, NIGHT - 1), [Act::Schedule(id, NIGHT)]);
        fake.change(Change::ScheduleSync { registry: id, next_ms: NIGHT });
        assert_eq!(at(&fake, NIGHT - 1), []);
        assert_eq!(at(&fake, NIGHT), [Act::Sync(id)]);
        // Another schedule is another time.
        set(&fake, Settings { schedule: None, ..fetched() });
        assert_eq!(at(&fake, NIGHT), []);
        set(&fake, Settings { enabled: false, ..fetched() });
        assert_eq!(at(&fake, NIGHT), []);
    }

    #[test]
    fn who_syncs_is_left_alone_until_the_claim_runs_out_and_then_recorded_as_gone() {
        let fake = Fake::founded();
        let id = set(&fake, fetched());
        fake.change(Change::ScheduleSync { registry: id, next_ms: NIGHT });
        let claim = Claim { sync: 7, router: "r1:1".into(), since_ms: NIGHT, until_ms: NIGHT + 60_000 };
        fake.change(Change::ClaimSync { registry: id, claim });
        assert_eq!(at(&fake, NIGHT + 59_999), []);
        let acts = at(&fake, NIGHT + 60_000);
        let [Act::Close(closed, record), Act::Sync(due)] = &acts[..] else {
            panic!("closed and due: {acts:?}");
        };
        assert_eq!((*closed, *due, record.sync, record.outcome), (id, id, 7, Outcome::Failed));
        assert!(record.message.contains("r1:1"), "{}", record.message);
    }

    #[test]
    fn a_live_registry_is_never_fetched() {
        let fake = Fake::founded();
        fake.change(Change::CreateRegistry(dnc_core::catalog::NewRegistry {
            settings: fetched(),
            ..dnc_core::catalog::NewRegistry::named("own", RegistryKind::Internal)
        }));
        assert_eq!(at(&fake, NIGHT), []);
    }

    #[test]
    fn after_a_failure_it_is_tried_again_before_the_next_time_of_its_schedule() {
        let fake = Fake::founded();
        let id = set(&fake, fetched());
        let registry = fake.known().catalog.registries[&id].clone();
        let hour = 3_600_000;
        assert_eq!(next_after(&registry, Outcome::Done, hour, NIGHT), Some(NIGHT + DAY));
        assert_eq!(next_after(&registry, Outcome::Failed, hour, NIGHT), Some(NIGHT + hour));
        assert_eq!(next_after(&registry, Outcome::Failed, hour, NIGHT + DAY - 1), Some(NIGHT + DAY));
    }
}
