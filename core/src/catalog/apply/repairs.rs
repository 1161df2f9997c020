//! Nodes that have found damage in their data: reported, let go, and succeeded by themselves under another id.

use std::collections::btree_map::Entry;

use crate::catalog::{Catalog, Decision, Duty, Refusal, Repair};
use crate::ids::{NodeId, ShardId};

impl Catalog {
    pub(super) fn report_damage(&mut self, incarnation: u128) -> Result<Decision, Refusal> {
        let id = self.node_of(incarnation).ok_or(Refusal::UnknownFolder)?;
        if let Entry::Vacant(entry) = self.moves.repairs.entry(id) {
            entry.insert(Repair::Waiting);
            self.bump();
        }
        Ok(Decision::Node { id, revision: self.revision })
    }

    /// Whoever proposes it has looked at who answers; what the catalog alone can tell is held here, whoever proposes.
    pub(super) fn grant_repair(&mut self, node: NodeId) -> Result<Decision, Refusal> {
        match self.moves.repairs.get(&node) {
            Some(Repair::Waiting) => {}
            Some(Repair::Granted | Repair::Succeeded(_)) => return self.done(),
            None => return Err(Refusal::NoRepair(node)),
        }
        // Its moves count on what it holds.
        if self.moves.plan.is_some() {
            return Err(Refusal::PlanUnderWay);
        }
        if let Some(shard) = self.shard_map.shards_of(node).find(|shard| !self.is_whole_without_damaged(*shard)) {
            return Err(Refusal::Needed(node, shard));
        }
        self.moves.repairs.insert(node, Repair::Granted);
        self.moves.duties.insert(node, Duty::Lost);
        self.bump();
        self.done()
    }

    /// Once: two nodes never take the place of one.
    pub(super) fn succeed(&mut self, damaged: u128, incarnation: u128) -> Result<Decision, Refusal> {
        let old = self.node_of(damaged).ok_or(Refusal::UnknownFolder)?;
        let new = self.node_of(incarnation).filter(|new| *new != old).ok_or(Refusal::UnknownFolder)?;
        match self.moves.repairs.get_mut(&old) {
            Some(repair @ Repair::Granted) => *repair = Repair::Succeeded(new),
            Some(Repair::Succeeded(by)) if *by == new => return self.done(),
            Some(Repair::Waiting | Repair::Succeeded(_)) | None => return Err(Refusal::NoRepair(old)),
        }
        self.bump();
        self.done()
    }

    /// Whether a majority of a shard's replicas is on nodes that have found no damage.
    fn is_whole_without_damaged(&self, shard: ShardId) -> bool {
        let replicas = self.shard_map.replicas(shard);
        replicas.iter().filter(|node| !self.moves.repairs.contains_key(node)).count() > replicas.len() / 2
    }

    fn node_of(&self, incarnation: u128) -> Option<NodeId> {
        self.nodes.values().find(|node| node.incarnation == incarnation).map(|node| node.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Change, Founding, Move, NodeAddresses, Purpose, ShardMap};
    use crate::ids::RequestId;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
        catalog.apply(Change::Found(founding));
        for node in 1..=4u128 {
            let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
            catalog.apply(Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
        }
        catalog
    }

    fn done(decision: &Decision) -> bool {
        matches!(decision, Decision::Done { .. } | Decision::Node { .. })
    }

    #[test]
    fn a_damaged_node_is_let_go_succeeded_once_and_forgotten_when_it_is_retired() {
        let mut catalog = catalog();
        assert!(matches!(catalog.apply(Change::ReportDamage { incarnation: 3 }), Decision::Node { id: 3, .. }));
        assert_eq!(catalog.duty(3), Duty::Serving, "it serves what it can until it is let go");
        assert_eq!(
            catalog.apply(Change::Succeed { damaged: 3, incarnation: 4 }),
            Decision::Refused(Refusal::NoRepair(3)),
            "not before it was let go"
        );
        assert!(done(&catalog.apply(Change::GrantRepair { node: 3 })));
        assert_eq!((catalog.duty(3), catalog.moves.repairs[&3]), (Duty::Lost, Repair::Granted));
        for _ in 0..2 {
            assert!(done(&catalog.apply(Change::Succeed { damaged: 3, incarnation: 4 })));
            assert_eq!(catalog.moves.repairs[&3], Repair::Succeeded(4));
        }
        let other = catalog.apply(Change::Succeed { damaged: 3, incarnation: 2 });
        assert_eq!(other, Decision::Refused(Refusal::NoRepair(3)), "two never take the place of one");
        let before = catalog.clone();
        catalog.apply(Change::ReportDamage { incarnation: 3 });
        catalog.apply(Change::GrantRepair { node: 3 });
        assert_eq!(catalog, before, "what was said before changes nothing");
        assert!(done(&catalog.apply(Change::RetireNode { node: 3 })));
        assert!(catalog.moves.repairs.is_empty());
        assert_eq!(
            catalog.apply(Change::ReportDamage { incarnation: 3 }),
            Decision::Refused(Refusal::UnknownFolder),
            "nobody counts on it any more"
        );
    }

    #[test]
    fn nobody_is_let_go_who_did_not_ask_and_nobody_succeeds_itself() {
        let mut catalog = catalog();
        assert_eq!(catalog.apply(Change::GrantRepair { node: 2 }), Decision::Refused(Refusal::NoRepair(2)));
        catalog.apply(Change::ReportDamage { incarnation: 2 });
        catalog.apply(Change::GrantRepair { node: 2 });
        for incarnation in [2, 77] {
            let succeeded = catalog.apply(Change::Succeed { damaged: 2, incarnation });
            assert_eq!(succeeded, Decision::Refused(Refusal::UnknownFolder));
        }
    }

    /// Two shards, on nodes 1, 2, 3 and on nodes 2, 3, 4.
    fn placed() -> Catalog {
        let mut catalog = catalog();
        catalog.apply(Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3], vec![2, 3, 4]] }));
        catalog
    }

    #[test]
    fn nobody_is_let_go_without_whom_a_shard_has_no_majority_of_whole_replicas() {
        let mut catalog = placed();
        for incarnation in [1, 2, 4] {
            catalog.apply(Change::ReportDamage { incarnation });
        }
        for (node, shard) in [(1, 0), (2, 0), (4, 1)] {
            let granted = catalog.apply(Change::GrantRepair { node });
            assert_eq!(granted, Decision::Refused(Refusal::Needed(node, ShardId(shard))));
            assert_eq!((catalog.duty(node), catalog.moves.repairs[&node]), (Duty::Serving, Repair::Waiting));
        }
    }

    #[test]
    fn nobody_is_let_go_while_replicas_move() {
        let mut catalog = placed();
        let purpose = Purpose { why: "test".into(), throttle: 0, made_ms: 1 };
        let step = Move { shard: ShardId(0), to: 4, from: 3 };
        catalog.apply(Change::AdoptPlan { id: RequestId(1), purpose, moves: vec![step] });
        catalog.apply(Change::ReportDamage { incarnation: 1 });
        assert_eq!(catalog.apply(Change::GrantRepair { node: 1 }), Decision::Refused(Refusal::PlanUnderWay));
        catalog.apply(Change::FinishMove { plan: RequestId(1), step, now_ms: 2 });
        assert!(done(&catalog.apply(Change::GrantRepair { node: 1 })));
    }

    #[test]
    fn who_gave_its_data_up_never_serves_again_under_its_id() {
        let mut catalog = placed();
        catalog.apply(Change::ReportDamage { incarnation: 1 });
        assert!(done(&catalog.apply(Change::SetDuty { node: 1, duty: Duty::Draining })), "it still holds its data");
        assert!(done(&catalog.apply(Change::SetDuty { node: 1, duty: Duty::Serving })));
        catalog.apply(Change::GrantRepair { node: 1 });
        for duty in [Duty::Serving, Duty::Draining] {
            let set = catalog.apply(Change::SetDuty { node: 1, duty });
            assert_eq!(set, Decision::Refused(Refusal::GaveUp(1)));
        }
        assert!(done(&catalog.apply(Change::SetDuty { node: 1, duty: Duty::Lost })), "as it is");
        assert_eq!(catalog.duty(1), Duty::Lost);
    }
}
