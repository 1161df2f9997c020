//! The cluster at one moment: what the catalog wants, and what each node says of itself. Pure.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_proto::internal as wire;

use crate::route::NodeReplicas;

/// What a suppression takes to send, estimated, in bytes.
const SUPPRESSION: u64 = 200;

/// The catalog, and what the nodes said.
pub struct Picture<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// The shards, by number.
    pub shards: Vec<Shard>,
    said: BTreeMap<NodeId, Result<&'a wire::ReplicasResponse, &'a str>>,
    replicas: BTreeMap<(ShardId, NodeId), &'a wire::Replica>,
}

/// How one shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub id: ShardId,
    /// Who leads it, if that is known.
    pub leader: Option<NodeId>,
    /// Its replicas by the catalog.
    pub replicas: Vec<(NodeId, State)>,
    /// Replicas that it lacks since it was recovered without a majority, by the names of their places.
    pub vacant: Vec<NodeId>,
    /// The node on which a replica is being made.
    pub incoming: Option<NodeId>,
    /// What a replica takes to send, estimated.
    pub bytes: u64,
    /// Live suppressions.
    pub suppressions: u64,
    /// Numbers on resident lists.
    pub numbers: u64,
}

/// How one replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It votes, but does not have in memory what checks are judged by.
    Loading,
    /// Its node answers, and does not run it.
    Missing,
    /// Its node does not answer.
    Away,
}

// === impl Picture ===

impl<'a> Picture<'a> {
    /// Puts together what is known.
    pub fn new(catalog: &'a Catalog, nodes: &'a [NodeReplicas]) -> Self {
        let said = nodes.iter().map(|said| (said.node, said.result.as_ref().map_err(String::as_str))).collect();
        let answers = nodes.iter().filter_map(|said| Some((said.node, said.result.as_ref().ok()?)));
        let replicas = answers.flat_map(|(node, response)| {
            // What a recovery left behind, or has yet to reach, does not speak for its shard.
            let counts = |replica: &&wire::Replica| replica.generation == catalog.generation(ShardId(replica.shard));
            let replicas = response.replicas.iter().filter(counts);
            replicas.map(move |replica| ((ShardId(replica.shard), node), replica))
        });
        let mut picture = Self { catalog, shards: Vec::new(), said, replicas: replicas.collect() };
        picture.shards = (0..catalog.shard_map.shards()).map(|shard| picture.look_at(ShardId(shard))).collect();
        picture
    }

    /// What a node said, or why it said nothing.
    pub fn answer(&self, node: NodeId) -> Result<&'a wire::ReplicasResponse, &'a str> {
        let is_reachable = || self.catalog.nodes.get(&node).is_some_and(dnc_core::catalog::Node::is_reachable);
        let not_asked =
            || Err(if is_reachable() { "it has only just joined" } else { "another node has taken its address" });
        self.said.get(&node).copied().unwrap_or_else(not_asked)
    }

    /// What a node says is wrong with its disk.
    pub fn ailment(&self, node: NodeId) -> Option<&'a str> {
        let said = self.answer(node).ok()?;
        (!said.ailment.is_empty()).then_some(said.ailment.as_str())
    }

    /// The nodes that did not answer.
    pub fn away(&self) -> BTreeSet<NodeId> {
        self.catalog.nodes.keys().copied().filter(|node| self.answer(*node).is_err()).collect()
    }

    /// What a node said of its replica of a shard.
    pub fn replica(&self, shard: ShardId, node: NodeId) -> Option<&'a wire::Replica> {
        self.replicas.get(&(shard, node)).copied()
    }

    /// One shard.
    pub fn shard(&self, shard: ShardId) -> Option<&Shard> {
        self.shards.get(shard.0 as usize)
    }

    /// How much of a shard's state has come to a node, estimated, in bytes: what it is being sent, or holds already.
    pub fn arrived(&self, shard: ShardId, node: NodeId) -> u64 {
        let whole = self.shard(shard).map_or(0, |shard| shard.bytes);
        let there = |said: &wire::Replica| said.receiving_bytes.max(size(said));
        self.replica(shard, node).map_or(0, |said| there(said).min(whole))
    }

    /// The shards of which a node is to hold a replica, with the state of each.
    pub fn held_by(&self, node: NodeId) -> impl Iterator<Item = (&Shard, State)> + '_ {
        self.shards.iter().filter_map(move |shard| Some((shard, shard.state_on(node)?)))
    }

    /// The node holds nothing, and nothing is on its way to it or from it.
    pub fn is_idle(&self, node: NodeId) -> bool {
        let plan = self.catalog.moves.plan.as_ref();
        let moving = plan.is_some_and(|plan| plan.left.iter().any(|step| step.to == node || step.from == node));
        !moving && self.held_by(node).next().is_none()
    }

    fn look_at(&self, id: ShardId) -> Shard {
        let voters = self.catalog.shard_map.replicas(id);
        // Of two that believe to lead, the one with the newer log does.
        let leads = |node: &&NodeId| self.replica(id, **node).filter(|replica| replica.leader == **node);
        let newest = |node: &&NodeId| {
            let last = self.replica(id, **node).and_then(|replica| replica.last);
            last.map(|last| (last.term, last.index))
        };
        let hosts = self.catalog.hosts(id);
        let leader = hosts.iter().filter(|node| leads(node).is_some()).max_by_key(newest).copied();
        // The leader knows best how much there is; without it, whoever knows of most.
        let there = || hosts.iter().filter_map(|node| self.replica(id, *node));
        let telling = leader.and_then(|node| self.replica(id, node));
        let telling = telling.or_else(|| there().max_by_key(|replica| (replica.resident_bytes, replica.suppressions)));
        let (suppressions, numbers) = telling.map_or((0, 0), |said| (said.suppressions, said.resident_numbers));
        Shard {
            id,
            leader,
            replicas: voters.iter().map(|node| (*node, self.state(id, *node, leader))).collect(),
            vacant: self.catalog.recoveries.vacant.get(&id).cloned().unwrap_or_default(),
            incoming: self.catalog.incoming(id).filter(|node| !voters.contains(node)),
            bytes: telling.map_or(0, size),
            suppressions,
            numbers,
        }
    }

    fn state(&self, shard: ShardId, node: NodeId, leader: Option<NodeId>) -> State {
        match (self.answer(node), self.replica(shard, node)) {
            (Err(_), _) => State::Away,
            (Ok(_), None) => State::Missing,
            // A node that does not tell of its groups does not tell of its views either.
            (Ok(_), Some(replica)) if replica.group.is_some() && !replica.has_view => State::Loading,
            (Ok(_), Some(_)) if leader == Some(node) => State::Leader,
            (Ok(_), Some(_)) => State::Follower,
        }
    }
}

/// What a replica's state takes to send, estimated, in bytes.
fn size(said: &wire::Replica) -> u64 {
    said.resident_bytes.saturating_add(said.suppressions.saturating_mul(SUPPRESSION))
}

// === impl Shard ===

impl Shard {
    /// The state of the replica on a node, if there is to be one.
    pub fn state_on(&self, node: NodeId) -> Option<State> {
        self.replicas.iter().find(|(at, _)| *at == node).map(|(_, state)| *state)
    }

    /// Replicas that answer, and vote.
    pub fn voting(&self) -> usize {
        self.replicas.iter().filter(|(_, state)| state.votes()).count()
    }

    /// How many more may fail before it has no majority; `None` if it has none.
    pub fn tolerates(&self) -> Option<usize> {
        self.voting().checked_sub(self.replicas.len() / 2 + 1)
    }

    /// Not all of its replicas answer.
    pub fn lacks_replicas(&self) -> bool {
        self.voting() < self.replicas.len() + self.vacant.len()
    }
}

// === impl State ===

impl State {
    /// It answers, and votes.
    pub fn votes(self) -> bool {
        matches!(self, Self::Leader | Self::Follower | Self::Loading)
    }

    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Loading => "loading",
            Self::Missing => "missing",
            Self::Away => "away",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Stand, four};
    use super::*;

    #[test]
    fn a_replica_counts_if_its_node_answers_and_runs_it() {
        let catalog = four();
        let stand = Stand::of(&catalog).away(3).without(2, 1);
        let picture = Picture::new(&catalog, &stand.nodes);
        assert_eq!(picture.shards[0].replicas, [(1, State::Leader), (2, State::Follower), (3, State::Away)]);
        assert_eq!((picture.shards[0].tolerates(), picture.shards[0].lacks_replicas()), (Some(0), true));
        assert_eq!(picture.shards[1].replicas[1], (2, State::Missing));
        assert_eq!(picture.shards[1].tolerates(), None);
        assert_eq!(picture.away(), [3].into());
        assert!(picture.is_idle(4) && !picture.is_idle(3));
    }

    #[test]
    fn of_two_that_believe_to_lead_the_one_with_the_newer_log_does() {
        let catalog = four();
        let mut stand = Stand::of(&catalog);
        let other = stand.replica(2, 0);
        other.leader = 2;
        other.last = Some(wire::LogPosition { term: 9, index: 1 });
        let picture = Picture::new(&catalog, &stand.nodes);
        assert_eq!((picture.shards[0].leader, picture.shards[1].leader), (Some(2), Some(1)));
    }

    #[test]
    fn the_leader_says_how_much_a_shard_holds() {
        let catalog = four();
        let mut stand = Stand::of(&catalog);
        (stand.replica(1, 0).resident_bytes, stand.replica(1, 0).suppressions) = (1_000, 2);
        stand.replica(2, 0).resident_bytes = 9_999;
        let picture = Picture::new(&catalog, &stand.nodes);
        assert_eq!((picture.shards[0].bytes, picture.shards[0].suppressions), (1_000 + 2 * SUPPRESSION, 2));
    }

    #[test]
    fn a_replica_without_the_views_versions_votes_and_is_not_done_loading() {
        let catalog = four();
        let mut stand = Stand::of(&catalog);
        stand.replica(2, 0).has_view = false;
        // One that tells nothing of its group is of an older release.
        stand.replica(2, 1).has_view = false;
        stand.replica(2, 1).group = None;
        let picture = Picture::new(&catalog, &stand.nodes);
        assert_eq!(picture.shards[0].replicas[1], (2, State::Loading));
        assert_eq!(picture.shards[0].tolerates(), Some(1));
        assert_eq!(picture.shards[1].replicas[1], (2, State::Follower));
    }
}
