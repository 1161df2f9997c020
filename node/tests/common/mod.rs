//! A replica that is its group's only voter: a whole log and state, without a network.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{ClusterId, Group, GroupId, Host, HostOptions, NodeId, Peers, Store, StoreOptions};
use dnc_core::codec;
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::ShardId;
use dnc_node::shard::Shard;

const LIMIT: Duration = Duration::from_secs(20);

struct Nobody;

impl Peers for Nobody {
    fn address(&self, _: NodeId) -> Option<String> {
        None
    }
}

/// One replica that is its group's only voter.
pub struct Lone {
    host: Host,
    group: Group,
    pub shard: Arc<Shard>,
}

impl Lone {
    pub async fn start(folder: &Path) -> Lone {
        let store = Store::open(folder, StoreOptions::default()).expect("store");
        let host = Host::new(store, ClusterId(7), 1, Arc::new(Nobody), HostOptions::default()).expect("host");
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        tokio::spawn({
            let host = host.clone();
            async move { host.serve(listener).await.expect("serve") }
        });
        let shard = Shard::new(ShardId(0), 1);
        let group = host.start_group(GroupId(1), shard.clone()).await.expect("group");
        group.initialize(BTreeSet::from([1])).await.expect("initialize");
        let deadline = std::time::Instant::now() + LIMIT;
        while !group.is_leader() {
            assert!(std::time::Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        group.linearize(LIMIT).await.expect("linearize");
        Lone { host, group, shard }
    }

    pub async fn stop(self) {
        self.host.shutdown(LIMIT).await;
    }

    pub async fn write(&self, command: ShardCommand) -> ShardReply {
        let (_, reply) = self.group.write(codec::encode(&command), LIMIT).await.expect("write");
        codec::decode(&reply).expect("reply")
    }
}
