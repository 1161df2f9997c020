//! Restores: begun in an empty cluster, filled part by part, and made to count in one step.

use crate::catalog::{
    Catalog, Change, Decision, MAX_REGISTRIES, MAX_TENANTS, NextIds, Refusal, RestorePart, Restored, Restoring,
};
use crate::ids::RequestId;
use crate::registry::{Registry, SyncState};
use crate::rule::MAX_RULES;
use crate::tenant::{DEFAULT_TENANT_ID, Terms};

impl Catalog {
    /// Whether a change may be made while the catalog is restored: nodes come and go, and what judges waits.
    pub(super) fn may_change(&self, change: &Change) -> bool {
        let while_restoring = matches!(
            change,
            Change::Found(_)
                | Change::RegisterNode { .. }
                | Change::PlaceShards(_)
                | Change::SetDuty { .. }
                | Change::RetireNode { .. }
                | Change::AdoptPlan { .. }
                | Change::FinishMove { .. }
                | Change::DropMove { .. }
                | Change::CancelPlan { .. }
                | Change::ReportDamage { .. }
                | Change::GrantRepair { .. }
                | Change::Succeed { .. }
                | Change::BeginRestore { .. }
                | Change::RestorePart { .. }
                | Change::FinishRestore(_)
                | Change::Read
        );
        self.restoring.is_none() || while_restoring
    }

    /// Why nothing can be restored here, if something was made here already.
    pub fn not_empty(&self) -> Option<&'static str> {
        let own = |terms: &Terms| *terms == Terms::everything();
        let fresh = self.tenants.len() == 1 && self.tenants.values().all(|t| t.edition == 1 && own(&t.terms));
        match () {
            () if self.next.version > 0 => Some("lists were loaded into it"),
            () if !self.registries.values().all(as_founded) => Some("its registries were changed, or others added"),
            () if !fresh => Some("its tenants were changed"),
            () if !self.rules.is_empty() => Some("it has rules"),
            () => None,
        }
    }

    pub(super) fn begin_restore(&mut self, backup: RequestId) -> Result<Decision, Refusal> {
        match &self.restoring {
            Some(restoring) if restoring.backup == backup => return self.done(),
            Some(_) => return Err(Refusal::Restoring),
            None if self.restored.as_ref().is_some_and(|restored| restored.backup == backup) => return self.done(),
            None => {}
        }
        if let Some(why) = self.not_empty() {
            return Err(Refusal::NotEmpty(why.into()));
        }
        // Those that the founding made hold nothing, and shall take nothing until the backup's are there.
        self.registries.clear();
        self.restoring = Some(Box::new(Restoring::new(backup)));
        self.bump_view();
        self.done()
    }

    /// The last one of its name counts: a restore that is begun again brings the same ones again.
    pub(super) fn restore_part(&mut self, backup: RequestId, part: RestorePart) -> Result<Decision, Refusal> {
        let restoring = self.restoring.as_mut().filter(|restoring| restoring.backup == backup);
        let restoring = restoring.ok_or(Refusal::NoRestore)?;
        let (changed, count, max) = match part {
            RestorePart::Tenant(tenant) => {
                let id = tenant.id;
                let changed = restoring.tenants.get(&id) != Some(&tenant);
                restoring.tenants.insert(id, tenant);
                (changed, restoring.tenants.len(), MAX_TENANTS)
            }
            RestorePart::Registry(registry) => {
                let id = registry.id;
                if !stands_alone(&registry) {
                    return Err(Refusal::BadRestore(format!("registry {} has other versions", registry.name)));
                }
                let changed = restoring.registries.get(&id) != Some(&*registry);
                restoring.registries.insert(id, *registry);
                (changed, restoring.registries.len(), MAX_REGISTRIES)
            }
            RestorePart::Rule(rule) => {
                let id = rule.id;
                let changed = restoring.rules.get(&id) != Some(&rule);
                restoring.rules.insert(id, rule);
                (changed, restoring.rules.len(), MAX_RULES)
            }
        };
        if count > max {
            return Err(Refusal::BadRestore("it has more of something than a catalog holds".into()));
        }
        if changed {
            self.bump();
        }
        self.done()
    }

    /// From here on it is what judges.
    pub(super) fn finish_restore(&mut self, restored: Restored) -> Result<Decision, Refusal> {
        if self.restored.as_ref().is_some_and(|known| known.backup == restored.backup) {
            return self.done();
        }
        let restoring = self.restoring.as_ref().filter(|restoring| restoring.backup == restored.backup);
        let restoring = restoring.ok_or(Refusal::NoRestore)?;
        let next = restored.next;
        let given = restoring.registries.values().all(|registry| {
            registry.id.0 <= next.registry && registry.versions.keys().all(|version| version.0 <= next.version)
        }) && restoring.tenants.keys().all(|tenant| tenant.0 <= next.tenant);
        if !given || !restoring.tenants.contains_key(&DEFAULT_TENANT_ID) {
            return Err(Refusal::BadRestore("its ids are not those that were given".into()));
        }
        let Some(restoring) = self.restoring.take() else {
            return Err(Refusal::NoRestore);
        };
        let Restoring { backup: _, tenants, registries, rules } = *restoring;
        (self.tenants, self.registries, self.rules) = (tenants, registries, rules);
        self.next = NextIds { node: self.next.node, ..next };
        self.restored = Some(restored);
        self.bump_view();
        self.done()
    }
}

/// Whether a registry is one that the founding made, and nobody has touched it since.
fn as_founded(registry: &Registry) -> bool {
    let untouched = registry.versions.is_empty() && registry.sync == SyncState::default() && !registry.retired;
    registry.created_ms == 0 && registry.edition == 1 && untouched
}

/// Whether a registry needs no version but its active one, which is complete.
fn stands_alone(registry: &Registry) -> bool {
    let is_active = registry.versions.values().all(|version| {
        Some(version.id) == registry.active && version.ancestry.is_empty() && version.content().is_some()
    });
    is_active
        && registry.versions.len() == usize::from(registry.active.is_some())
        && registry.previous.is_none()
        && registry.summoned.is_none()
        && registry.sync.claim.is_none()
}
