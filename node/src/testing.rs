//! A node without a network, for tests: a store, a host whose groups have no other voter, a catalog.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dnc_consensus::{ClusterId, Host, HostOptions, NodeId, Peers, Store, StoreOptions};
use dnc_core::catalog::{Catalog, Change, Founding, ShardMap};
use dnc_meta::CatalogCache;

pub const LIMIT: Duration = Duration::from_secs(20);

pub const NODE: NodeId = 1;

struct Nobody;

impl Peers for Nobody {
    fn address(&self, _: NodeId) -> Option<String> {
        None
    }
}

/// A host that leads whatever group it starts alone. It waits for whoever holds the folder.
pub async fn host(folder: &Path) -> Host {
    let deadline = Instant::now() + LIMIT;
    let store = loop {
        match Store::open(folder, StoreOptions::default()) {
            Ok(store) => break store,
            Err(error) => assert!(Instant::now() < deadline, "open the store: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let options = HostOptions {
        heartbeat_ms: 20,
        election_ms_min: 60,
        election_ms_max: 120,
        owed_ms: 120,
        lease_ms: 120,
        ..HostOptions::default()
    };
    let host = Host::new(store, ClusterId(7), NODE, Arc::new(Nobody), options).expect("host");
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    tokio::spawn({
        let host = host.clone();
        async move { host.serve(listener).await.expect("serve") }
    });
    host
}

/// A catalog in which this node holds the only replica of so many shards.
pub fn catalog(shards: u32) -> CatalogCache {
    let mut catalog = Catalog::default();
    let founding = Founding { cluster: 7, log_key: [0; 32], shards, replication: 1, initial_nodes: 1 };
    catalog.apply(Change::Found(founding));
    catalog.shard_map = ShardMap { replicas: vec![vec![NODE]; shards as usize] };
    catalog.revision += 1;
    let cache = CatalogCache::new();
    cache.offer(catalog).expect("a first catalog");
    cache
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
