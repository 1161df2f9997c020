//! What is left of the shards that lost their majority, what is given up if they go on, and the words for it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::catalog::Survivor;
use dnc_core::ids::{NodeId, Position, ShardId};
use dnc_core::moving::recover::{self, Outcome, Replica, Standing};
use dnc_proto::internal as wire;
use dnc_proto::v1;

use super::super::picture::{Picture, Shard};
use super::super::told::count;

/// What is said before anything is given up.
const WARNINGS: [&str; 5] = [
    "what was acknowledged, and only the nodes that are gone had, is lost: opt-outs and ends of exemptions that nobody \
     knows of any more, so that their numbers may be CLEAR, and removals that are undone; for these shards neither \"no false clear\" nor \"nothing acknowledged is lost\" holds",
    "how much that is, nobody can tell any more: it is what was written after the end of the log that is left",
    "import the opt-outs again from the dialers' own records, or from the last backup: one that is there already is \
     recognised, and does no harm",
    "the nodes that are gone never come back under their ids: see that they are off before this is done, for a router that \
     is cut off together with a majority of them would still believe them",
    "lists that the replica lacks make its numbers UNKNOWN until they are imported again; checks of the shards are UNKNOWN \
     until they have gone on",
];

/// How the shards without a majority stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// They can go on from these replicas.
    pub from: Vec<Survivor>,
    /// The nodes that are given up then.
    pub lost: BTreeSet<NodeId>,
    /// They cannot go on, and what to do.
    pub refused: Vec<v1::UnrecoverableShard>,
    /// Those of them that may still be decided otherwise, and have replicas on nodes that would be given up.
    undecided: BTreeSet<ShardId>,
    /// Those of them of which nothing is left but what nodes have that would be given up, should these come back.
    buried: BTreeSet<ShardId>,
}

// === impl Assessment ===

impl Assessment {
    /// How they stand now.
    pub fn of(picture: &Picture) -> Self {
        let mut found = Self::default();
        let mut stuck = Vec::new();
        for shard in &picture.shards {
            match recover::assess(shard.id, &replicas(picture, shard), picture.catalog.generation(shard.id)) {
                Outcome::Majority => {}
                Outcome::From(survivor, lost) => {
                    found.from.push(survivor);
                    found.lost.extend(lost);
                }
                Outcome::Undecided(node) => stuck.push((shard.id, Some(node))),
                Outcome::Nothing => stuck.push((shard.id, None)),
            }
        }
        for (shard, undecided) in stuck {
            let touched = picture.catalog.hosts(shard).iter().any(|host| found.lost.contains(host));
            if touched {
                let kind = if undecided.is_some() { &mut found.undecided } else { &mut found.buried };
                kind.insert(shard);
            }
            found.refused.push(refused(shard, undecided));
        }
        found
    }

    /// The shards that can go on.
    pub fn shards(&self) -> BTreeSet<ShardId> {
        self.from.iter().map(|survivor| survivor.shard).collect()
    }

    /// Why nothing is given up yet: nodes would take with them what may still be there of other shards.
    pub fn open(&self) -> Option<String> {
        (!self.undecided.is_empty()).then(|| {
            format!(
                "it is not decided yet whether {} can go on, and nodes that would be given up have replicas of that: nothing \
                 is given up before",
                names(&self.undecided, &BTreeSet::new())
            )
        })
    }

    /// All that is said before it is done.
    pub fn told(&self, picture: &Picture) -> v1::RecoveryPreview {
        let (shards, open) = (self.shards(), self.open());
        let elsewhere =
            |shard: &Shard| !shards.contains(&shard.id) && self.refused.iter().all(|stuck| stuck.shard != shard.id.0);
        let gone = |node: &NodeId| v1::GoneNode {
            node: *node,
            address: picture.catalog.nodes.get(node).map(|node| node.addresses.service.clone()).unwrap_or_default(),
            error: picture.answer(*node).err().unwrap_or_default().to_owned(),
            other_replicas: count(picture.held_by(*node).filter(|(shard, _)| elsewhere(shard)).count()),
        };
        let mut warnings: Vec<String> = Vec::new();
        if !shards.is_empty() {
            warnings.extend(WARNINGS.map(str::to_owned));
            warnings.extend((!self.buried.is_empty()).then(|| {
                format!(
                    "{} cannot go on, and what the nodes that are gone had of that is given up too: should they come back, it \
                     does not",
                    names(&self.buried, &BTreeSet::new())
                )
            }));
            warnings.extend(open.clone());
        }
        v1::RecoveryPreview {
            shards: self.from.iter().map(|survivor| left(picture, survivor)).collect(),
            refused: self.refused.clone(),
            gone: self.lost.iter().map(gone).collect(),
            warnings,
            confirm: if open.is_some() { String::new() } else { names(&shards, &self.lost) },
            revision: picture.catalog.revision,
        }
    }
}

/// A shard that cannot go on: this node answers and does not run its replica, or none is left.
fn refused(shard: ShardId, undecided: Option<NodeId>) -> v1::UnrecoverableShard {
    let (why, advice) = match undecided {
        Some(node) => (
            format!("node {node} answers and does not run its replica, so the replica is not known to be lost"),
            "wait if the node has just started or the shard is being recovered; else see its log, and if its data is gone, \
             stop it: then it counts as gone",
        ),
        None => (
            "no replica of it is left".to_owned(),
            "nothing in this cluster can bring it back: restore the last backup into a new cluster (dnc backup restore), \
             and import the opt-outs since then",
        ),
    };
    v1::UnrecoverableShard { shard: shard.0, why, advice: advice.to_owned() }
}

/// What is known of the replicas of a shard, and of one that is on its way.
fn replicas(picture: &Picture, shard: &Shard) -> BTreeMap<NodeId, Replica> {
    let of = |node: NodeId| match (picture.answer(node), picture.replica(shard.id, node)) {
        (Err(_), _) => Replica::Silent,
        (Ok(_), None) => Replica::Stopped,
        (Ok(_), Some(replica)) => Replica::Runs(standing(replica)),
    };
    picture.catalog.hosts(shard.id).into_iter().map(|node| (node, of(node))).collect()
}

fn standing(replica: &wire::Replica) -> Standing {
    let at = |at: wire::LogPosition| Position { term: at.term, index: at.index };
    let group = replica.group.as_ref();
    let voters = group.into_iter().flat_map(|group| &group.voters);
    Standing {
        last: replica.last.map(at),
        applied: replica.applied.map(at),
        voters: voters.map(|set| set.nodes.iter().copied().collect()).collect(),
        voters_at: group.and_then(|group| group.membership_at).map(at),
        generation: replica.generation,
    }
}

/// What is left of a shard.
fn left(picture: &Picture, survivor: &Survivor) -> v1::RecoverableShard {
    let replica = |node: NodeId| {
        let said = picture.replica(survivor.shard, node);
        let last = said.and_then(|said| said.last).unwrap_or_default();
        let state = match said {
            None => "gone",
            Some(_) if node == survivor.node => "survivor",
            Some(_) => "left",
        };
        let applied = said.and_then(|said| said.applied).unwrap_or_default().index;
        v1::ReplicaLeft { node, state: state.into(), term: last.term, index: last.index, applied }
    };
    v1::RecoverableShard {
        shard: survivor.shard.0,
        survivor: survivor.node,
        replicas: picture.catalog.hosts(survivor.shard).into_iter().map(replica).collect(),
        suppressions: picture.replica(survivor.shard, survivor.node).map_or(0, |said| said.suppressions),
    }
}

/// What is given up, by the names by which it is confirmed: "shard-3,shard-7..9,node-2,node-5".
pub fn names(shards: &BTreeSet<ShardId>, nodes: &BTreeSet<NodeId>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for shard in shards {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == shard.0 => *last = shard.0,
            _ => runs.push((shard.0, shard.0)),
        }
    }
    let run = |(first, last): (u32, u32)| {
        if first == last { format!("shard-{first}") } else { format!("shard-{first}..{last}") }
    };
    let nodes = nodes.iter().map(|node| format!("node-{node}"));
    runs.into_iter().map(run).chain(nodes).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Catalog, Change, Founding, NodeAddresses, ShardMap};

    use super::super::super::fixture::{Stand, change};
    use super::*;

    /// Shard 0 on nodes 1, 2, 3, shard 1 on nodes 1, 2, 5; node 4 holds nothing.
    fn five() -> Catalog {
        let mut catalog = Catalog::default();
        let founding = Founding { cluster: 1, log_key: [0; 32], shards: 2, replication: 3, initial_nodes: 3 };
        change(&mut catalog, Change::Found(founding));
        for node in 1..=5u128 {
            let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
            change(&mut catalog, Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
        }
        change(&mut catalog, Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3], vec![1, 2, 5]] }));
        catalog
    }

    fn told(stand: impl FnOnce(Stand) -> Stand) -> (Assessment, v1::RecoveryPreview) {
        let catalog = five();
        let stand = stand(Stand::of(&catalog).away(1).away(2));
        let picture = Picture::new(&catalog, &stand.nodes);
        let found = Assessment::of(&picture);
        let told = found.told(&picture);
        (found, told)
    }

    #[test]
    fn what_is_given_up_is_named_by_runs_of_shards_and_by_nodes() {
        let of = |shards: &[u32], nodes: &[NodeId]| {
            names(&shards.iter().copied().map(ShardId).collect(), &nodes.iter().copied().collect())
        };
        assert_eq!(of(&[3, 7], &[2]), "shard-3,shard-7,node-2");
        assert_eq!(of(&[0, 1, 2, 5], &[9, 4]), "shard-0..2,shard-5,node-4,node-9");
        assert_eq!(of(&[], &[]), "");
    }

    #[test]
    fn nothing_is_given_up_while_a_shard_of_the_same_nodes_is_not_decided() {
        let (found, told) = told(|stand| stand.without(5, 1));
        assert_eq!(found.shards(), [ShardId(0)].into());
        assert!(found.open().is_some_and(|why| why.contains("shard-1")));
        assert_eq!((told.confirm.as_str(), told.refused[0].shard), ("", 1));
        assert!(told.warnings.iter().any(|said| said.contains("not decided yet")));
    }

    #[test]
    fn a_shard_of_which_nothing_is_left_is_said_to_be_given_up_with_the_nodes() {
        let (found, told) = told(|stand| stand.away(5));
        assert!(found.open().is_none());
        assert_eq!(found.lost, [1, 2].into(), "node 5 may come back with what it has");
        assert_eq!(told.confirm, "shard-0,node-1,node-2");
        assert!(told.warnings.iter().any(|said| said.starts_with("shard-1 cannot go on")), "{:?}", told.warnings);
        assert_eq!(told.gone[0].other_replicas, 0, "it is made anew nowhere");
    }

    #[test]
    fn both_go_on_from_what_is_left_of_each() {
        let (found, told) = told(|stand| stand);
        assert_eq!(found.from.iter().map(|from| from.node).collect::<Vec<_>>(), [3, 5]);
        assert_eq!((told.confirm.as_str(), told.refused.len()), ("shard-0..1,node-1,node-2", 0));
    }
}
