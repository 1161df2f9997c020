//! How a change changes the catalog: a pure function of the two.

mod cluster;
mod moves;
mod recoveries;
mod registries;
mod repairs;
mod restore;
mod rules;
mod syncs;
mod tenants;
mod versions;

use super::{Catalog, Change, Decision, Refusal};

impl Catalog {
    /// Applies one change. A refused one, or one that says what is the case already, leaves the revision as it is.
    pub fn apply(&mut self, change: Change) -> Decision {
        let before = self.revision;
        if self.founding.is_none() && !matches!(change, Change::Found(_)) {
            return Decision::Refused(Refusal::NotFounded);
        }
        if !self.may_change(&change) {
            return Decision::Refused(Refusal::Restoring);
        }
        let decision = match change {
            Change::Found(founding) => self.found(founding),
            Change::RegisterNode { incarnation, addresses, zone } => self.register_node(incarnation, addresses, zone),
            Change::PlaceShards(map) => self.place_shards(map),
            Change::SetDuty { node, duty } => self.set_duty(node, duty),
            Change::RetireNode { node } => self.retire_node(node),
            Change::AdoptPlan { id, purpose, moves } => self.adopt_plan(id, purpose, moves),
            Change::FinishMove { plan, step, now_ms } => self.finish_move(plan, step, now_ms),
            Change::DropMove { plan, step, now_ms } => self.drop_move(plan, step, now_ms),
            Change::CancelPlan { id } => self.cancel_plan(id),
            Change::ReportDamage { incarnation } => self.report_damage(incarnation),
            Change::GrantRepair { node } => self.grant_repair(node),
            Change::Succeed { damaged, incarnation } => self.succeed(damaged, incarnation),
            Change::CreateRegistry(new) => self.create_registry(new),
            Change::UpdateRegistry { registry, edition, settings } => self.update_registry(registry, edition, settings),
            Change::RetireRegistry { registry } => self.retire_registry(registry),
            Change::BeginVersion { registry, load, now_ms } => self.begin_version(registry, load, now_ms),
            Change::SealVersion { registry, version, content } => self.seal_version(registry, version, content),
            Change::Activate { registry, version, from, now_ms } => self.activate(registry, version, from, now_ms),
            Change::Summon { registry, version } => self.summon(registry, version),
            Change::Discard { registry, version } => self.discard(registry, version),
            Change::Forget { registry, versions, holding } => self.forget(registry, &versions, &holding),
            Change::CreateTenant { name, terms } => self.create_tenant(name, terms),
            Change::UpdateTenant { tenant, edition, terms } => self.update_tenant(tenant, edition, terms),
            Change::AddRule(rule) => self.add_rule(rule),
            Change::RemoveRule { rule } => self.remove_rule(rule),
            Change::ClaimSync { registry, claim } => self.claim_sync(registry, claim),
            Change::EndSync { registry, record, next_ms } => self.end_sync(registry, record, next_ms),
            Change::ScheduleSync { registry, next_ms } => self.schedule_sync(registry, next_ms),
            Change::BeginRestore { backup } => self.begin_restore(backup),
            Change::RestorePart { backup, part } => self.restore_part(backup, part),
            Change::FinishRestore(restored) => self.finish_restore(restored),
            Change::Read => self.done(),
            Change::Recover { id, why, lost, shards, now_ms } => self.recover(id, why, lost, shards, now_ms),
        };
        debug_assert!(self.revision == before || self.revision == before + 1);
        decision.unwrap_or_else(Decision::Refused)
    }

    fn bump(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Like `bump`, for a change that can change a verdict.
    fn bump_view(&mut self) -> u64 {
        self.view_revision = self.bump();
        self.revision
    }

    fn done(&self) -> Result<Decision, Refusal> {
        Ok(Decision::Done { revision: self.revision })
    }
}

/// A cluster of two shards, each three times, without nodes.
#[cfg(test)]
fn founded() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.apply(Change::Found(crate::catalog::Founding {
        cluster: 1,
        log_key: [0; 32],
        shards: 2,
        replication: 3,
        initial_nodes: 3,
    }));
    catalog
}
