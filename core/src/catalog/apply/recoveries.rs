//! Recoveries: shards without a majority go on from one replica each, and the nodes that are gone never come back.

use std::collections::BTreeSet;

use crate::catalog::recoveries::{Lineage, MAX_REASON, MAX_RECOVERIES, Recovery, Survivor};
use crate::catalog::{Catalog, Decision, Duty, Refusal, Repair};
use crate::ids::{NodeId, RequestId, ShardId};

impl Catalog {
    /// Whoever proposes it has looked at who answers, and was told by name what is given up; what the catalog alone can
    /// tell is held here, whoever proposes.
    pub(super) fn recover(
        &mut self,
        id: RequestId,
        why: String,
        lost: BTreeSet<NodeId>,
        shards: Vec<Survivor>,
        at_ms: u64,
    ) -> Result<Decision, Refusal> {
        if self.recoveries.past.iter().any(|past| past.id == id) {
            return self.done();
        }
        if self.recoveries.past.len() >= MAX_RECOVERIES {
            return Err(Refusal::Full("recoveries".into()));
        }
        if let Some(unknown) = lost.iter().find(|node| !self.nodes.contains_key(node)) {
            return Err(Refusal::UnknownNode(*unknown));
        }
        let distinct: BTreeSet<ShardId> = shards.iter().map(|survivor| survivor.shard).collect();
        if why.len() > MAX_REASON || shards.is_empty() || distinct.len() < shards.len() {
            return Err(bad("it names no shard, or one twice, or has too long a reason"));
        }
        shards.iter().try_for_each(|survivor| self.may_go_on(survivor, &lost))?;

        self.stop_moves(&distinct, &lost, at_ms);
        for survivor in &shards {
            self.go_on_from(survivor, &lost);
        }
        let folder = |node: &NodeId| (*node, self.nodes[node].incarnation);
        let folders = lost.iter().map(folder).collect();
        for node in &lost {
            self.moves.duties.insert(*node, Duty::Lost);
            if !matches!(self.moves.repairs.get(node), Some(Repair::Succeeded(_))) {
                // Whoever comes back under this id gives its data up, and joins as another node.
                self.moves.repairs.insert(*node, Repair::Granted);
            }
        }
        // Routers are told by the answers of nodes: what they know then includes all that was decided before.
        let revision = self.bump_view();
        self.recoveries.past.push(Recovery { id, why, at_ms, revision, lost: folders, shards });
        self.done()
    }

    /// Whether a shard has lost its majority with these nodes, and can go on from this replica.
    fn may_go_on(&self, survivor: &Survivor, lost: &BTreeSet<NodeId>) -> Result<(), Refusal> {
        let Survivor { shard, node, generation, .. } = *survivor;
        let hosts = self.hosts(shard);
        let replicas = self.shard_map.replicas(shard).len();
        if generation != self.generation(shard) {
            return Err(bad(&format!("shard {shard} was recovered meanwhile; look again")));
        }
        let has_left = matches!(self.moves.repairs.get(&node), Some(Repair::Granted | Repair::Succeeded(_)));
        if !hosts.contains(&node) || lost.contains(&node) || has_left || self.duty(node) == Duty::Lost {
            return Err(bad(&format!("shard {shard} has no replica on node {node} that could go on")));
        }
        if hosts.iter().filter(|host| lost.contains(host)).count() < replicas - replicas / 2 {
            return Err(bad(&format!("shard {shard} has a majority without the nodes that are lost")));
        }
        Ok(())
    }

    /// Moves of these shards, or to these nodes, cannot be finished any more.
    fn stop_moves(&mut self, shards: &BTreeSet<ShardId>, lost: &BTreeSet<NodeId>, now_ms: u64) {
        let Some(plan) = &mut self.moves.plan else { return };
        let ends = |step: &crate::catalog::Move| shards.contains(&step.shard);
        plan.cancelled |= plan.left.iter().any(|step| ends(step) || lost.contains(&step.to));
        while let Some(step) =
            self.moves.plan.as_ref().and_then(|plan| plan.left.iter().find(|step| ends(step)).copied())
        {
            self.end_move(&step, false, now_ms);
        }
    }

    /// The shard map names one replica; the places of the others are to be filled.
    fn go_on_from(&mut self, survivor: &Survivor, lost: &BTreeSet<NodeId>) {
        let Survivor { shard, node, generation, .. } = *survivor;
        let Some(replicas) = self.shard_map.replicas.get_mut(shard.0 as usize) else { return };
        let before = std::mem::replace(replicas, vec![node]);
        let (gone, dropped): (Vec<NodeId>, Vec<NodeId>) =
            before.iter().copied().filter(|other| *other != node).partition(|other| lost.contains(other));
        let vacant = self.recoveries.vacant.entry(shard).or_default();
        let places = before.len() + vacant.len() - 1;
        for _ in dropped {
            // Its node is there and may take a replica again, so the place needs a name that no node has.
            self.next.node += 1;
            vacant.push(self.next.node);
        }
        vacant.extend(gone);
        // A replica that was on its way had the place of another one.
        vacant.truncate(places);
        if vacant.is_empty() {
            self.recoveries.vacant.remove(&shard);
        }
        self.moves.moved.insert(shard);
        self.recoveries.lineages.insert(shard, Lineage { generation: generation + 1, survivor: node });
    }
}

fn bad(why: &str) -> Refusal {
    Refusal::BadRecovery(why.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::founded;
    use super::*;
    use crate::catalog::{Change, Move, NodeAddresses, Purpose, ShardMap};
    use crate::ids::Position;

    /// Shard 0 on nodes 1, 2, 3, shard 1 on nodes 3, 4, 5; node 6 holds nothing.
    fn catalog() -> Catalog {
        let mut catalog = founded();
        (1..=6).for_each(|node| {
            join(&mut catalog, node);
        });
        catalog.apply(Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3], vec![3, 4, 5]] }));
        catalog
    }

    fn join(catalog: &mut Catalog, incarnation: u128) -> Decision {
        let addresses = NodeAddresses { service: format!("n{incarnation}:1"), raft: format!("n{incarnation}:2") };
        catalog.apply(Change::RegisterNode { incarnation, addresses, zone: String::new() })
    }

    fn survivor(shard: u32, node: NodeId, generation: u64) -> Survivor {
        Survivor { shard: ShardId(shard), node, last: Position { term: 4, index: 9 }, generation }
    }

    fn recover(catalog: &mut Catalog, id: u128, lost: &[NodeId], shards: &[Survivor]) -> Decision {
        catalog.apply(Change::Recover {
            id: RequestId(id),
            why: "two machines burnt".into(),
            lost: lost.iter().copied().collect(),
            shards: shards.to_vec(),
            now_ms: 7,
        })
    }

    fn done(decision: &Decision) -> bool {
        matches!(decision, Decision::Done { .. })
    }

    fn adopt(catalog: &mut Catalog, id: u128, moves: &[Move]) -> Decision {
        let purpose = Purpose { why: "test".into(), throttle: 0, made_ms: 1 };
        catalog.apply(Change::AdoptPlan { id: RequestId(id), purpose, moves: moves.to_vec() })
    }

    #[test]
    fn a_shard_goes_on_from_one_replica_and_its_places_are_filled_by_moves() {
        let mut catalog = catalog();
        let view = catalog.view_revision;
        assert!(done(&recover(&mut catalog, 1, &[1, 2], &[survivor(0, 3, 0)])));
        assert!(catalog.view_revision > view, "routers are told by the answers of nodes");
        assert_eq!(catalog.shard_map.replicas, [vec![3], vec![3, 4, 5]]);
        assert_eq!((catalog.generation(ShardId(0)), catalog.generation(ShardId(1))), (1, 0));
        assert_eq!(catalog.places()[0], [3, 1, 2]);
        assert!(catalog.moves.moved.contains(&ShardId(0)), "it is never founded again");
        let before = catalog.clone();
        assert!(done(&recover(&mut catalog, 1, &[1, 2], &[survivor(0, 3, 0)])), "said twice, it is done once");
        assert_eq!(catalog, before);
        let moves = [Move { shard: ShardId(0), to: 6, from: 1 }, Move { shard: ShardId(0), to: 4, from: 2 }];
        assert!(matches!(adopt(&mut catalog, 2, &[moves[0], moves[0]]), Decision::Refused(Refusal::BadPlan(_))));
        assert!(done(&adopt(&mut catalog, 2, &moves)));
        for (step, left) in moves.into_iter().zip([1, 0]) {
            catalog.apply(Change::FinishMove { plan: RequestId(2), step, now_ms: 9 });
            assert_eq!(catalog.recoveries.lacks(ShardId(0)), left);
        }
        assert_eq!(catalog.shard_map.replicas[0], [3, 6, 4]);
        let past = &catalog.recoveries.past[0];
        assert_eq!((past.why.as_str(), past.at_ms, past.lost.len()), ("two machines burnt", 7, 2));
        assert_eq!(past.shards, [survivor(0, 3, 0)]);
    }

    #[test]
    fn who_was_given_up_never_comes_back_under_its_id_nor_with_its_folder() {
        let mut catalog = catalog();
        recover(&mut catalog, 1, &[1, 2], &[survivor(0, 3, 0)]);
        assert_eq!(catalog.given_up(), [1, 2].into());
        for duty in [Duty::Serving, Duty::Draining] {
            let set = catalog.apply(Change::SetDuty { node: 1, duty });
            assert_eq!(set, Decision::Refused(Refusal::GaveUp(1)));
        }
        assert_eq!(join(&mut catalog, 1), Decision::Refused(Refusal::Gone(1)));
        assert!(done(&catalog.apply(Change::RetireNode { node: 1 })), "it holds nothing");
        assert_eq!(join(&mut catalog, 1), Decision::Refused(Refusal::Gone(1)), "nor when it is forgotten");
        assert!(
            matches!(join(&mut catalog, 77), Decision::Node { id: 7, .. }),
            "without its folder it is another node"
        );
        assert!(matches!(adopt(&mut catalog, 3, &[Move { shard: ShardId(1), to: 2, from: 3 }]), Decision::Refused(_)));
    }

    #[test]
    fn a_shard_that_has_a_majority_or_was_recovered_meanwhile_is_left_alone() {
        let mut catalog = catalog();
        let before = catalog.clone();
        for (lost, from) in [
            (&[1][..], survivor(0, 3, 0)),
            (&[1, 4], survivor(0, 3, 0)),
            (&[1, 3], survivor(0, 3, 0)),
            (&[1, 2], survivor(0, 6, 0)),
            (&[1, 2], survivor(0, 3, 1)),
            (&[1, 2], survivor(9, 3, 0)),
        ] {
            let decision = recover(&mut catalog, 1, lost, &[from]);
            assert!(matches!(decision, Decision::Refused(Refusal::BadRecovery(_))), "{lost:?} {from:?}: {decision:?}");
        }
        assert_eq!(
            recover(&mut catalog, 1, &[1, 99], &[survivor(0, 3, 0)]),
            Decision::Refused(Refusal::UnknownNode(99))
        );
        assert!(matches!(recover(&mut catalog, 1, &[1, 2], &[]), Decision::Refused(Refusal::BadRecovery(_))));
        assert_eq!(catalog, before);
        recover(&mut catalog, 1, &[1, 2], &[survivor(0, 3, 0)]);
        let again = recover(&mut catalog, 2, &[1, 2], &[survivor(0, 3, 0)]);
        assert!(matches!(again, Decision::Refused(Refusal::BadRecovery(_))));
    }

    #[test]
    fn moves_of_the_shard_end_and_one_that_was_on_its_way_may_be_what_is_left() {
        let mut catalog = catalog();
        let moves = [Move { shard: ShardId(0), to: 6, from: 2 }, Move { shard: ShardId(1), to: 1, from: 5 }];
        adopt(&mut catalog, 5, &moves);
        assert!(done(&recover(&mut catalog, 1, &[1, 3], &[survivor(0, 6, 0)])));
        assert_eq!(catalog.shard_map.replicas[0], [6]);
        let vacant = &catalog.recoveries.vacant[&ShardId(0)];
        assert_eq!(vacant.len(), 2, "three replicas, as before");
        assert!(vacant.iter().all(|name| catalog.nodes.get(name).is_none_or(|_| *name == 1)), "{vacant:?}");
        let plan = catalog.moves.plan.as_ref().expect("the other move is to be taken back");
        assert!(plan.cancelled && plan.left == [moves[1]] && plan.dropped == 1);
    }

    #[test]
    fn a_recovered_shard_can_be_recovered_again() {
        let mut catalog = catalog();
        recover(&mut catalog, 1, &[1, 2], &[survivor(0, 3, 0)]);
        adopt(&mut catalog, 2, &[Move { shard: ShardId(0), to: 6, from: 1 }]);
        let step = Move { shard: ShardId(0), to: 6, from: 1 };
        catalog.apply(Change::FinishMove { plan: RequestId(2), step, now_ms: 9 });
        assert!(done(&recover(&mut catalog, 3, &[3], &[survivor(0, 6, 1)])));
        assert_eq!((catalog.generation(ShardId(0)), catalog.places()[0].len()), (2, 3));
        assert_eq!(catalog.shard_map.replicas[1], [3, 4, 5], "node 3 is to be replaced there, as any lost node");
    }

    proptest! {
        /// Whatever is lost and named: a shard keeps its number of places, all different, and goes on only from a replica
        /// that it had on a node that is left, having lost its majority.
        #[test]
        fn a_recovery_keeps_the_number_of_places(
            lost in proptest::collection::btree_set(1u64..=6, 1..5),
            nodes in proptest::collection::vec(1u64..=6, 1..3),
        ) {
            let mut catalog = catalog();
            let before = catalog.clone();
            let shards: Vec<Survivor> = nodes.iter().zip(0..).map(|(node, shard)| survivor(shard, *node, 0)).collect();
            let lost: Vec<NodeId> = lost.into_iter().collect();
            let decision = recover(&mut catalog, 1, &lost, &shards);
            let fits = shards.iter().all(|from| {
                let had = before.shard_map.replicas(from.shard);
                had.contains(&from.node)
                    && !lost.contains(&from.node)
                    && had.iter().filter(|node| lost.contains(node)).count() >= 2
            });
            prop_assert_eq!(done(&decision), fits, "{:?}", decision);
            for (shard, places) in catalog.places().iter().enumerate() {
                prop_assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), 3, "shard {}", shard);
            }
            if !fits {
                prop_assert_eq!(catalog, before);
            }
        }
    }
}
