//! Shards that lost their majority for good: what is left of them, what is lost if they go on from that, and having them
//! do so. What decides is pure (`dnc_core::moving::recover`); what it breaks is said before, and asked for by name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dnc_core::catalog::{Change, Recovery, Survivor, recoveries};
use dnc_core::ids::{NodeId, Position, ShardId};
use dnc_core::moving::recover::{self, Outcome, Replica, Standing};
use dnc_proto::internal as wire;
use dnc_proto::v1;
use tokio::time::sleep;
use tracing::warn;

use super::act::request;
use super::picture::{Picture, Shard};
use super::told::count;
use super::{Asked, Error, Operators};
use crate::clock::{now_ms, time};
use crate::cluster::Cluster;
use crate::decide;
use crate::failure::Invalid;

/// Nodes are given up only if they were silent this often, with this pause.
const LOOKS: usize = 2;
const PAUSE: Duration = Duration::from_secs(1);
/// Longest reason, characters: of four bytes each at most, it fits into the catalog.
const MAX_REASON: usize = recoveries::MAX_REASON / 4;

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
struct Assessment {
    /// They can go on from these replicas.
    from: Vec<Survivor>,
    /// The nodes that are given up then.
    lost: BTreeSet<NodeId>,
    /// They cannot go on, and what to do.
    refused: Vec<v1::UnrecoverableShard>,
}

// === impl Operators ===

impl<C: Cluster> Operators<C> {
    /// Which shards have lost their majority, what is left of each, and what is lost if they go on from that.
    pub async fn preview_recovery(&self) -> Result<v1::RecoveryPreview, Error> {
        let asked = self.ready().await?;
        let picture = asked.picture();
        Ok(assess(&picture).told(&picture))
    }

    /// Has shards go on from one replica each, if exactly these have lost their majority.
    pub async fn recover(&self, asked: v1::RecoverShardsRequest) -> Result<v1::Recovery, Error> {
        let id = request(&asked.request_id)?;
        let why = asked.why.trim().to_owned();
        if why.is_empty() || why.chars().count() > MAX_REASON {
            return Err(
                Invalid::new("why", format!("a reason of 1 to {MAX_REASON} characters: it is kept for ever")).into()
            );
        }
        let confirmed: BTreeSet<ShardId> = asked.shards.iter().copied().map(ShardId).collect();
        let of = |known: &dnc_meta::Known| known.catalog.recoveries.past.iter().find(|past| past.id == id).map(told);
        if let Some(done) = of(&self.cluster.known()) {
            return Ok(done);
        }
        let mut found: Option<Assessment> = None;
        for look in 0..LOOKS {
            if look > 0 {
                sleep(PAUSE).await;
            }
            let now = self.ready().await?.assess(&confirmed)?;
            if found.as_ref().is_some_and(|before| before.lost != now.lost) {
                return Err(Error::Unfit("nodes come and go: look again, and wait until that has settled".into()));
            }
            found = Some(now);
        }
        let Assessment { from, lost, .. } = found.unwrap_or_default();
        warn!(recovery = %id, shards = from.len(), ?lost, "shards are recovered without a majority");
        let change = Change::Recover { id, why, lost, shards: from, now_ms: now_ms() };
        let (_, known) = decide::propose(&self.cluster, &change, decide::deadline()).await?;
        of(&known).ok_or(Error::Undecided(decide::Undecided::Unexpected))
    }
}

// === impl Asked ===

impl Asked {
    /// What is to be recovered, if it is what was confirmed.
    fn assess(&self, confirmed: &BTreeSet<ShardId>) -> Result<Assessment, Error> {
        let found = assess(&self.picture());
        let lost: BTreeSet<ShardId> = found.from.iter().map(|survivor| survivor.shard).collect();
        if lost.is_empty() {
            let first =
                found.refused.first().map(|shard| format!("shard {}: {}; {}", shard.shard, shard.why, shard.advice));
            let whole = "every shard has a majority of replicas that answer, so nothing is to be recovered; a node whose \
                         data is lost is replaced: dnc cluster replace";
            return Err(Error::Unfit(first.unwrap_or_else(|| whole.to_owned())));
        }
        if *confirmed != lost {
            let why = format!(
                "what is given up has to be confirmed by name, and that is {}; look at what is lost first: dnc cluster recover",
                names(&lost)
            );
            return Err(Invalid::new("shards", why).into());
        }
        Ok(found)
    }
}

/// How the shards stand that have no majority.
fn assess(picture: &Picture) -> Assessment {
    let mut found = Assessment::default();
    for shard in &picture.shards {
        let refused =
            |why: String, advice: &str| v1::UnrecoverableShard { shard: shard.id.0, why, advice: advice.into() };
        match recover::assess(shard.id, &replicas(picture, shard), picture.catalog.generation(shard.id)) {
            Outcome::Majority => {}
            Outcome::From(survivor, lost) => {
                found.from.push(survivor);
                found.lost.extend(lost);
            }
            Outcome::Undecided(node) => found.refused.push(refused(
                format!("node {node} answers and does not run its replica, so the replica is not known to be lost"),
                "wait if the node has just started or the shard is being recovered; else see its log, and if its data is \
                 gone, stop it: then it counts as gone",
            )),
            Outcome::Nothing => found.refused.push(refused(
                "no replica of it is left".into(),
                "nothing in this cluster can bring it back: restore the last backup into a new cluster (dnc backup \
                 restore), and import the opt-outs since then",
            )),
        }
    }
    found
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

// === impl Assessment ===

impl Assessment {
    fn told(&self, picture: &Picture) -> v1::RecoveryPreview {
        let shards: BTreeSet<ShardId> = self.from.iter().map(|survivor| survivor.shard).collect();
        let gone = |node: &NodeId| v1::GoneNode {
            node: *node,
            address: picture.catalog.nodes.get(node).map(|node| node.addresses.service.clone()).unwrap_or_default(),
            error: picture.answer(*node).err().unwrap_or_default().to_owned(),
            other_replicas: count(picture.held_by(*node).filter(|(shard, _)| !shards.contains(&shard.id)).count()),
        };
        v1::RecoveryPreview {
            shards: self.from.iter().map(|survivor| left(picture, survivor)).collect(),
            refused: self.refused.clone(),
            gone: self.lost.iter().map(gone).collect(),
            warnings: if shards.is_empty() { Vec::new() } else { WARNINGS.map(str::to_owned).to_vec() },
            confirm: names(&shards),
            revision: picture.catalog.revision,
        }
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

/// A recovery that was done.
pub fn told(recovery: &Recovery) -> v1::Recovery {
    let shard = |from: &Survivor| v1::RecoveredShard {
        shard: from.shard.0,
        survivor: from.node,
        term: from.last.term,
        index: from.last.index,
    };
    v1::Recovery {
        recovery_id: recovery.id.to_string(),
        why: recovery.why.clone(),
        at: time(recovery.at_ms),
        gone: recovery.lost.keys().copied().collect(),
        shards: recovery.shards.iter().map(shard).collect(),
        revision: recovery.revision,
    }
}

/// Shards by name, as they are confirmed: "shard-3,shard-7..9".
fn names(shards: &BTreeSet<ShardId>) -> String {
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
    runs.into_iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::Duty;

    use super::super::fixture::Stand;
    use super::*;
    use crate::failure::{Failure, Kind};
    use crate::testing::{Fake, SHARDS};

    /// All shards on nodes 1, 2, 3; these do not answer.
    fn without(silent: &[NodeId]) -> (Fake, Operators<Fake>) {
        let fake = Fake::founded();
        let stand = Stand::of(&fake.known().catalog);
        fake.stand(silent.iter().fold(stand, |stand, node| stand.away(*node)).nodes);
        (fake.clone(), Operators::new(fake))
    }

    fn confirmed(shards: impl IntoIterator<Item = u32>) -> v1::RecoverShardsRequest {
        v1::RecoverShardsRequest {
            shards: shards.into_iter().collect(),
            why: "two machines burnt".into(),
            request_id: "0123456789abcdef0123456789abcdef".into(),
        }
    }

    #[test]
    fn shards_are_named_by_runs() {
        let of = |shards: &[u32]| names(&shards.iter().copied().map(ShardId).collect());
        assert_eq!(of(&[3, 7]), "shard-3,shard-7");
        assert_eq!(of(&[0, 1, 2, 5]), "shard-0..2,shard-5");
        assert_eq!(of(&[]), "");
    }

    #[tokio::test]
    async fn a_preview_says_what_is_left_what_is_gone_and_what_is_lost_and_changes_nothing() {
        let (fake, operators) = without(&[2, 3]);
        let before = fake.known().catalog.clone();
        let told = operators.preview_recovery().await.expect("known");
        assert_eq!((told.shards.len(), told.confirm.as_str()), (SHARDS as usize, "shard-0..15"));
        let states: Vec<&str> = told.shards[0].replicas.iter().map(|replica| replica.state.as_str()).collect();
        assert_eq!((told.shards[0].survivor, states), (1, vec!["survivor", "gone", "gone"]));
        assert_eq!((told.shards[0].replicas[0].term, told.shards[0].replicas[0].index), (1, 100));
        assert_eq!(told.gone.iter().map(|node| node.node).collect::<Vec<_>>(), [2, 3]);
        assert!(told.warnings.iter().any(|said| said.contains("import the opt-outs again")));
        assert_eq!(fake.known().catalog, before);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_confirmed_by_name_goes_on_once_and_stays_in_the_history() {
        let (fake, operators) = without(&[2, 3]);
        let done = operators.recover(confirmed(0..SHARDS)).await.expect("confirmed");
        assert_eq!((done.gone.as_slice(), done.shards.len()), (&[2, 3][..], SHARDS as usize));
        let catalog = fake.known().catalog.clone();
        assert_eq!((catalog.shard_map.replicas(ShardId(4)), catalog.duty(2)), (&[1][..], Duty::Lost));
        assert_eq!(operators.recover(confirmed(0..SHARDS)).await.expect("repeated"), done);
        assert_eq!(operators.history().await.recoveries, [done]);
        // The survivor has not followed yet: nothing more is to be given up for that.
        assert!(operators.preview_recovery().await.expect("known").shards.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_recovered_that_was_not_named_or_has_a_majority() {
        let (fake, operators) = without(&[2, 3]);
        let before = fake.known().catalog.clone();
        for shards in [0..0, 0..3, 0..SHARDS + 1] {
            let why = operators.recover(confirmed(shards)).await.expect_err("not what is lost");
            assert!(why.kind() == Kind::Invalid && why.to_string().contains("shard-0..15"), "{why}");
        }
        let silent = v1::RecoverShardsRequest { why: " ".into(), ..confirmed(0..SHARDS) };
        assert_eq!(operators.recover(silent).await.expect_err("no reason").kind(), Kind::Invalid);
        assert_eq!(fake.known().catalog, before);
        let (_, operators) = without(&[3]);
        let why = operators.recover(confirmed([0])).await.expect_err("a majority is there");
        assert!(why.kind() == Kind::Precondition && why.to_string().contains("dnc cluster replace"), "{why}");
        let (_, operators) = without(&[1, 2, 3]);
        let why = operators.recover(confirmed([0])).await.expect_err("nothing is left");
        assert!(why.to_string().contains("dnc backup restore"), "{why}");
        let told = operators.preview_recovery().await.expect("known");
        assert!(told.shards.is_empty() && told.warnings.is_empty() && told.refused.len() == SHARDS as usize);
    }
}
