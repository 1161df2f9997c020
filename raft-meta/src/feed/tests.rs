use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry, NodeAddresses};
use dnc_core::registry::RegistryKind;
use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::cache::CatalogCache;
use crate::follow::take;

/// Changes what the machine would change, and publishes it as the machine would.
fn propose(board: &Board, change: &Change) -> Decision {
    let before = board.catalog();
    let mut catalog = before.as_ref().clone();
    let decision = catalog.apply(change.clone());
    if catalog.revision != before.revision {
        board.publish(catalog, codec::encode(change));
    }
    decision
}

fn found(cluster: u128) -> Change {
    Change::Found(Founding { cluster, log_key: [0; 32], shards: 16, replication: 3, initial_nodes: 3 })
}

fn register(incarnation: u128) -> Change {
    Change::RegisterNode {
        incarnation,
        addresses: NodeAddresses { service: format!("n{incarnation}:1"), raft: format!("n{incarnation}:2") },
        zone: incarnation.to_string(),
    }
}

fn kind(event: &WatchEvent) -> &'static str {
    match event.event {
        Some(Event::Snapshot(_)) => "snapshot",
        Some(Event::Change(_)) => "change",
        Some(Event::Alive(_)) => "alive",
        None => "nothing",
    }
}

/// What the feed has to say at once, if anything.
async fn at_once(feed: &mut Feed) -> Option<WatchEvent> {
    // The runtime lets a task poll so often in one go; a poll that it cut short would look like silence.
    tokio::task::yield_now().await;
    feed.next().now_or_never()
}

/// Reads the feed until it has nothing more to say.
async fn drain(feed: &mut Feed, cache: &CatalogCache) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    while let Some(event) = at_once(feed).await {
        kinds.push(kind(&event));
        take(cache, event).expect("fits");
    }
    kinds
}

#[tokio::test]
async fn a_watcher_gets_a_snapshot_and_then_every_change() {
    let board = Arc::new(Board::new(1));
    propose(&board, &found(7));
    let (mut feed, cache) = (board.feed(0), CatalogCache::new());
    propose(&board, &register(1));
    // What came between the subscription and the first read is in the snapshot, and is not told twice.
    assert_eq!(drain(&mut feed, &cache).await, ["snapshot"]);
    propose(&board, &register(2));
    propose(&board, &register(2));
    propose(&board, &register(3));
    assert_eq!(drain(&mut feed, &cache).await, ["change", "change"]);
    assert_eq!(cache.get().catalog, *board.catalog());
}

#[tokio::test]
async fn a_watcher_that_is_up_to_date_gets_changes_alone() {
    let board = Arc::new(Board::new(1));
    propose(&board, &found(7));
    let cache = CatalogCache::new();
    cache.offer(board.catalog().as_ref().clone()).expect("ours");
    let mut feed = board.feed(1);
    assert_eq!(drain(&mut feed, &cache).await, [""; 0]);
    propose(&board, &register(1));
    assert_eq!(drain(&mut feed, &cache).await, ["change"]);
}

#[tokio::test]
async fn a_watcher_ahead_of_a_lagging_voter_is_told_only_what_is_new_to_it() {
    let ahead = Arc::new(Board::new(1));
    let behind = Arc::new(Board::new(2));
    let changes = [found(7), register(1), register(2), register(3)];
    for change in &changes {
        propose(&ahead, change);
    }
    propose(&behind, &changes[0]);
    let cache = CatalogCache::new();
    drain(&mut ahead.feed(0), &cache).await;
    let mut feed = behind.feed(4);
    assert_eq!(drain(&mut feed, &cache).await, [""; 0]);
    for change in &changes[1..] {
        propose(&behind, change);
    }
    propose(&behind, &register(4));
    assert_eq!(drain(&mut feed, &cache).await, ["change"]);
    assert_eq!(cache.get().catalog, *behind.catalog());
}

#[tokio::test]
async fn a_slow_watcher_gets_a_snapshot_and_nothing_is_kept_for_it() {
    let board = Arc::new(Board::with_capacity(1, 4));
    propose(&board, &found(7));
    let (mut feed, cache) = (board.feed(0), CatalogCache::new());
    assert_eq!(drain(&mut feed, &cache).await, ["snapshot"]);
    for incarnation in 0..500 {
        propose(&board, &register(incarnation));
    }
    // Of 500 changes at most the last four are still there, and the snapshot holds them all.
    assert_eq!(drain(&mut feed, &cache).await, ["snapshot"]);
    assert_eq!(cache.get().catalog, *board.catalog());
    propose(&board, &register(1_000));
    assert_eq!(drain(&mut feed, &cache).await, ["change"]);
}

#[tokio::test]
async fn a_catalog_loaded_as_a_whole_is_told_as_a_snapshot() {
    let board = Arc::new(Board::new(1));
    propose(&board, &found(7));
    let (mut feed, cache) = (board.feed(0), CatalogCache::new());
    drain(&mut feed, &cache).await;
    let mut catalog = board.catalog().as_ref().clone();
    catalog.apply(register(1));
    catalog.apply(register(2));
    board.replace(catalog.clone());
    assert_eq!(drain(&mut feed, &cache).await, ["snapshot"]);
    // The same again, as a restarted replica loads it: nothing new.
    board.replace(catalog);
    assert_eq!(drain(&mut feed, &cache).await, [""; 0]);
    assert_eq!(cache.get().catalog, *board.catalog());
}

#[test]
fn a_change_that_leaves_a_gap_is_not_taken() {
    let cache = CatalogCache::new();
    let event = |from_revision| WatchEvent {
        event: Some(Event::Change(dnc_proto::internal::CatalogChange {
            from_revision,
            change: codec::encode(&found(7)),
        })),
    };
    assert!(take(&cache, event(1)).is_err());
    take(&cache, event(0)).expect("fits");
    take(&cache, event(0)).expect("known already");
    assert_eq!(cache.get().catalog.revision, 1);
}

/// What the watchers of a history do at each point of it.
#[derive(Clone, Debug)]
enum Act {
    Propose(Box<Change>),
    /// The replica loads its catalog as a whole.
    Reload,
    /// The watcher reads this many events.
    Read(usize),
    /// The watcher comes back with what it has.
    Reconnect,
}

fn act() -> impl Strategy<Value = Act> {
    let change = prop_oneof![
        Just(found(7)),
        (0u128..20).prop_map(register),
        (0u8..6)
            .prop_map(|name| { Change::CreateRegistry(NewRegistry::named(&format!("r{name}"), RegistryKind::State)) }),
        (1u32..7, 0u128..10).prop_map(|(registry, load)| Change::BeginVersion {
            registry: dnc_core::ids::RegistryId(registry),
            load,
            now_ms: 1,
        }),
        (1u32..7, 1u64..20).prop_map(|(registry, version)| Change::Discard {
            registry: dnc_core::ids::RegistryId(registry),
            version: dnc_core::ids::VersionId(version),
        }),
    ];
    prop_oneof![
        8 => change.prop_map(|change| Act::Propose(Box::new(change))),
        1 => Just(Act::Reload),
        4 => (1usize..4).prop_map(Act::Read),
        1 => Just(Act::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_a_watcher_replays_is_the_catalog_that_was_decided(
        acts in proptest::collection::vec(act(), 1..120),
        kept in 1usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let board = Arc::new(Board::with_capacity(1, kept));
            let mut history = vec![Catalog::default()];
            let cache = CatalogCache::new();
            let mut feed = board.feed(0);
            for act in acts {
                match act {
                    Act::Propose(change) => {
                        propose(&board, &change);
                    }
                    Act::Reload => board.replace(board.catalog().as_ref().clone()),
                    Act::Reconnect => feed = board.feed(cache.get().catalog.revision),
                    Act::Read(events) => {
                        for _ in 0..events {
                            let before = cache.get().catalog.revision;
                            if let Some(event) = at_once(&mut feed).await {
                                take(&cache, event).expect("no gap");
                            }
                            assert!(cache.get().catalog.revision >= before);
                        }
                    }
                }
                let now = board.catalog();
                if now.revision as usize == history.len() {
                    history.push(now.as_ref().clone());
                }
                // Whatever the watcher has is what was once decided.
                let known = cache.get();
                assert_eq!(known.catalog, history[known.catalog.revision as usize]);
            }
            drain(&mut feed, &cache).await;
            assert_eq!(cache.get().catalog, *board.catalog());
        });
    }
}
