//! What a stranger, a liar or a broken connection can do to a replica: nothing.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use openraft::raft::{SnapshotResponse, VoteRequest, VoteResponse};
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::codec;
use crate::config::HostOptions;
use crate::group::Group;
use crate::host::Host;
use crate::keyspace::delete_other_epochs;
use crate::network::identity::Envelope;
use crate::network::pool::Peers;
use crate::network::wire::install_snapshot_request::Part;
use crate::network::wire::raft_client::RaftClient;
use crate::network::wire::{
    AppendRequest, InstallSnapshotRequest, PreVoteRequest, SnapshotChunk, SnapshotEnd, SnapshotHeader,
    TransferLeaderRequest, VoteRequest as WireVote,
};
use crate::raft_types::{SnapshotMeta, StoredMembership, Types, Vote, log_id};
use crate::testing::{Recorder, contents, store};
use crate::types::{ClusterId, GroupId, LogPosition, NodeId};

const CLUSTER: ClusterId = ClusterId(0xd0c);
const ME: NodeId = 2;
const GROUP: GroupId = GroupId(5);

struct Nobody;

impl Peers for Nobody {
    fn address(&self, _: NodeId) -> Option<String> {
        None
    }
}

/// One replica behind a real listener, and a client to lie to it with.
struct Target {
    host: Host,
    group: Group,
    machine: Arc<Recorder>,
    client: RaftClient<Channel>,
    started: Instant,
    options: HostOptions,
}

async fn target(folder: &TempDir) -> Target {
    let options = HostOptions {
        heartbeat_ms: 50,
        election_ms_min: 200,
        election_ms_max: 400,
        owed_ms: 400,
        lease_ms: 500,
        ..HostOptions::default()
    };
    let host = Host::new(store(folder), CLUSTER, ME, Arc::new(Nobody), options.clone()).expect("host");
    let machine = Arc::new(Recorder::default());
    let started = Instant::now();
    let group = host.start_group(GROUP, machine.clone()).await.expect("start");
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address");
    let serving = host.clone();
    tokio::spawn(async move { serving.serve(listener).await.expect("serve") });
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("address").connect_lazy();
    Target { host, group, machine, client: RaftClient::new(channel), started, options }
}

fn envelope() -> Envelope {
    Envelope { cluster: CLUSTER, from: 1, to: ME, group: GROUP, generation: 0 }
}

impl Target {
    async fn vote(&mut self, envelope: Envelope, term: u64) -> Result<VoteResponse<Types>, Status> {
        let rpc = VoteRequest::<Types>::new(Vote::new(term, 1), Some(log_id(LogPosition { term: 1, index: 9 })));
        let request = envelope.seal(WireVote { body: codec::encode(&rpc) });
        let body = self.client.vote(request).await?.into_inner().body;
        Ok(codec::decode(&body).expect("decode"))
    }

    async fn install(&mut self, parts: Vec<Part>) -> Result<SnapshotResponse<Types>, Status> {
        let parts = parts.into_iter().map(|part| InstallSnapshotRequest { part: Some(part) });
        let request = envelope().seal(futures::stream::iter(parts));
        let body = self.client.install_snapshot(request).await?.into_inner().body;
        Ok(codec::decode(&body).expect("decode"))
    }

    fn leftovers(&self) -> usize {
        let state = self.group.keyspace();
        delete_other_epochs(self.host.store().db(), GROUP, state.epoch()).expect("scan")
    }

    async fn stop(self) {
        self.host.shutdown(Duration::from_secs(5)).await;
    }
}

fn header() -> Part {
    let voters = openraft::Membership::new_with_defaults(vec![BTreeSet::from([1, ME])], []);
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(LogPosition { term: 1, index: 9 })),
        last_membership: StoredMembership::new(Some(log_id(LogPosition { term: 1, index: 3 })), voters),
    };
    let body = codec::encode(&(Vote::new_committed(1, 1), meta));
    Part::Header(SnapshotHeader { body })
}

fn chunk(number: u64, key: &[u8]) -> SnapshotChunk {
    let mut pairs = Vec::new();
    pairs.extend_from_slice(&(key.len() as u32).to_le_bytes());
    pairs.extend_from_slice(&1_u32.to_le_bytes());
    pairs.extend_from_slice(key);
    pairs.push(b'v');
    SnapshotChunk { number, pairs }
}

fn end(chunks: &[&SnapshotChunk]) -> SnapshotEnd {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for chunk in chunks {
        hasher.update(&chunk.pairs);
    }
    let count = chunks.len() as u64;
    SnapshotEnd { chunks: count, pairs: count, checksum: hasher.digest() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_another_cluster_node_or_group_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let mut target = target(&folder).await;
    let refused = target.vote(Envelope { cluster: ClusterId(1), ..envelope() }, 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(&CLUSTER.to_string()), "{refused}");
    assert!(refused.message().contains(&ClusterId(1).to_string()), "{refused}");
    let refused = target.vote(Envelope { to: 3, ..envelope() }, 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "this is node 2, the call is for node 3");
    let refused = target.vote(Envelope { generation: 1, ..envelope() }, 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Aborted);
    let refused = target.vote(Envelope { group: GroupId(6), ..envelope() }, 1).await.expect_err("refused");
    assert_eq!(refused.code(), Code::NotFound);
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_has_just_started_votes_for_nobody_for_one_lease() {
    let folder = tempfile::tempdir().expect("folder");
    for life in 1..=2_u64 {
        let mut target = target(&folder).await;
        let lease = Duration::from_millis(target.options.lease_ms);
        let before = target.group.status().term;
        let mut refusals = 0;
        let granted = loop {
            let asked = Instant::now();
            match target.vote(envelope(), 10 * life).await {
                Err(refused) => {
                    assert_eq!(refused.code(), Code::Aborted, "{refused}");
                    refusals += 1;
                }
                Ok(answer) => {
                    assert!(target.started.elapsed() >= lease, "voted {:?} after the start", target.started.elapsed());
                    break answer;
                }
            }
            if asked.duration_since(target.started) < lease / 2 {
                assert_eq!(target.group.status().term, before, "it does not even take over the term");
                let rpc = VoteRequest::<Types>::new(Vote::new(10 * life, 1), None);
                let pre_vote = envelope().seal(PreVoteRequest { body: codec::encode(&rpc) });
                assert_eq!(target.client.pre_vote(pre_vote).await.expect_err("refused").code(), Code::Aborted);
                let transfer = envelope().seal(TransferLeaderRequest { body: Vec::new() });
                assert_eq!(target.client.transfer_leader(transfer).await.expect_err("refused").code(), Code::Aborted);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(refusals > 1);
        assert!(granted.vote_granted);
        target.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_snapshot_transfer_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let mut target = target(&folder).await;
    let (first, second) = (chunk(0, b"a"), chunk(1, b"b"));
    let wrong = SnapshotEnd { checksum: 1, ..end(&[&first, &second]) };
    let transfers = [
        vec![],
        vec![Part::Chunk(first.clone())],
        vec![header(), header()],
        vec![header(), Part::Chunk(first.clone()), Part::Chunk(second.clone())],
        vec![header(), Part::Chunk(second.clone())],
        vec![header(), Part::Chunk(first.clone()), Part::End(end(&[&first, &second]))],
        vec![header(), Part::Chunk(first.clone()), Part::Chunk(second.clone()), Part::End(wrong)],
    ];
    for transfer in transfers {
        let refused = target.install(transfer.clone()).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{transfer:?}: {refused}");
        assert_eq!(target.leftovers(), 0);
        assert_eq!(target.machine.seen.lock().loads, 1);
        assert_eq!(target.group.status().failure, None);
    }
    assert!(contents(&target.group.keyspace()).is_empty());

    let whole =
        vec![header(), Part::Chunk(first.clone()), Part::Chunk(second.clone()), Part::End(end(&[&first, &second]))];
    target.install(whole.clone()).await.expect("installed");
    target.install(whole).await.expect("a repetition is accepted, and changes nothing");
    assert_eq!(target.machine.seen.lock().loads, 2);
    assert_eq!(contents(&target.group.keyspace()).len(), 2);
    assert_eq!(target.group.tail().last, Some(LogPosition { term: 1, index: 9 }));
    assert_eq!(target.group.tail().membership_at, Some(LogPosition { term: 1, index: 3 }));
    assert_eq!(target.leftovers(), 0);
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_a_replica_says_of_nothing_that_it_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let mut target = target(&folder).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while target.vote(envelope(), 10).await.is_err() {
        assert!(Instant::now() < deadline, "its lease never ends");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    target.host.store().wal().fail("disk gone");
    // Not even the vote that it gave: it is read back, and may not be on disk.
    for life in 0..2 {
        let refused = target.vote(envelope(), 10).await.expect_err("no vote");
        assert_eq!(refused.code(), Code::Aborted, "{refused}");
        let none = futures::stream::empty::<AppendRequest>();
        let refused = target.client.append(envelope().seal(none)).await.expect_err("no entries");
        assert_eq!(refused.code(), Code::Aborted, "{refused}");
        assert!(refused.message().contains("disk gone"), "{refused}");
        assert_eq!(target.install(vec![header()]).await.expect_err("no state").code(), Code::Aborted);
        if life == 0 {
            // Nor after it was started again in the same process.
            target.host.stop_group(GROUP).await.expect("stop");
            target.group = target.host.start_group(GROUP, target.machine.clone()).await.expect("start");
            tokio::time::sleep(Duration::from_millis(target.options.lease_ms)).await;
        }
    }
    target.stop().await;
}
