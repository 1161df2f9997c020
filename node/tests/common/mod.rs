//! A replica that is its group's only voter: a whole log and state, without a network.

// Tests and benches each use a part.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dnc_consensus::{
    ClusterId, Group, GroupId, Host, HostError, HostOptions, Machine, NodeId, Peers, Store, StoreOptions,
};
use dnc_core::codec;
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::ShardId;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_node::shard::{Found, Shard};
use tokio::task::JoinHandle;

pub const LIMIT: Duration = Duration::from_secs(20);

struct Nobody;

impl Peers for Nobody {
    fn address(&self, _: NodeId) -> Option<String> {
        None
    }
}

/// How many of the numbers of a question the lists of the view hold, counted for each list.
pub fn listed(found: &Found) -> usize {
    found.bulk.as_ref().expect("resident").iter().map(|listed| listed.numbers.ones().count()).sum()
}

/// One replica that is its group's only voter.
pub struct Lone {
    host: Host,
    pub group: Group,
    pub shard: Arc<Shard>,
    serving: JoinHandle<()>,
}

impl Lone {
    /// Of the only shard.
    pub async fn start(folder: &Path) -> Lone {
        let shard = Shard::new(ShardId(0), 1);
        Lone::start_with(folder, shard.clone(), shard).await
    }

    /// With a machine around the replica.
    pub async fn start_with(folder: &Path, shard: Arc<Shard>, machine: Arc<dyn Machine>) -> Lone {
        let store = Store::open(folder, StoreOptions::default()).expect("store");
        // It has no others to wait for.
        let options = HostOptions {
            heartbeat_ms: 20,
            election_ms_min: 60,
            election_ms_max: 120,
            owed_ms: 120,
            lease_ms: 120,
            ..HostOptions::default()
        };
        let host = Host::new(store, ClusterId(7), 1, Arc::new(Nobody), options).expect("host");
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let serving = tokio::spawn({
            let host = host.clone();
            async move {
                match host.serve(listener).await {
                    // One that is stopped at once never came to serve.
                    Ok(()) | Err(HostError::Stopped) => {}
                    Err(error) => panic!("serve: {error}"),
                }
            }
        });
        let group = host.start_group(GroupId(1), machine).await.expect("group");
        group.initialize(BTreeSet::from([1])).await.expect("initialize");
        until("it leads", || group.is_leader()).await;
        group.linearize(LIMIT).await.expect("linearize");
        Lone { host, group, shard, serving }
    }

    /// Ends it; the store is free once this returns.
    pub async fn stop(self) {
        self.host.shutdown(LIMIT).await;
        self.serving.await.expect("it served until it was to stop");
    }

    pub async fn write(&self, command: ShardCommand) -> ShardReply {
        let (_, reply) = self.group.write(codec::encode(&command), LIMIT).await.expect("write");
        codec::decode(&reply).expect("reply")
    }

    pub fn ask(&self, query: &ShardQuery) -> ShardAnswer {
        self.shard.query(query, Instant::now() + LIMIT).expect("answers")
    }

    /// Loads the state anew, as after a snapshot.
    pub fn reload(&self) {
        self.shard.load(&self.group.keyspace()).expect("loads");
    }
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
