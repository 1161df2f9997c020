//! What a plan comes to, before it is made: bytes, time, and what it does to nodes, zones and majorities. Pure.

use std::collections::BTreeSet;

use dnc_core::catalog::{Duty, Move};
use dnc_core::ids::{NodeId, ShardId};
use dnc_core::moving::MOVES_AT_ONCE;
use dnc_core::moving::plan::{self, Impossible, Reluctance, Site};
use dnc_proto::v1;

use super::health::failures_tolerated;
use super::picture::{Picture, Shard, State};
use super::told::count;

/// Bytes a second of a plan without a throttle, assumed.
const RATE: u64 = 50_000_000;
/// What a move takes besides its bytes, assumed: catching up, loading, two changes of the group.
const EACH_MS: u64 = 1_000;

/// What is wanted of nodes, beyond what the catalog says.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Nodes that are to get another duty.
    pub duties: Vec<(NodeId, Duty)>,
    /// All that the first holds is to go to the second, as far as that does not hold it already; and nothing else moves.
    pub replacement: Option<(NodeId, NodeId)>,
}

/// Moves that can be made.
pub struct Outlook {
    /// The replicas before them.
    before: Vec<Vec<NodeId>>,
    sites: Vec<Site>,
    /// The moves, in their order.
    pub moves: Vec<Move>,
}

/// The moves that the cluster then needs. What a plan under way still has to do is taken for done.
pub fn outlook(picture: &Picture, wanted: &Wanted) -> Result<Outlook, Impossible> {
    let catalog = picture.catalog;
    let mut sites = plan::sites(catalog, &picture.away());
    for (node, duty) in &wanted.duties {
        for site in sites.iter_mut().filter(|site| site.node == *node) {
            site.gives_up = true;
            site.takes_none = Some(if *duty == Duty::Lost { Reluctance::Lost } else { Reluctance::Draining });
        }
    }
    let under_way = catalog.moves.plan.as_ref().filter(|plan| !plan.cancelled);
    let before = plan::after(&catalog.places(), under_way.map_or(&[], |plan| &plan.left));
    let moves = match wanted.replacement {
        None => plan::plan(&before, &sites)?,
        Some((old, new)) => {
            let mut moves = handed_over(&before, old, new);
            let rest = plan::plan(&plan::after(&before, &moves), &sites)?;
            moves.extend(rest.into_iter().filter(|step| step.from == old));
            moves
        }
    };
    Ok(Outlook { before, sites, moves })
}

/// What one node holds goes to another one that does not hold it yet.
fn handed_over(replicas: &[Vec<NodeId>], old: NodeId, new: NodeId) -> Vec<Move> {
    let both = |nodes: &Vec<NodeId>| nodes.contains(&old) && !nodes.contains(&new);
    let shards = replicas.iter().zip(0u32..).filter(|(nodes, _)| both(nodes));
    shards.map(|(_, shard)| Move { shard: ShardId(shard), to: new, from: old }).collect()
}

/// How long moves take, milliseconds: by the throttle of each of so many that send, or by an assumed rate.
pub fn expected_ms(bytes: u64, moves: usize, throttle: u64, senders: u64) -> u64 {
    let rate = if throttle > 0 { throttle.saturating_mul(senders.max(1)) } else { RATE };
    let sending = u128::from(bytes) * 1_000 / u128::from(rate);
    let moves = u64::try_from(moves).unwrap_or(u64::MAX).saturating_mul(EACH_MS);
    u64::try_from(sending).unwrap_or(u64::MAX).saturating_add(moves)
}

/// How many nodes send at a time what these moves need: leaders do.
pub fn senders<'a>(picture: &Picture, moves: impl Iterator<Item = &'a Move>) -> u64 {
    let leaders: BTreeSet<NodeId> = moves.filter_map(|step| picture.shard(step.shard)?.leader).collect();
    leaders.len().min(MOVES_AT_ONCE) as u64
}

// === impl Outlook ===

impl Outlook {
    /// The first shard that would have to move without a majority that can decide so.
    pub fn stuck<'a>(&self, picture: &'a Picture) -> Option<&'a Shard> {
        let moved = self.moves.iter().filter_map(|step| picture.shard(step.shard));
        moved.into_iter().find(|shard| shard.tolerates().is_none())
    }

    /// What the moves come to.
    pub fn told(&self, picture: &Picture, throttle: u64) -> v1::PlanPreview {
        let moves: Vec<v1::ReplicaMove> = self.moves.iter().map(|step| told(picture, step)).collect();
        let after = plan::after(&self.before, &self.moves);
        let (spread, then) = (plan::spread(&self.before, &self.sites), plan::spread(&after, &self.sites));
        let bytes = moves.iter().map(|step| step.bytes).sum();
        let on = |spread: &plan::Spread, node| count(spread.replicas.get(&node).copied().unwrap_or(0));
        let effect = |site: &Site| v1::NodeEffect {
            node: site.node,
            replicas_before: on(&spread, site.node),
            replicas_after: on(&then, site.node),
        };
        v1::PlanPreview {
            bytes,
            expected_seconds: expected_ms(bytes, moves.len(), throttle, senders(picture, self.moves.iter()))
                .div_ceil(1_000),
            bytes_per_second: if throttle > 0 { throttle } else { RATE },
            rate_is_assumed: throttle == 0,
            nodes: self.sites.iter().map(effect).collect(),
            failures_tolerated_before: count(failures_tolerated(&picture.shards)),
            failures_tolerated_after: count(failures_tolerated(&self.settled(picture, &after))),
            fewest_zones_before: count(spread.fewest_zones),
            fewest_zones_after: count(then.fewest_zones),
            moves,
        }
    }

    /// The shards once the moves are made, if nothing else happens: a replica that was moved answers.
    fn settled(&self, picture: &Picture, after: &[Vec<NodeId>]) -> Vec<Shard> {
        let moved = |shard: &Shard, nodes: &Vec<NodeId>| {
            let state = |node: &NodeId| (*node, shard.state_on(*node).unwrap_or(State::Follower));
            Shard { replicas: nodes.iter().map(state).collect(), vacant: Vec::new(), ..shard.clone() }
        };
        picture.shards.iter().zip(after).map(|(shard, nodes)| moved(shard, nodes)).collect()
    }
}

/// A move, with what it takes to send.
pub fn told(picture: &Picture, step: &Move) -> v1::ReplicaMove {
    let bytes = picture.shard(step.shard).map_or(0, |shard| shard.bytes);
    v1::ReplicaMove { shard: step.shard.0, from: step.from, to: step.to, bytes }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Stand, four};
    use super::*;

    fn wanted(node: NodeId, duty: Duty) -> Wanted {
        Wanted { duties: vec![(node, duty)], replacement: None }
    }

    #[test]
    fn a_preview_says_what_moves_how_long_it_takes_and_what_is_then_tolerated() {
        let catalog = four();
        let mut stand = Stand::of(&catalog).away(3);
        (0..2).for_each(|shard| stand.replica(1, shard).resident_bytes = 10_000_000);
        let picture = Picture::new(&catalog, &stand.nodes);
        let preview = outlook(&picture, &wanted(3, Duty::Lost)).expect("possible").told(&picture, 1_000_000);
        let step = |shard| v1::ReplicaMove { shard, from: 3, to: 4, bytes: 10_000_000 };
        assert_eq!(preview.moves, [step(0), step(1)]);
        assert_eq!((preview.bytes, preview.expected_seconds, preview.rate_is_assumed), (20_000_000, 22, false));
        assert_eq!((preview.failures_tolerated_before, preview.failures_tolerated_after), (0, 1));
        assert_eq!((preview.fewest_zones_before, preview.fewest_zones_after), (3, 3));
        assert_eq!(preview.nodes[3], v1::NodeEffect { node: 4, replicas_before: 0, replicas_after: 2 });
    }

    #[test]
    fn without_a_throttle_the_time_is_by_an_assumed_rate() {
        assert_eq!(expected_ms(2 * RATE, 3, 0, 2), 2_000 + 3 * EACH_MS);
        assert_eq!(expected_ms(u64::MAX, 1, 1, 1), u64::MAX);
        assert_eq!(expected_ms(6_000, 1, 1_000, 3), 2_000 + EACH_MS);
        let catalog = four();
        let stand = Stand::of(&catalog);
        let picture = Picture::new(&catalog, &stand.nodes);
        let preview = outlook(&picture, &Wanted::default()).expect("possible").told(&picture, 0);
        assert!(preview.rate_is_assumed && preview.bytes_per_second == RATE);
        // The empty node gets its share.
        assert!(preview.moves.iter().all(|step| step.to == 4) && !preview.moves.is_empty());
    }

    #[test]
    fn a_plan_without_a_node_for_a_replica_is_impossible() {
        let catalog = four();
        let stand = Stand::of(&catalog).away(4);
        let picture = Picture::new(&catalog, &stand.nodes);
        let why = outlook(&picture, &wanted(3, Duty::Draining)).err().expect("nobody is left").to_string();
        assert!(
            why.contains("node 4 does not answer") && why.contains("node 1 holds a replica of it already"),
            "{why}"
        );
    }

    #[test]
    fn a_replacement_takes_what_it_can_and_others_the_rest_and_nothing_else_moves() {
        let mut catalog = four();
        catalog.shard_map.replicas = vec![vec![1, 2, 3], vec![2, 3, 4]];
        let stand = Stand::of(&catalog).away(3);
        let picture = Picture::new(&catalog, &stand.nodes);
        let wanted = Wanted { replacement: Some((3, 4)), ..wanted(3, Duty::Lost) };
        let step = |shard, to| Move { shard: ShardId(shard), to, from: 3 };
        assert_eq!(outlook(&picture, &wanted).expect("possible").moves, [step(0, 4), step(1, 1)]);
    }

    #[test]
    fn a_shard_without_a_majority_cannot_move() {
        let catalog = four();
        let stand = Stand::of(&catalog).away(3).without(2, 1);
        let picture = Picture::new(&catalog, &stand.nodes);
        let outlook = outlook(&picture, &wanted(3, Duty::Lost)).expect("there is a node for each");
        assert_eq!(outlook.stuck(&picture).map(|shard| shard.id), Some(ShardId(1)));
    }
}
