//! Which moves of a plan have their turn: so many at a time, and such that different nodes send.

use std::collections::{BTreeMap, BTreeSet};

use super::step::Group;
use crate::catalog::Move;
use crate::ids::ShardId;

/// The moves that have their turn, `at_once` at most and one of each shard, given the groups that have a leader. Those that
/// were begun come first. Of the others, those whose leader, who sends the state, has least to send: each node has an
/// allowance of its own.
pub fn turn(left: &[Move], groups: &BTreeMap<ShardId, Group>, at_once: usize) -> Vec<Move> {
    let mut shards = BTreeSet::new();
    let first_of_its_shard = |step: &&Move| shards.insert(step.shard);
    let (mut chosen, mut waiting): (Vec<Move>, Vec<Move>) = left
        .iter()
        .filter(first_of_its_shard)
        .partition(|step| groups.get(&step.shard).is_some_and(|g| is_begun(step, g)));
    chosen.truncate(at_once);
    let leader = |step: &Move| groups.get(&step.shard).map(|group| group.leader);
    while chosen.len() < at_once && !waiting.is_empty() {
        let sends = |step: &Move| chosen.iter().filter(|other| leader(other) == leader(step)).count();
        // Where nobody leads nothing can be done.
        let next = (0..waiting.len()).min_by_key(|at| (leader(&waiting[*at]).is_none(), sends(&waiting[*at]), *at));
        chosen.extend(next.map(|at| waiting.remove(at)));
    }
    chosen
}

/// The new replica is in the group already.
fn is_begun(step: &Move, group: &Group) -> bool {
    group.learners.contains(&step.to) || group.voters.iter().any(|voters| voters.contains(&step.to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn step(shard: u32) -> Move {
        Move { shard: ShardId(shard), to: 9, from: 1 }
    }

    fn led(leader: NodeId, begun: bool) -> Group {
        Group {
            leader,
            voters: vec![[1, 2, 3].into()],
            learners: if begun { [9].into() } else { BTreeSet::new() },
            committed: true,
            last: None,
            matched: BTreeMap::new(),
        }
    }

    fn turns(groups: &[Option<Group>], at_once: usize) -> Vec<u32> {
        let left: Vec<Move> = (0..).zip(groups).map(|(shard, _)| step(shard)).collect();
        let led = (0..).zip(groups).filter_map(|(shard, group)| Some((ShardId(shard), group.clone()?))).collect();
        turn(&left, &led, at_once).into_iter().map(|step| step.shard.0).collect()
    }

    #[test]
    fn different_nodes_send_and_what_was_begun_goes_on() {
        let leaders = [1, 1, 1, 1, 2, 2, 3].map(|leader| Some(led(leader, false)));
        assert_eq!(turns(&leaders, 4), [0, 4, 6, 1]);
        let mut begun = leaders.clone();
        begun[2] = Some(led(1, true));
        assert_eq!(turns(&begun, 4), [2, 4, 6, 0]);
        assert_eq!(turns(&leaders, 9), [0, 4, 6, 1, 5, 2, 3]);
    }

    #[test]
    fn a_shard_without_a_leader_takes_nobodys_place_and_no_shard_has_two() {
        assert_eq!(turns(&[None, Some(led(1, false)), Some(led(1, false))], 2), [1, 2]);
        assert_eq!(turns(&[None, None], 2), [0, 1]);
        let twice = [step(0), Move { shard: ShardId(0), to: 8, from: 9 }];
        assert_eq!(turn(&twice, &[(ShardId(0), led(1, false))].into(), 2), [step(0)]);
        assert_eq!(turn(&[], &BTreeMap::new(), 2), []);
    }
}
