//! What a node does about damage in its data: it asks to be let go, gives its data up, and comes back as another node.
//!
//! Nothing is repaired in place: all replicas share the files of one store, so damage cannot be confined to one of them,
//! and a replica that forgot what it promised must never vote as the one that promised it. A new id never promised
//! anything. Until the meta group lets it go, the node serves what it can read.

use std::path::Path;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision, Refusal, Repair};
use dnc_core::ids::NodeId;
use dnc_meta::{CatalogCache, MetaClient, ProposeError};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::card::Card;
use crate::{Error, Hosting};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// It is said again this often that the node still waits.
const REMIND: Duration = Duration::from_secs(60);

/// Waits until damage is found here, until the meta group knows of some that an earlier life has found, or until shards
/// of this node were recovered without it; and then until the node may give its data up. For ever, if all is well.
pub async fn attend(
    mut damage: watch::Receiver<Option<String>>,
    incarnation: u128,
    node: NodeId,
    hosting: Hosting,
    meta: MetaClient,
    cache: CatalogCache,
) {
    tokio::select! {
        what = first(&mut damage) => found_damage(node, &what),
        () = until(&cache, |catalog| catalog.moves.repairs.contains_key(&node)) => {
            tracing::warn!(node, "an earlier life of this node has found damage in its data");
        }
        () = until(&cache, |catalog| catalog.recoveries.gave_up(node)) => {
            tracing::error!(node, "the shards of this node were recovered without it: it gives its data up, and joins as another node");
        }
    }
    // A leader that cannot read its log brings nobody up to date.
    hosting.hand_over().await;
    let_go(incarnation, &meta, &cache).await;
}

/// The first damage, once there is some.
async fn first(damage: &mut watch::Receiver<Option<String>>) -> String {
    let found = damage.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    match found {
        Some(what) => what,
        // The store is gone, and so is the node.
        None => std::future::pending().await,
    }
}

/// Damage was found in what this node holds: said once, and counted.
pub fn found_damage(node: NodeId, what: &str) {
    metrics::counter!("dnc_node_damage_total", "node" => node.to_string()).increment(1);
    tracing::error!(node, what, "found damage in the data of this node; it asks to be replaced by itself");
}

/// Asks the meta group to let the node of this data folder go, and returns when it does, or when nobody knows it any more.
pub async fn let_go(incarnation: u128, meta: &MetaClient, cache: &CatalogCache) {
    let Some((node, reported)) = report(incarnation, meta).await else { return };
    tracing::warn!(node, "waiting for the word to give the data of this node up");
    // A catalog that is older than the report says nothing.
    let waiting = until(cache, |catalog| {
        catalog.revision >= reported && catalog.moves.repairs.get(&node) != Some(&Repair::Waiting)
    });
    tokio::pin!(waiting);
    while tokio::time::timeout(REMIND, &mut waiting).await.is_err() {
        tracing::warn!(node, "still waiting: a shard would lose its majority, or another node is being replaced");
    }
}

/// Moves the data aside. Blocks.
pub fn give_up(card: Card, folder: &Path) -> Result<(), Error> {
    let at = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    card.give_up(folder, &at).map_err(Error::Card)?;
    tracing::warn!(folder = %folder.display(), kept = format!("damaged-{at}"), "the damaged data was moved aside");
    Ok(())
}

/// Tells the meta group that this node takes the place of the one that gave its data up.
pub async fn succeed(damaged: u128, incarnation: u128, meta: &MetaClient) {
    loop {
        match meta.propose(&Change::Succeed { damaged, incarnation }, ATTEMPT).await {
            // It was retired or succeeded without us: we are a node like any other.
            Ok(Decision::Refused(why @ (Refusal::NoRepair(_) | Refusal::UnknownFolder))) => {
                tracing::warn!(%why, "nobody's place is to be taken");
                return;
            }
            // Said once more it may be taken; not said, the other's replicas would be missed for ever.
            Ok(Decision::Refused(why)) => tracing::warn!(%why, "take the place of the damaged node; trying again"),
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "take the place of the damaged node; trying again"),
        }
        sleep(PAUSE).await;
    }
}

/// Says that there is damage, until the meta group knows. The node's id, and the catalog's revision that has it; none if
/// nobody counts on the node any more.
async fn report(incarnation: u128, meta: &MetaClient) -> Option<(NodeId, u64)> {
    loop {
        match meta.propose(&Change::ReportDamage { incarnation }, ATTEMPT).await {
            Ok(Decision::Node { id, revision }) => return Some((id, revision)),
            Ok(Decision::Refused(Refusal::UnknownFolder)) => return None,
            Ok(other) => tracing::error!(?other, "report the damage: an answer that makes no sense; trying again"),
            Err(ProposeError::Rejected(why)) => tracing::error!(why, "report the damage: refused; trying again"),
            Err(error) => tracing::warn!(%error, "report the damage; trying again"),
        }
        sleep(PAUSE).await;
    }
}

async fn until(cache: &CatalogCache, fits: impl Fn(&Catalog) -> bool) {
    while cache.wait_for(REMIND, &fits).await.is_err() {}
}
