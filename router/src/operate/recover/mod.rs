//! Shards that lost their majority for good: what is left of them, what is lost if they go on from that, and having them
//! do so. What decides is pure (`dnc_core::moving::recover`); what it breaks is said before ([`assess`]), and asked for by
//! name.

mod assess;

use std::collections::BTreeSet;
use std::time::Duration;

use dnc_core::catalog::{Change, Recovery, Survivor, recoveries};
use dnc_core::ids::{NodeId, ShardId};
use dnc_proto::v1;
use tokio::time::sleep;
use tracing::warn;

use self::assess::{Assessment, names};
use super::act::request;
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

/// What somebody has said to give up.
struct Confirmed {
    shards: BTreeSet<ShardId>,
    gone: BTreeSet<NodeId>,
}

// === impl Operators ===

impl<C: Cluster> Operators<C> {
    /// Which shards have lost their majority, what is left of each, and what is lost if they go on from that.
    pub async fn preview_recovery(&self) -> Result<v1::RecoveryPreview, Error> {
        let asked = self.ready().await?;
        let picture = asked.picture();
        Ok(Assessment::of(&picture).told(&picture))
    }

    /// Has shards go on from one replica each, if exactly these have lost their majority, and exactly these nodes are gone.
    pub async fn recover(&self, asked: v1::RecoverShardsRequest) -> Result<v1::Recovery, Error> {
        let id = request(&asked.request_id)?;
        let why = asked.why.trim().to_owned();
        if why.is_empty() || why.chars().count() > MAX_REASON {
            return Err(
                Invalid::new("why", format!("a reason of 1 to {MAX_REASON} characters: it is kept for ever")).into()
            );
        }
        let confirmed = Confirmed {
            shards: asked.shards.iter().copied().map(ShardId).collect(),
            gone: asked.gone.iter().copied().collect(),
        };
        let of = |known: &dnc_meta::Known| known.catalog.recoveries.past.iter().find(|past| past.id == id).map(told);
        if let Some(done) = of(&self.cluster.known()) {
            return Ok(done);
        }
        let mut found = self.ready().await?.confirm(&confirmed)?;
        for _ in 1..LOOKS {
            sleep(PAUSE).await;
            found = self.ready().await?.confirm(&confirmed)?;
        }
        let Assessment { from, lost, .. } = found;
        warn!(recovery = %id, shards = from.len(), ?lost, "shards are recovered without a majority");
        let change = Change::Recover { id, why, lost, shards: from, now_ms: now_ms() };
        let (_, known) = decide::propose(&self.cluster, &change, decide::deadline()).await?;
        of(&known).ok_or(Error::Undecided(decide::Undecided::Unexpected))
    }
}

// === impl Asked ===

impl Asked {
    /// What is to be recovered, if it is what was confirmed: no more, no less, and nothing of it is still open.
    fn confirm(&self, confirmed: &Confirmed) -> Result<Assessment, Error> {
        let found = Assessment::of(&self.picture());
        if found.from.is_empty() {
            let first = found.refused.first();
            let first = first.map(|shard| format!("shard {}: {}; {}", shard.shard, shard.why, shard.advice));
            let whole = "every shard has a majority of replicas that answer, so nothing is to be recovered; a node whose \
                         data is lost is replaced: dnc cluster replace";
            return Err(Error::Unfit(first.unwrap_or_else(|| whole.to_owned())));
        }
        if let Some(open) = found.open() {
            return Err(Error::Unfit(open));
        }
        let shards = found.shards();
        let inexact = match () {
            () if confirmed.shards != shards => "shards",
            () if confirmed.gone != found.lost => "gone",
            () => return Ok(found),
        };
        let why = format!(
            "what is given up has to be confirmed by name, and that is {}; look at what is lost first: dnc cluster recover",
            names(&shards, &found.lost)
        );
        Err(Invalid::new(inexact, why).into())
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
            gone: vec![2, 3],
        }
    }

    #[tokio::test]
    async fn a_preview_says_what_is_left_what_is_gone_and_what_is_lost_and_changes_nothing() {
        let (fake, operators) = without(&[2, 3]);
        let before = fake.known().catalog.clone();
        let told = operators.preview_recovery().await.expect("known");
        assert_eq!((told.shards.len(), told.confirm.as_str()), (SHARDS as usize, "shard-0..15,node-2,node-3"));
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
            assert!(why.kind() == Kind::Invalid && why.to_string().contains("shard-0..15,node-2,node-3"), "{why}");
        }
        for gone in [vec![], vec![2], vec![1, 2, 3]] {
            let why = operators.recover(v1::RecoverShardsRequest { gone, ..confirmed(0..SHARDS) }).await;
            let why = why.expect_err("not the nodes that are lost");
            assert_eq!(why.invalid().map(|why| why.field), Some("gone"), "{why}");
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
