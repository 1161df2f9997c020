//! Syncs: claimed by one router at a time, ended, scheduled.

use crate::catalog::{Catalog, Decision, Refusal};
use crate::ids::RegistryId;
use crate::registry::{Claim, Registry, SyncRecord};
use crate::suppression::MAX_TEXT;

impl Catalog {
    /// Claims, or renews. A claim that stands is another router's until its time is over.
    pub(super) fn claim_sync(&mut self, registry: RegistryId, claim: Claim) -> Result<Decision, Refusal> {
        let registry = self.syncable(registry)?;
        if claim.until_ms <= claim.since_ms || claim.router.len() > MAX_TEXT {
            return Err(Refusal::BadClaim);
        }
        match &registry.sync.claim {
            Some(known) if *known == claim => return self.done(),
            Some(known) if known.sync != claim.sync && claim.since_ms < known.until_ms => {
                return Err(Refusal::Syncing(known.router.clone()));
            }
            _ if registry.sync.history.iter().any(|record| record.sync == claim.sync) => {
                return Err(Refusal::SyncEnded);
            }
            _ => {}
        }
        registry.sync.claim = Some(claim);
        self.bump();
        self.done()
    }

    /// Records what came of a sync, or of a load that was none, and lets go of its claim.
    pub(super) fn end_sync(
        &mut self,
        registry: RegistryId,
        record: SyncRecord,
        next_ms: Option<u64>,
    ) -> Result<Decision, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.sync.history.iter().any(|known| known.sync == record.sync) {
            return self.done();
        }
        if registry.sync.claim.as_ref().is_some_and(|claim| claim.sync == record.sync) {
            registry.sync.claim = None;
        }
        if next_ms.is_some() {
            registry.sync.next_ms = next_ms;
        }
        registry.sync.remember(record);
        self.bump();
        self.done()
    }

    /// Says when it is due next.
    pub(super) fn schedule_sync(&mut self, registry: RegistryId, next_ms: u64) -> Result<Decision, Refusal> {
        let registry = self.syncable(registry)?;
        if registry.sync.next_ms != Some(next_ms) {
            registry.sync.next_ms = Some(next_ms);
            self.bump();
        }
        self.done()
    }

    fn syncable(&mut self, registry: RegistryId) -> Result<&mut Registry, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.retired { Err(Refusal::Retired) } else { Ok(registry) }
    }
}
