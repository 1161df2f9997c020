//! A cluster of three processes' worth of hosts in one test, over real loopback connections, with
//! a small machine of keys, values and a counter.

#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dnc_consensus::{
    ClusterId, Group, GroupId, Host, HostOptions, Keyspace, LogPosition, Machine, MachineError, NodeId, Peers, Store,
    StoreOptions, Transition, WriteError,
};
use tempfile::TempDir;

pub const CLUSTER: ClusterId = ClusterId(0xc1);
pub const GROUP: GroupId = GroupId(1);
/// Long enough for a shared machine with two cores that builds at the same time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `key=value` sets a key and answers how many commands were ever applied.
#[derive(Default)]
pub struct Kv {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Option<Keyspace>,
    count: u64,
    overlay: BTreeMap<u64, Vec<u8>>,
    applied: Option<LogPosition>,
    loads: usize,
    truncations: usize,
}

const COUNT: &[u8] = b"\0count";

impl Kv {
    pub fn get(&self, key: &str) -> Option<String> {
        let state = self.inner.lock().expect("lock").state.clone().expect("loaded");
        state.get(key.as_bytes()).expect("get").map(|value| String::from_utf8(value).expect("text"))
    }

    pub fn contents(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let state = self.inner.lock().expect("lock").state.clone().expect("loaded");
        let mut all = BTreeMap::new();
        let collect = |key: &[u8], value: &[u8]| {
            all.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        };
        state.scan(b"", collect).expect("scan");
        all
    }

    pub fn overlay(&self) -> Vec<Vec<u8>> {
        self.inner.lock().expect("lock").overlay.values().cloned().collect()
    }

    pub fn applied(&self) -> Option<LogPosition> {
        self.inner.lock().expect("lock").applied
    }

    pub fn loads(&self) -> usize {
        self.inner.lock().expect("lock").loads
    }

    pub fn truncations(&self) -> usize {
        self.inner.lock().expect("lock").truncations
    }
}

impl Machine for Kv {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        let count = state.get(COUNT)?.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
        let mut inner = self.inner.lock().expect("lock");
        inner.state = Some(state.clone());
        inner.count = count;
        inner.loads += 1;
        Ok(())
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        let cut = command.iter().position(|byte| *byte == b'=').ok_or_else(|| MachineError::new("no command"))?;
        let count = self.inner.lock().expect("lock").count + 1;
        tx.put(&command[..cut], &command[cut + 1..]);
        tx.put(COUNT, &count.to_be_bytes());
        tx.commit()?;
        self.inner.lock().expect("lock").count = count;
        Ok(count.to_be_bytes().to_vec())
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        let before = self.inner.lock().expect("lock").overlay.insert(at.index, command.to_vec());
        assert_eq!(before, None, "{at} was appended twice");
    }

    fn truncated(&self, after_index: u64) {
        let mut inner = self.inner.lock().expect("lock");
        inner.overlay.split_off(&(after_index + 1));
        inner.truncations += 1;
    }

    fn applied(&self, at: LogPosition) {
        let mut inner = self.inner.lock().expect("lock");
        inner.overlay = inner.overlay.split_off(&(at.index + 1));
        inner.applied = Some(at);
    }
}

/// Where the nodes of a test are.
#[derive(Default)]
pub struct Addresses(Mutex<HashMap<NodeId, String>>);

impl Peers for Addresses {
    fn address(&self, node: NodeId) -> Option<String> {
        self.0.lock().expect("lock").get(&node).cloned()
    }
}

/// One process's worth.
pub struct Node {
    pub id: NodeId,
    pub host: Host,
    pub group: Group,
    pub machine: Arc<Kv>,
}

/// The folders of all nodes, and those that run.
pub struct Cluster {
    folders: BTreeMap<NodeId, TempDir>,
    addresses: Arc<Addresses>,
    pub options: HostOptions,
    pub nodes: BTreeMap<NodeId, Node>,
}

impl Cluster {
    /// Three running nodes that were initialized by all of them.
    pub async fn start() -> Self {
        Self::start_with(HostOptions::default()).await
    }

    pub async fn start_with(options: HostOptions) -> Self {
        let options = HostOptions {
            heartbeat_ms: 60,
            election_ms_min: 300,
            election_ms_max: 600,
            owed_ms: 600,
            lease_ms: 600,
            ..options
        };
        let mut cluster = Self { folders: BTreeMap::new(), addresses: Arc::default(), options, nodes: BTreeMap::new() };
        for id in 1..=3 {
            cluster.start_node(id).await;
        }
        let voters = BTreeSet::from([1, 2, 3]);
        let initialize = cluster.nodes.values().map(|node| node.group.initialize(voters.clone()));
        for initialized in futures::future::join_all(initialize).await {
            initialized.expect("initialize");
        }
        cluster
    }

    /// Starts a node, in the folder that it had before if it ran before.
    pub async fn start_node(&mut self, id: NodeId) -> &Node {
        let folder = self.folders.entry(id).or_insert_with(|| tempfile::tempdir().expect("folder"));
        let store = Store::open(folder.path(), StoreOptions::default()).expect("open the store");
        let peers = self.addresses.clone();
        let host = Host::new(store, CLUSTER, id, peers, self.options.clone()).expect("host");
        let machine = Arc::new(Kv::default());
        let group = host.start_group(GROUP, machine.clone()).await.expect("start the group");
        let tail = group.tail().last;
        let above = |at: Option<LogPosition>| at.map_or(0, |at| at.index + 1);
        assert!(machine.overlay().len() as u64 <= above(tail) - above(machine.applied()).min(above(tail)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("address").to_string();
        let serving = host.clone();
        tokio::spawn(async move { serving.serve(listener).await.expect("serve") });
        self.addresses.0.lock().expect("lock").insert(id, address);
        self.nodes.insert(id, Node { id, host, group, machine });
        &self.nodes[&id]
    }

    /// Has the replica of a node go on as this generation of the group: alone with all it has, or with nothing.
    pub async fn enter_generation(&mut self, id: NodeId, generation: u64, alone: bool) -> &Node {
        let node = self.nodes.get_mut(&id).expect("the node runs");
        node.host.stop_group(GROUP).await.expect("stop the group");
        // Once more: a process may end right after it was done.
        for _ in 0..2 {
            node.host.enter_generation(GROUP, generation, alone).await.expect("enter the generation");
        }
        node.machine = Arc::new(Kv::default());
        node.group = node.host.start_group(GROUP, node.machine.clone()).await.expect("start the group again");
        node
    }

    /// Stops a node. Its folder stays.
    pub async fn stop_node(&mut self, id: NodeId) {
        let node = self.nodes.remove(&id).expect("the node runs");
        let before = Instant::now();
        node.host.shutdown(Duration::from_secs(5)).await;
        assert!(before.elapsed() < Duration::from_secs(6), "the shutdown was not bounded");
        self.addresses.0.lock().expect("lock").remove(&id);
    }

    pub async fn stop(mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.stop_node(id).await;
        }
    }

    /// Waits for a node that leads, as far as it and a majority know.
    pub async fn leader(&self) -> NodeId {
        let mut leader = None;
        until("a leader is known", || {
            leader = self.nodes.values().find(|node| node.group.is_leader()).map(|node| node.id);
            leader.is_some()
        })
        .await;
        leader.expect("found")
    }

    /// Writes once, on whoever leads. Only a write that was surely not made is made again.
    pub async fn write(&self, command: &str) -> (LogPosition, u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            let written = self.nodes[&leader].group.write(command.as_bytes().to_vec(), PATIENCE).await;
            match written {
                Ok((at, count)) => return (at, u64::from_be_bytes(count.try_into().expect("eight bytes"))),
                Err(WriteError::NotLeader { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("write {command}: {error}"),
            }
        }
    }

    /// Waits until all running nodes have applied an entry.
    pub async fn applied(&self, at: LogPosition) {
        for node in self.nodes.values() {
            until("the entry is applied", || node.machine.applied() >= Some(at)).await;
        }
    }

    /// All running nodes hold the same.
    pub fn assert_equal(&self) {
        let mut nodes = self.nodes.values();
        let first = nodes.next().expect("a node");
        for node in nodes {
            assert!(node.machine.contents() == first.machine.contents(), "{} differs from {}", node.id, first.id);
        }
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
