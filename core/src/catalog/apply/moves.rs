//! Plans of moves: adopted, carried out move by move, cancelled; and what is wanted of nodes.

use std::collections::BTreeMap;

use crate::catalog::moves::{MAX_HISTORY, MAX_MOVES, MAX_WHY, PastPlan};
use crate::catalog::{Catalog, Decision, Duty, Move, Plan, Purpose, Refusal, Repair, ShardMap};
use crate::ids::{NodeId, RequestId, ShardId};

impl Catalog {
    pub(super) fn set_duty(&mut self, node: NodeId, duty: Duty) -> Result<Decision, Refusal> {
        if !self.nodes.contains_key(&node) {
            return Err(Refusal::UnknownNode(node));
        }
        if self.duty(node) != duty {
            if matches!(self.moves.repairs.get(&node), Some(Repair::Granted | Repair::Succeeded(_))) {
                return Err(Refusal::GaveUp(node));
            }
            match duty {
                Duty::Serving => self.moves.duties.remove(&node),
                Duty::Draining | Duty::Lost => self.moves.duties.insert(node, duty),
            };
            self.bump();
        }
        self.done()
    }

    /// A node that holds nothing leaves for good. Its id is never given again.
    pub(super) fn retire_node(&mut self, node: NodeId) -> Result<Decision, Refusal> {
        if !self.nodes.contains_key(&node) {
            // Retired already, or never there: ids count up.
            return if node <= self.next.node { self.done() } else { Err(Refusal::UnknownNode(node)) };
        }
        if self.duty(node) == Duty::Serving {
            return Err(Refusal::NodeServes(node));
        }
        let named = |step: &Move| step.to == node || step.from == node;
        let moving = self.moves.plan.as_ref().is_some_and(|plan| plan.left.iter().any(named));
        if moving || self.shard_map.shards_of(node).next().is_some() {
            return Err(Refusal::NodeHolds(node));
        }
        self.nodes.remove(&node);
        self.moves.duties.remove(&node);
        self.moves.repairs.remove(&node);
        self.bump();
        self.done()
    }

    pub(super) fn adopt_plan(
        &mut self,
        id: RequestId,
        purpose: Purpose,
        moves: Vec<Move>,
    ) -> Result<Decision, Refusal> {
        let known = self.moves.plan.as_ref().is_some_and(|plan| plan.id == id);
        if known || self.moves.past.iter().any(|past| past.id == id) {
            return self.done();
        }
        if self.moves.plan.is_some() {
            return Err(Refusal::PlanUnderWay);
        }
        if moves.is_empty() || moves.len() > MAX_MOVES || purpose.why.len() > MAX_WHY {
            return Err(Refusal::BadPlan("it has no moves, or too many, or too long a reason".into()));
        }
        // Later moves of a shard begin where the earlier ones end.
        let (mut map, mut vacant) = (self.shard_map.clone(), self.recoveries.vacant.clone());
        for step in &moves {
            let to = self.nodes.get(&step.to).filter(|node| node.is_reachable());
            if to.is_none() || self.duty(step.to) != Duty::Serving {
                return Err(Refusal::BadPlan(format!("node {} takes no replicas", step.to)));
            }
            if !replace(&mut map, &mut vacant, step) {
                let Move { shard, to, from } = step;
                let why = format!("shard {shard} has no replica on node {from}, or has one on node {to}");
                return Err(Refusal::BadPlan(why));
            }
        }
        let since = self.bump();
        self.moves.plan = Some(Plan { id, purpose, since, left: moves, done: 0, dropped: 0, cancelled: false });
        self.done()
    }

    pub(super) fn finish_move(&mut self, plan: RequestId, step: Move, now_ms: u64) -> Result<Decision, Refusal> {
        if !self.is_current(plan, &step)? {
            return self.done();
        }
        if !replace(&mut self.shard_map, &mut self.recoveries.vacant, &step) {
            return Err(Refusal::BadPlan(format!("shard {} is not as the move needs it", step.shard)));
        }
        self.moves.moved.insert(step.shard);
        self.end_move(&step, true, now_ms);
        // Checks carry it to routers that do not hear from the meta group: they ask the new replicas then.
        self.bump_view();
        self.done()
    }

    /// A move of a cancelled plan was taken back, or never begun.
    pub(super) fn drop_move(&mut self, plan: RequestId, step: Move, now_ms: u64) -> Result<Decision, Refusal> {
        if !self.is_current(plan, &step)? {
            return self.done();
        }
        if !self.moves.plan.as_ref().is_some_and(|plan| plan.cancelled) {
            return Err(Refusal::BadPlan("the plan is not cancelled".into()));
        }
        self.end_move(&step, false, now_ms);
        self.bump();
        self.done()
    }

    pub(super) fn cancel_plan(&mut self, id: RequestId) -> Result<Decision, Refusal> {
        match &mut self.moves.plan {
            Some(plan) if plan.id == id => {
                if !std::mem::replace(&mut plan.cancelled, true) {
                    self.bump();
                }
                self.done()
            }
            _ if self.moves.past.iter().any(|past| past.id == id) => self.done(),
            _ => Err(Refusal::UnknownPlan),
        }
    }

    /// Whether the move is the one of its shard that is under way; not if it was ended before.
    fn is_current(&self, id: RequestId, step: &Move) -> Result<bool, Refusal> {
        match &self.moves.plan {
            Some(plan) if plan.id == id => Ok(plan.current(step.shard) == Some(step)),
            _ if self.moves.past.iter().any(|past| past.id == id) => Ok(false),
            _ => Err(Refusal::UnknownPlan),
        }
    }

    /// Takes a move off the plan, and puts a plan without moves to the past.
    pub(super) fn end_move(&mut self, step: &Move, done: bool, now_ms: u64) {
        let Some(plan) = &mut self.moves.plan else { return };
        if done {
            plan.done += 1;
            let at = plan.left.iter().position(|other| other == step);
            at.map(|at| plan.left.remove(at));
        } else {
            // What would have followed it needs it: it goes too.
            let before = plan.left.len();
            plan.left.retain(|other| other.shard != step.shard);
            plan.dropped += u32::try_from(before - plan.left.len()).expect("bounded by MAX_MOVES");
        }
        if !plan.left.is_empty() {
            return;
        }
        let Some(Plan { id, purpose, done, dropped, .. }) = self.moves.plan.take() else { return };
        self.moves.past.push(PastPlan { id, purpose, done, dropped, ended_ms: now_ms });
        let surplus = self.moves.past.len().saturating_sub(MAX_HISTORY);
        self.moves.past.drain(..surplus);
    }
}

/// Puts one node in the place of another, or in one that is vacant; not if it does not fit.
fn replace(map: &mut ShardMap, vacant: &mut BTreeMap<ShardId, Vec<NodeId>>, step: &Move) -> bool {
    let Some(replicas) = shard_mut(map, step.shard) else { return false };
    if replicas.contains(&step.to) {
        return false;
    }
    if let Some(places) = vacant.get_mut(&step.shard)
        && let Some(at) = places.iter().position(|name| *name == step.from)
    {
        places.remove(at);
        if places.is_empty() {
            vacant.remove(&step.shard);
        }
        replicas.push(step.to);
        return true;
    }
    match replicas.iter_mut().find(|node| **node == step.from) {
        Some(node) => *node = step.to,
        None => return false,
    }
    true
}

fn shard_mut(map: &mut ShardMap, shard: ShardId) -> Option<&mut Vec<NodeId>> {
    map.replicas.get_mut(shard.0 as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Change, Founding, NodeAddresses};

    /// Two shards on nodes 1, 2, 3; node 4 holds nothing.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
        catalog.apply(Change::Found(founding));
        for node in 1..=4u128 {
            let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
            catalog.apply(Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
        }
        catalog.apply(Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]; 2] }));
        catalog
    }

    fn purpose() -> Purpose {
        Purpose { why: "test".into(), throttle: 0, made_ms: 1 }
    }

    fn step(shard: u32, from: NodeId, to: NodeId) -> Move {
        Move { shard: ShardId(shard), to, from }
    }

    fn adopt(catalog: &mut Catalog, id: u128, moves: &[Move]) -> Decision {
        catalog.apply(Change::AdoptPlan { id: RequestId(id), purpose: purpose(), moves: moves.to_vec() })
    }

    fn finish(catalog: &mut Catalog, id: u128, step: Move) -> Decision {
        catalog.apply(Change::FinishMove { plan: RequestId(id), step, now_ms: 9 })
    }

    #[test]
    fn a_plan_is_carried_out_move_by_move_and_remembered() {
        let mut catalog = catalog();
        let moves = [step(0, 3, 4), step(1, 2, 4)];
        assert!(matches!(adopt(&mut catalog, 7, &moves), Decision::Done { .. }));
        assert_eq!((catalog.hosts(ShardId(0)), catalog.incoming(ShardId(1))), (vec![1, 2, 3, 4], Some(4)));
        assert_eq!(catalog.hosted_by(4), [ShardId(0), ShardId(1)]);
        let view = catalog.view_revision;
        assert!(matches!(finish(&mut catalog, 7, moves[0]), Decision::Done { .. }));
        assert!(catalog.view_revision > view, "routers are told by the answers of nodes");
        assert_eq!(catalog.shard_map.replicas, [vec![1, 2, 4], vec![1, 2, 3]]);
        // Said twice, it is done once.
        let before = catalog.clone();
        finish(&mut catalog, 7, moves[0]);
        assert_eq!(catalog, before);
        finish(&mut catalog, 7, moves[1]);
        assert_eq!(catalog.moves.plan, None);
        let past = PastPlan { id: RequestId(7), purpose: purpose(), done: 2, dropped: 0, ended_ms: 9 };
        assert_eq!(catalog.moves.past, [past]);
        let before = catalog.clone();
        finish(&mut catalog, 7, moves[1]);
        adopt(&mut catalog, 7, &moves);
        assert_eq!(catalog, before, "a plan of before is not adopted again");
    }

    #[test]
    fn moves_of_one_shard_follow_each_other() {
        let mut catalog = catalog();
        let moves = [step(0, 3, 4), step(0, 4, 3)];
        adopt(&mut catalog, 1, &moves);
        assert_eq!(catalog.incoming(ShardId(0)), Some(4));
        finish(&mut catalog, 1, moves[1]);
        assert_eq!(catalog.shard_map.replicas[0], [1, 2, 3], "not before the first");
        finish(&mut catalog, 1, moves[0]);
        assert_eq!(catalog.incoming(ShardId(0)), Some(3));
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused_whole() {
        let mut catalog = catalog();
        let bad = [
            vec![],
            vec![step(0, 3, 4), step(0, 3, 4)],
            vec![step(0, 1, 2)],
            vec![step(0, 4, 4)],
            vec![step(0, 3, 9)],
            vec![step(5, 3, 4)],
        ];
        for moves in bad {
            assert!(matches!(adopt(&mut catalog, 1, &moves), Decision::Refused(Refusal::BadPlan(_))), "{moves:?}");
        }
        catalog.apply(Change::SetDuty { node: 4, duty: Duty::Draining });
        assert!(matches!(adopt(&mut catalog, 1, &[step(0, 3, 4)]), Decision::Refused(Refusal::BadPlan(_))));
        catalog.apply(Change::SetDuty { node: 4, duty: Duty::Serving });
        adopt(&mut catalog, 1, &[step(0, 3, 4)]);
        assert_eq!(adopt(&mut catalog, 2, &[step(1, 3, 4)]), Decision::Refused(Refusal::PlanUnderWay));
    }

    #[test]
    fn what_a_cancelled_plan_has_not_done_is_dropped_with_what_follows_it() {
        let mut catalog = catalog();
        let moves = [step(0, 3, 4), step(1, 3, 4), step(1, 4, 3)];
        adopt(&mut catalog, 1, &moves);
        let dropped = Change::DropMove { plan: RequestId(1), step: moves[1], now_ms: 5 };
        assert!(matches!(catalog.apply(dropped.clone()), Decision::Refused(Refusal::BadPlan(_))));
        catalog.apply(Change::CancelPlan { id: RequestId(1) });
        catalog.apply(dropped);
        finish(&mut catalog, 1, moves[0]);
        assert_eq!((catalog.moves.past[0].done, catalog.moves.past[0].dropped), (1, 2));
        assert_eq!(catalog.apply(Change::CancelPlan { id: RequestId(3) }), Decision::Refused(Refusal::UnknownPlan));
    }

    #[test]
    fn a_node_retires_when_it_is_drained_and_holds_nothing() {
        let mut catalog = catalog();
        let retire = |node| Change::RetireNode { node };
        assert_eq!(catalog.apply(retire(4)), Decision::Refused(Refusal::NodeServes(4)));
        for node in [3, 4] {
            catalog.apply(Change::SetDuty { node, duty: Duty::Draining });
        }
        assert_eq!(catalog.apply(retire(3)), Decision::Refused(Refusal::NodeHolds(3)));
        assert!(matches!(catalog.apply(retire(4)), Decision::Done { .. }));
        assert!(!catalog.nodes.contains_key(&4) && catalog.moves.duties.len() == 1);
        assert_eq!(catalog.apply(retire(9)), Decision::Refused(Refusal::UnknownNode(9)));
        let addresses = NodeAddresses { service: "n5:1".into(), raft: "n5:2".into() };
        let joined = catalog.apply(Change::RegisterNode { incarnation: 5, addresses, zone: String::new() });
        assert!(matches!(joined, Decision::Node { id: 5, .. }), "ids are never given twice: {joined:?}");
    }
}
