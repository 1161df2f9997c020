//! What the leader does by itself: founds the cluster, and places the shards when enough nodes have joined.
//!
//! [`next_step`] decides, from the catalog alone; the loop proposes what it says, one change at a
//! time. Changes are safe to repeat, so a leader that lags behind its own log does no harm.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dnc_consensus::Group;
use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry};
use dnc_core::codec;
use dnc_core::ids::RequestId;
use dnc_core::placement::{self, Candidate};
use dnc_core::registry::{RegistryKind, Settings};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::board::Board;

/// Leadership is looked at this often; a changed catalog wakes the loop at once.
const TICK: Duration = Duration::from_millis(500);
/// Time for one proposal.
const PROPOSE: Duration = Duration::from_secs(5);

/// What the leader's work needs of the voter that it runs on, and of the world.
pub trait Voter {
    /// Whether this voter leads, as far as it knows.
    fn leads(&self) -> bool;

    /// The catalog as this voter has applied it.
    fn catalog(&self) -> Arc<Catalog>;

    /// Proposes a change once, and says in the log what came of it.
    fn propose(&self, change: &Change) -> impl Future<Output = ()>;

    /// Now, milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// An id that nothing has.
    fn new_id(&self) -> RequestId;
}

/// A voter of the meta group in its process.
pub(crate) struct Seat<'a> {
    pub(crate) group: &'a Group,
    pub(crate) board: &'a Board,
}

// === impl Seat ===

impl Voter for Seat<'_> {
    fn leads(&self) -> bool {
        self.group.is_leader()
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.board.catalog()
    }

    async fn propose(&self, change: &Change) {
        propose(self.group, change).await;
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn new_id(&self) -> RequestId {
        RequestId(rand::random())
    }
}

/// The change that the catalog needs next; `founding` is what a cluster without one is founded with.
pub fn next_step(catalog: &Catalog, founding: &Founding) -> Option<Change> {
    let Some(founded) = &catalog.founding else {
        return Some(Change::Found(founding.clone()));
    };
    let first = [("federal", RegistryKind::Federal, "US"), ("internal", RegistryKind::Internal, "")];
    for (name, kind, jurisdiction) in first {
        // A backup brings its own.
        if catalog.registry_named(name).is_none() && catalog.restoring.is_none() {
            return Some(Change::CreateRegistry(NewRegistry {
                name: name.into(),
                kind,
                owner: None,
                settings: Settings { jurisdiction: jurisdiction.into(), ..Settings::default() },
                now_ms: 0,
            }));
        }
    }
    if !catalog.shard_map.replicas.is_empty() {
        return None;
    }
    // A node that lost its folder has joined twice, and is there once.
    let there = catalog.nodes.values().filter(|node| node.is_reachable());
    let candidates: Vec<Candidate> = there.map(|node| Candidate { node: node.id, zone: node.zone.clone() }).collect();
    if candidates.len() < founded.initial_nodes as usize {
        return None;
    }
    placement::plan(&candidates, founded.shards, founded.replication).ok().map(Change::PlaceShards)
}

/// Proposes what the catalog needs whenever this voter leads; for ever.
pub(crate) async fn run(group: &Group, board: &Board, founding: &Founding) {
    let mut revisions = board.revisions();
    loop {
        revisions.borrow_and_update();
        let leading = group.is_leader();
        metrics::gauge!("dnc_meta_is_leader", "voter" => board.voter().to_owned()).set(f64::from(u8::from(leading)));
        if leading && let Some(change) = next_step(&board.catalog(), founding) {
            propose(group, &change).await;
        }
        // Also the pause after a failed or refused proposal: only a changed catalog ends it early.
        let _ = timeout(TICK, revisions.changed()).await;
    }
}

async fn propose(group: &Group, change: &Change) {
    let step = match change {
        Change::Found(_) => "found the cluster",
        Change::CreateRegistry { .. } => "create a first registry",
        Change::PlaceShards(_) => "place the shards",
        Change::AdoptPlan { .. } => "plan to make the replicas anew of nodes that are away or damaged",
        Change::GrantRepair { .. } => "let a damaged node give its data up",
        Change::RetireNode { .. } => "retire a damaged node",
        Change::FinishMove { .. } => "finish a move",
        Change::DropMove { .. } => "drop a move",
        _ => "change the catalog",
    };
    match group.write(codec::encode(change), PROPOSE).await {
        Ok((_, reply)) => match codec::decode::<Decision>(&reply) {
            Ok(Decision::Refused(why)) => warn!(step, %why, "a step of the reconciler was refused"),
            Ok(_) => info!(step, "a step of the reconciler is done"),
            Err(error) => warn!(step, %error, "a step of the reconciler has an unreadable answer"),
        },
        Err(error) => warn!(step, %error, "a step of the reconciler was not confirmed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::catalog::NodeAddresses;
    use dnc_core::ids::RequestId;
    use std::collections::BTreeSet;

    fn founding() -> Founding {
        Founding { cluster: 7, log_key: [1; 32], shards: 16, replication: 3, initial_nodes: 3 }
    }

    fn settle(catalog: &mut Catalog) -> usize {
        let mut steps = 0;
        while let Some(change) = next_step(catalog, &founding()) {
            let decision = catalog.apply(change);
            assert!(!matches!(decision, Decision::Refused(_)), "{decision:?}");
            steps += 1;
            assert!(steps < 10, "every step must bring the end nearer");
        }
        steps
    }

    fn join(catalog: &mut Catalog, incarnation: u128) {
        catalog.apply(Change::RegisterNode {
            incarnation,
            addresses: NodeAddresses { service: format!("n{incarnation}:1"), raft: format!("n{incarnation}:2") },
            zone: incarnation.to_string(),
        });
    }

    #[test]
    fn an_empty_catalog_is_founded_with_two_registries() {
        let mut catalog = Catalog::default();
        assert_eq!(settle(&mut catalog), 3);
        assert_eq!(catalog.founding, Some(founding()));
        let federal = catalog.registry_named("federal").expect("created");
        assert_eq!(federal.kind, RegistryKind::Federal);
        assert_eq!((federal.settings.jurisdiction.as_str(), federal.settings.max_age_days), ("US", 31));
        let internal = catalog.registry_named("internal").expect("created");
        assert_eq!(internal.kind, RegistryKind::Internal);
        assert!(catalog.shard_map.replicas.is_empty());
    }

    #[test]
    fn shards_are_placed_once_when_enough_nodes_have_joined() {
        let mut catalog = Catalog::default();
        settle(&mut catalog);
        join(&mut catalog, 1);
        join(&mut catalog, 2);
        assert_eq!(settle(&mut catalog), 0);
        join(&mut catalog, 3);
        assert_eq!(settle(&mut catalog), 1);
        assert_eq!(catalog.shard_map.shards(), 16);
        for replicas in &catalog.shard_map.replicas {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
        }
        join(&mut catalog, 4);
        assert_eq!(settle(&mut catalog), 0);
    }

    #[test]
    fn a_node_that_lost_its_folder_does_not_count_twice() {
        let mut catalog = Catalog::default();
        settle(&mut catalog);
        join(&mut catalog, 1);
        join(&mut catalog, 2);
        catalog.apply(Change::RegisterNode {
            incarnation: 3,
            addresses: catalog.nodes[&2].addresses.clone(),
            zone: "2".into(),
        });
        assert_eq!((catalog.nodes.len(), settle(&mut catalog)), (3, 0));
        join(&mut catalog, 4);
        assert_eq!(settle(&mut catalog), 1);
        assert!(catalog.shard_map.replicas.iter().flatten().all(|node| *node != 2));
    }

    #[test]
    fn a_catalog_that_is_restored_gets_no_registries_of_its_own() {
        let mut catalog = Catalog::default();
        settle(&mut catalog);
        let decision = catalog.apply(Change::BeginRestore { backup: RequestId(5) });
        assert!(matches!(decision, Decision::Done { .. }), "{decision:?}");
        assert_eq!((settle(&mut catalog), catalog.registries.len()), (0, 0));
    }

    #[test]
    fn another_founding_here_does_not_change_what_was_founded() {
        let mut catalog = Catalog::default();
        settle(&mut catalog);
        let before = catalog.clone();
        let other = Founding { shards: 64, ..founding() };
        assert_eq!(next_step(&catalog, &other), None);
        assert_eq!(catalog, before);
    }
}
