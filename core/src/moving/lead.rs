//! Who should lead: leaderships go away from nodes that are to give theirs up, and lie evenly on the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, ShardId};

/// Leaderships of two nodes may differ by so many: to hand one over costs its shard a moment without writes.
const SLACK: usize = 1;

/// A shard that is led, and whose voters are settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// The shard.
    pub shard: ShardId,
    /// Who leads it.
    pub leader: NodeId,
    /// Who could, the leader included: voters that answer and are near the end of its log.
    pub able: BTreeSet<NodeId>,
}

/// A leadership to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Of which shard.
    pub shard: ShardId,
    /// Who leads it.
    pub from: NodeId,
    /// Who is to lead it.
    pub to: NodeId,
}

/// The next leadership to hand over, if any. `serving` are the nodes that may lead.
pub fn next(led: &[Led], serving: &BTreeSet<NodeId>) -> Option<Handover> {
    let mut load: BTreeMap<NodeId, usize> = serving.iter().map(|node| (*node, 0)).collect();
    for shard in led {
        *load.entry(shard.leader).or_default() += 1;
    }
    let gain = |shard: &Led| {
        let heirs = shard.able.iter().filter(|node| **node != shard.leader && serving.contains(node));
        let to = *heirs.min_by_key(|node| (load[*node], **node))?;
        let leaves = !serving.contains(&shard.leader);
        let gain = load[&shard.leader].saturating_sub(load[&to]);
        (leaves || gain > SLACK).then_some((leaves, gain, Handover { shard: shard.shard, from: shard.leader, to }))
    };
    let options = led.iter().filter_map(gain);
    options
        .max_by_key(|(leaves, gain, handover)| (*leaves, *gain, std::cmp::Reverse(handover.shard)))
        .map(|best| best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(shard: u32, leader: NodeId, able: &[NodeId]) -> Led {
        Led { shard: ShardId(shard), leader, able: able.iter().copied().collect() }
    }

    fn settle(mut shards: Vec<Led>, serving: &[NodeId]) -> Vec<NodeId> {
        let serving = serving.iter().copied().collect();
        for _ in 0..100 {
            let Some(Handover { shard, to, .. }) = next(&shards, &serving) else {
                return shards.into_iter().map(|shard| shard.leader).collect();
            };
            let shard = shards.iter_mut().find(|led| led.shard == shard).expect("it is one of them");
            assert!(shard.able.contains(&to));
            shard.leader = to;
        }
        panic!("leaderships must come to rest");
    }

    #[test]
    fn leaderships_become_even_and_rest_then() {
        let leaders = settle((0..6).map(|shard| led(shard, 1, &[1, 2, 3])).collect(), &[1, 2, 3]);
        for node in 1..=3 {
            assert_eq!(leaders.iter().filter(|leader| **leader == node).count(), 2);
        }
    }

    #[test]
    fn a_node_that_gives_its_leaderships_up_keeps_none() {
        let leaders = settle((0..5).map(|shard| led(shard, 3, &[1, 2, 3])).collect(), &[1, 2]);
        assert!(leaders.iter().all(|leader| *leader != 3));
    }

    #[test]
    fn nobody_is_made_to_lead_who_cannot() {
        assert_eq!(next(&[led(0, 3, &[3])], &[1, 2].into()), None);
        assert_eq!(next(&[led(0, 1, &[1]), led(1, 1, &[1]), led(2, 1, &[1])], &[1, 2].into()), None);
    }
}
