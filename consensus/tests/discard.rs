//! A replica is deleted only while nothing of it runs: neither on its way up nor on its way down.

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dnc_consensus::{HostError, Keyspace, LogPosition, Machine, MachineError, Transition};
use kit::{Cluster, GROUP, Kv, Node, PATIENCE, until};
use tokio::sync::Semaphore;

/// A machine that loads and applies only while its gate is open.
struct Gated {
    machine: Kv,
    gate: Semaphore,
    waits: AtomicBool,
}

impl Gated {
    fn shut() -> Arc<Self> {
        Arc::new(Self { machine: Kv::default(), gate: Semaphore::new(0), waits: AtomicBool::new(false) })
    }

    /// Blocks the thread that it is called on, as a slow disk does.
    fn pass(&self) {
        self.waits.store(true, Ordering::SeqCst);
        while self.gate.available_permits() == 0 {
            std::thread::yield_now();
        }
    }

    fn open(&self) {
        self.gate.add_permits(1);
    }

    fn close(&self) {
        self.gate.forget_permits(1);
        self.waits.store(false, Ordering::SeqCst);
    }
}

impl Machine for Gated {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        self.pass();
        self.machine.load(state)
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        self.pass();
        self.machine.apply(command, tx)
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        self.machine.appended(at, command);
    }

    fn truncated(&self, after_index: u64) {
        self.machine.truncated(after_index);
    }

    fn applied(&self, at: LogPosition) {
        Machine::applied(&self.machine, at);
    }
}

/// Nobody sends it anything: its leader still believes that it has all of it.
async fn assert_empty(node: &Node) {
    let machine = Arc::new(Kv::default());
    let group = node.host.start_group(GROUP, machine.clone()).await.expect("start");
    assert_eq!(group.tail().last, None);
    assert!(machine.contents().is_empty());
    assert!(!group.status().votes, "it votes only with the log that it had");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_is_starting_or_stopping_is_not_deleted() {
    let cluster = Cluster::start().await;
    let (at, _) = cluster.write("a=1").await;
    cluster.applied(at).await;
    let leader = cluster.leader().await;
    let node = cluster.nodes.values().find(|node| node.id != leader).expect("a follower");
    node.host.stop_group(GROUP).await.expect("stop");

    // Starting: whoever waited for it has gone, and it goes on.
    let machine = Gated::shut();
    let (host, starting) = (node.host.clone(), machine.clone());
    let start = tokio::spawn(async move { host.start_group(GROUP, starting).await.map(drop) });
    until("it loads", || machine.waits.load(Ordering::SeqCst)).await;
    start.abort();
    let busy = node.host.discard_group(GROUP).await;
    assert!(matches!(busy, Err(HostError::Busy(GROUP))), "{busy:?}");
    machine.open();
    until("it runs", || node.host.group(GROUP).is_some()).await;
    until("it has what it had", || machine.machine.applied() >= Some(at)).await;

    // Stopping: it has a command before it yet.
    machine.close();
    cluster.write("b=1").await;
    until("it applies", || machine.waits.load(Ordering::SeqCst)).await;
    let host = node.host.clone();
    let stop = tokio::spawn(async move { host.stop_group(GROUP).await });
    until("it stops", || node.host.group(GROUP).is_none()).await;
    let busy = node.host.discard_group(GROUP).await;
    assert!(matches!(busy, Err(HostError::Busy(GROUP))), "{busy:?}");
    stop.abort();
    machine.open();
    // And at last, when nothing of it runs.
    let started = Instant::now();
    while let Err(busy) = node.host.discard_group(GROUP).await {
        assert!(matches!(busy, HostError::Busy(GROUP)), "{busy:?}");
        assert!(started.elapsed() < PATIENCE, "it never stopped");
        tokio::task::yield_now().await;
    }
    assert_empty(node).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_runs_is_stopped_before_it_is_deleted() {
    let cluster = Cluster::start().await;
    let (at, _) = cluster.write("a=1").await;
    cluster.applied(at).await;
    let leader = cluster.leader().await;
    let node = cluster.nodes.values().find(|node| node.id != leader).expect("a follower");
    for _ in 0..2 {
        node.host.discard_group(GROUP).await.expect("deleted, and there is nothing to delete the second time");
        assert!(node.host.group(GROUP).is_none());
    }
    assert_empty(node).await;
    cluster.stop().await;
}
