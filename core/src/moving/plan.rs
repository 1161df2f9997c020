//! Which replicas go where: away from nodes that give theirs up, apart over zones, and evenly over nodes.
//!
//! A pure function of the catalog and of what a node can take. It moves as little as it can: a replica whose node
//! keeps it stays, unless its zone holds two of its shard and another zone none, or its node more than its share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::{Catalog, Duty, Move};
use crate::ids::{NodeId, ShardId};

/// A node, as a plan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its id.
    pub node: NodeId,
    /// Its failure zone.
    pub zone: String,
    /// Why it takes no replicas; `None` if it does.
    pub takes_none: Option<Reluctance>,
    /// Its replicas leave it.
    pub gives_up: bool,
}

/// Why a node takes no replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reluctance {
    /// It is being drained.
    Draining,
    /// It was given up for lost.
    Lost,
    /// The catalog has no address for it.
    NoAddress,
    /// It does not answer.
    Away,
    /// It holds a replica of the shard already.
    HoldsIt,
}

/// A plan that cannot work: a shard for whose replica no node is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible {
    /// The shard.
    pub shard: ShardId,
    /// The node that would have to give it up.
    pub from: NodeId,
    /// Each other node, and why it does not take it.
    pub reasons: Vec<(NodeId, Reluctance)>,
}

/// How replicas lie before or after a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Replicas on each node.
    pub replicas: BTreeMap<NodeId, usize>,
    /// The fewest zones over which the replicas of any shard are spread.
    pub fewest_zones: usize,
}

/// The sites of a catalog. `away` are nodes that do not answer; they take nothing, and keep what they hold
/// unless they are also to give it up.
pub fn sites(catalog: &Catalog, away: &BTreeSet<NodeId>) -> Vec<Site> {
    let site = |node: &crate::catalog::Node| {
        let duty = catalog.duty(node.id);
        let takes_none = match duty {
            Duty::Draining => Some(Reluctance::Draining),
            Duty::Lost => Some(Reluctance::Lost),
            Duty::Serving if !node.is_reachable() => Some(Reluctance::NoAddress),
            Duty::Serving if away.contains(&node.id) => Some(Reluctance::Away),
            Duty::Serving => None,
        };
        Site { node: node.id, zone: node.zone.clone(), takes_none, gives_up: duty != Duty::Serving }
    };
    catalog.nodes.values().map(site).collect()
}

/// Plans the moves that a cluster needs; none if all is as it should be.
///
/// Replicas that must leave their node go first, then those that share a zone, then those that make the load even.
pub fn plan(replicas: &[Vec<NodeId>], sites: &[Site]) -> Result<Vec<Move>, Impossible> {
    let mut planning = Planning::new(replicas, sites);
    planning.empty_the_leaving()?;
    planning.part_zones();
    planning.level();
    Ok(planning.moves)
}

/// Only the moves that fill vacant places and empty nodes that give theirs up, as far as there are nodes for them.
pub fn fill(places: &[Vec<NodeId>], sites: &[Site]) -> Vec<Move> {
    let mut planning = Planning::new(places, sites);
    planning.empty_what_can_be();
    planning.moves
}

/// How replicas lie.
pub fn spread(replicas: &[Vec<NodeId>], sites: &[Site]) -> Spread {
    let zones: BTreeMap<NodeId, &str> = sites.iter().map(|site| (site.node, site.zone.as_str())).collect();
    let mut load: BTreeMap<NodeId, usize> = sites.iter().map(|site| (site.node, 0)).collect();
    for node in replicas.iter().flatten() {
        *load.entry(*node).or_default() += 1;
    }
    let distinct = |nodes: &Vec<NodeId>| nodes.iter().map(|node| zones.get(node)).collect::<BTreeSet<_>>().len();
    Spread { replicas: load, fewest_zones: replicas.iter().map(distinct).min().unwrap_or(0) }
}

/// The replicas after these moves.
pub fn after(replicas: &[Vec<NodeId>], moves: &[Move]) -> Vec<Vec<NodeId>> {
    let mut replicas = replicas.to_vec();
    for step in moves {
        if let Some(node) = replicas[step.shard.0 as usize].iter_mut().find(|node| **node == step.from) {
            *node = step.to;
        }
    }
    replicas
}

/// A plan in the making.
struct Planning<'a> {
    sites: BTreeMap<NodeId, &'a Site>,
    /// Where the replicas are once the moves so far are made.
    replicas: Vec<Vec<NodeId>>,
    load: BTreeMap<NodeId, usize>,
    moves: Vec<Move>,
}

// === impl Planning ===

impl<'a> Planning<'a> {
    fn new(replicas: &[Vec<NodeId>], sites: &'a [Site]) -> Self {
        let load = spread(replicas, sites).replicas;
        let sites = sites.iter().map(|site| (site.node, site)).collect();
        Self { sites, replicas: replicas.to_vec(), load, moves: Vec::new() }
    }

    /// A node that the catalog does not know any more keeps nothing.
    fn gives_up(&self, node: NodeId) -> bool {
        self.sites.get(&node).is_none_or(|site| site.gives_up)
    }

    fn zone(&self, node: NodeId) -> Option<&'a str> {
        self.sites.get(&node).map(|site| site.zone.as_str())
    }

    fn empty_the_leaving(&mut self) -> Result<(), Impossible> {
        match self.empty_what_can_be().first() {
            Some((shard, from)) => Err(self.impossible(*shard, *from)),
            None => Ok(()),
        }
    }

    /// The replicas that must leave their node, and for which there is no other.
    fn empty_what_can_be(&mut self) -> Vec<(usize, NodeId)> {
        let mut stuck = Vec::new();
        for shard in 0..self.replicas.len() {
            let leaving: Vec<NodeId> =
                self.replicas[shard].iter().copied().filter(|node| self.gives_up(*node)).collect();
            for from in leaving {
                match self.best(shard, from) {
                    Some(to) => self.shift(shard, from, to),
                    None => stuck.push((shard, from)),
                }
            }
        }
        stuck
    }

    /// Where two replicas of a shard share a zone and a zone without one has a node for it, the one on the fuller node goes.
    fn part_zones(&mut self) {
        for shard in 0..self.replicas.len() {
            while let Some((from, to)) = self.crowded(shard) {
                self.shift(shard, from, to);
            }
        }
    }

    fn crowded(&self, shard: usize) -> Option<(NodeId, NodeId)> {
        let replicas = &self.replicas[shard];
        let shares =
            |node: &&NodeId| replicas.iter().any(|other| other != *node && self.zone(*other) == self.zone(**node));
        let from = *replicas.iter().filter(shares).max_by_key(|node| (self.load[*node], **node))?;
        let to = self.best(shard, from)?;
        (self.zones_with(shard, from, to) > self.zones_with(shard, from, from)).then_some((from, to))
    }

    /// Takes from the fullest node for the emptiest, until they differ by one replica at most or nothing fits.
    fn level(&mut self) {
        let mut fixed: BTreeSet<NodeId> = BTreeSet::new();
        loop {
            let taking = || self.sites.values().filter(|site| site.takes_none.is_none()).map(|site| site.node);
            let fullest = taking().filter(|node| !fixed.contains(node)).max_by_key(|node| (self.load[node], *node));
            let least = taking().map(|node| self.load[&node]).min();
            let (Some(from), Some(least)) = (fullest, least) else { return };
            if self.load[&from] <= least + 1 {
                return;
            }
            match self.relief(from) {
                Some((shard, to)) => {
                    self.shift(shard, from, to);
                    // Where nobody could take anything before, somebody may now. Each shift makes the load more even, so
                    // this ends.
                    fixed.clear();
                }
                None => {
                    fixed.insert(from);
                }
            }
        }
    }

    /// A shard that can go from a full node to one that then holds no more than it, without bringing zones together.
    fn relief(&self, from: NodeId) -> Option<(usize, NodeId)> {
        let shards = (0..self.replicas.len()).filter(|shard| self.replicas[*shard].contains(&from));
        let options = shards.filter_map(|shard| {
            let keeps_apart = |to: &NodeId| self.zones_with(shard, from, *to) >= self.zones_with(shard, from, from);
            let to = self.takers(shard).filter(keeps_apart).min_by_key(|node| (self.load[node], *node))?;
            Some((self.load[&to], shard, to))
        });
        let (load, shard, to) = options.min()?;
        (load + 1 < self.load[&from]).then_some((shard, to))
    }

    /// The node that is best for the replica of a shard: in a zone of its own if there is one, then the emptiest.
    fn best(&self, shard: usize, from: NodeId) -> Option<NodeId> {
        self.takers(shard).min_by_key(|to| {
            let zones = self.zones_with(shard, from, *to);
            (std::cmp::Reverse(zones), self.load[to], *to)
        })
    }

    /// The nodes that can take a replica of a shard.
    fn takers(&self, shard: usize) -> impl Iterator<Item = NodeId> + '_ {
        let free = move |site: &&&Site| site.takes_none.is_none() && !self.replicas[shard].contains(&site.node);
        self.sites.values().filter(free).map(|site| site.node)
    }

    /// Zones of the shard's replicas if one goes from here to there.
    fn zones_with(&self, shard: usize, from: NodeId, to: NodeId) -> usize {
        let nodes = self.replicas[shard].iter().map(|node| if *node == from { to } else { *node });
        nodes.map(|node| self.zone(node)).collect::<BTreeSet<_>>().len()
    }

    fn shift(&mut self, shard: usize, from: NodeId, to: NodeId) {
        if let Some(node) = self.replicas[shard].iter_mut().find(|node| **node == from) {
            *node = to;
        }
        *self.load.entry(from).or_insert(1) -= 1;
        *self.load.entry(to).or_default() += 1;
        let shard = ShardId(u32::try_from(shard).expect("bounded by MAX_SHARDS"));
        // A replica that was to move already moves on directly, or stays after all: nothing is carried twice.
        match self.moves.iter().position(|step| step.shard == shard && step.to == from) {
            Some(at) if self.moves[at].from == to => drop(self.moves.remove(at)),
            Some(at) => self.moves[at].to = to,
            None => self.moves.push(Move { shard, to, from }),
        }
    }

    fn impossible(&self, shard: usize, from: NodeId) -> Impossible {
        let reason = |site: &Site| {
            let holds = self.replicas[shard].contains(&site.node).then_some(Reluctance::HoldsIt);
            Some((site.node, site.takes_none.or(holds)?))
        };
        let others = self.sites.values().filter(|site| site.node != from);
        let reasons = others.filter_map(|site| reason(site)).collect();
        Impossible { shard: ShardId(u32::try_from(shard).expect("bounded by MAX_SHARDS")), from, reasons }
    }
}

// === impl Display ===

impl fmt::Display for Reluctance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "is being drained",
            Self::Lost => "was given up for lost",
            Self::NoAddress => "has no address in the catalog",
            Self::Away => "does not answer",
            Self::HoldsIt => "holds a replica of it already",
        })
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no node can take the replica of shard {} from node {}", self.shard.0, self.from)?;
        for (at, (node, why)) in self.reasons.iter().enumerate() {
            write!(f, "{} node {node} {why}", if at == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for Impossible {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn site(node: NodeId, zone: usize) -> Site {
        Site { node, zone: format!("z{zone}"), takes_none: None, gives_up: false }
    }

    fn leaving(node: NodeId, zone: usize) -> Site {
        Site { takes_none: Some(Reluctance::Draining), gives_up: true, ..site(node, zone) }
    }

    fn of(shard: u32, from: NodeId, to: NodeId) -> Move {
        Move { shard: ShardId(shard), to, from }
    }

    #[test]
    fn what_is_as_it_should_be_stays() {
        let sites = [site(1, 1), site(2, 2), site(3, 3)];
        assert_eq!(plan(&vec![vec![1, 2, 3]; 8], &sites), Ok(vec![]));
    }

    #[test]
    fn a_node_that_leaves_gives_all_to_the_one_of_its_zone() {
        let sites = [site(1, 1), site(2, 2), leaving(3, 3), site(4, 3)];
        assert_eq!(plan(&vec![vec![1, 2, 3]; 2], &sites), Ok(vec![of(0, 3, 4), of(1, 3, 4)]));
    }

    #[test]
    fn a_plan_that_cannot_work_says_why_for_each_node() {
        let mut away = site(4, 4);
        away.takes_none = Some(Reluctance::Away);
        let sites = [site(1, 1), site(2, 2), leaving(3, 3), away];
        let refused = plan(&[vec![1, 2, 3]], &sites).expect_err("nobody is left");
        let said = "no node can take the replica of shard 0 from node 3: node 1 holds a replica of it already, \
                    node 2 holds a replica of it already, node 4 does not answer";
        assert_eq!(refused.to_string(), said);
    }

    #[test]
    fn a_new_node_takes_its_share_and_no_more() {
        let sites = [site(1, 1), site(2, 1), site(3, 1), site(4, 1)];
        let replicas = vec![vec![1, 2, 3]; 16];
        let moves = plan(&replicas, &sites).expect("possible");
        assert_eq!(moves.len(), 12);
        assert!(moves.iter().all(|step| step.to == 4));
        assert_eq!(spread(&after(&replicas, &moves), &sites).replicas.into_values().collect::<Vec<_>>(), [12; 4]);
    }

    #[test]
    fn replicas_that_share_a_zone_part_when_another_zone_comes() {
        let sites = [site(1, 1), site(2, 1), site(3, 2), site(4, 3)];
        let moves = plan(&[vec![1, 2, 3]], &sites).expect("possible");
        assert_eq!(moves, [of(0, 2, 4)]);
    }

    #[test]
    fn vacant_places_are_filled_as_far_as_there_are_nodes() {
        let sites = [site(1, 1), site(4, 1)];
        assert_eq!(fill(&[vec![1, 2, 3], vec![1, 2, 3]], &sites), [of(0, 2, 4), of(1, 2, 4)]);
        assert!(plan(&[vec![1, 2, 3]], &sites).is_err(), "a whole plan is another matter");
        assert_eq!(fill(&[vec![1, 4]], &sites), []);
    }

    #[test]
    fn a_node_that_was_retired_keeps_nothing() {
        let sites = [site(1, 1), site(2, 1), site(4, 1)];
        assert_eq!(plan(&[vec![1, 2, 3]], &sites), Ok(vec![of(0, 3, 4)]));
    }

    proptest! {
        /// Whatever the cluster: replicas stay distinct, the leaving hold nothing, nobody's zones come closer together,
        /// and a second plan finds nothing more to do.
        #[test]
        fn a_plan_reaches_a_state_that_needs_no_plan(
            zones in proptest::collection::vec(0usize..4, 4..9),
            leaving in proptest::collection::btree_set(1u64..9, 0..3),
            shards in proptest::collection::vec(any::<u64>(), 1..40),
        ) {
            let sites: Vec<Site> = zones.iter().zip(1u64..).map(|(zone, node)| Site {
                takes_none: leaving.contains(&node).then_some(Reluctance::Draining),
                gives_up: leaving.contains(&node),
                ..site(node, *zone)
            }).collect();
            let replicas: Vec<Vec<NodeId>> = shards.iter().map(|seed| {
                let mut nodes: Vec<NodeId> = sites.iter().map(|site| site.node).collect();
                nodes.sort_by_key(|node| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(*node as u32 * 7));
                nodes.truncate(3);
                nodes
            }).collect();
            let staying = sites.iter().filter(|site| !site.gives_up).count();
            let planned = plan(&replicas, &sites);
            prop_assert_eq!(planned.is_ok(), staying >= 3 || replicas.iter().flatten().all(|node| !leaving.contains(node)));
            let Ok(moves) = planned else { return Ok(()) };
            let then = after(&replicas, &moves);
            for nodes in &then {
                prop_assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), 3);
                prop_assert!(nodes.iter().all(|node| !leaving.contains(node)));
            }
            let zones_of = |nodes: &Vec<NodeId>| {
                nodes.iter().map(|node| zones[*node as usize - 1]).collect::<BTreeSet<_>>().len()
            };
            if leaving.is_empty() {
                prop_assert!(replicas.iter().zip(&then).all(|(before, after)| zones_of(after) >= zones_of(before)));
            }
            let again = plan(&then, &sites).expect("possible");
            prop_assert_eq!(again, vec![]);
        }
    }
}
