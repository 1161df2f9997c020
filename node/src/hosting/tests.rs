//! Replicas that fail, and what becomes of the others.

use dnc_core::codec;
use dnc_core::command::ShardCommand;
use dnc_core::number::PhoneNumber;

use super::*;
use crate::shard::ShardError;
use crate::testing::{LIMIT, NODE, catalog, host, until};

/// A node's hosting, as it runs in a process.
struct Running {
    host: Host,
    hosting: Hosting,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
    following: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(folder: &std::path::Path) -> Running {
        let (host, hosting, stop) = (host(folder).await, Hosting::default(), CancellationToken::new());
        let (ready_tx, ready) = watch::channel(false);
        let follow = hosting.clone().follow(host.clone(), NODE, catalog(2), ready_tx, stop.clone());
        Running { host, hosting, ready, stop, following: tokio::spawn(follow) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.following.await.expect("no panic");
        self.host.shutdown(LIMIT).await;
    }

    fn leads(&self, shard: u32) -> bool {
        self.hosting.replica(ShardId(shard)).is_some_and(|replica| replica.group.is_leader())
    }

    /// Writes what no program can read: its replica stops when it is applied.
    async fn break_replica(&self, shard: u32) {
        let group = self.hosting.replica(ShardId(shard)).expect("runs").group;
        assert!(group.write(vec![255, 1, 2], LIMIT).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_fails_is_started_again_and_holds_up_no_other() {
    let folder = tempfile::tempdir().expect("folder");
    let running = Running::start(folder.path()).await;
    until("it is ready", || *running.ready.borrow()).await;
    until("both lead", || running.leads(0) && running.leads(1)).await;
    assert_eq!(running.hosting.failed(), []);
    let first = running.hosting.replica(ShardId(0)).expect("runs");

    // Stopped as if its process had been told to: it comes back, and knows what it knew.
    let barrier = codec::encode(&ShardCommand::Barrier { revision: 1 });
    first.group.write(barrier.clone(), LIMIT).await.expect("written");
    running.host.stop_group(group_of(ShardId(0))).await.expect("stops");
    until("another one runs", || {
        running.hosting.replica(ShardId(0)).is_some_and(|replica| !Arc::ptr_eq(&replica.shard, &first.shard))
    })
    .await;
    until("it leads", || running.leads(0)).await;
    let now = running.hosting.replica(ShardId(0)).expect("runs");
    assert_eq!(now.shard.barrier(), 1);
    assert!(now.is_asked());
    assert!(!first.is_asked(), "whoever still reads the one before must not be believed");
    drop(now);

    // One that cannot go on fails again and again; the other answers.
    running.break_replica(0).await;
    until("it is noticed", || running.hosting.failed() == [ShardId(0)]).await;
    let other = running.hosting.replica(ShardId(1)).expect("runs");
    other.group.write(barrier, LIMIT).await.expect("written");
    // Whoever holds a replica holds the store.
    drop((first, other));
    running.stop().await;

    let running = Running::start(folder.path()).await;
    // Up or not, it says that it cannot know; it never answers as if there were nothing.
    let number = (0..)
        .map(|i| PhoneNumber::from_u64(12_015_550_000 + i * 10_000).expect("a number"))
        .find(|number| number.block().shard(2) == 0)
        .expect("one of the first shard");
    let answers = |replica: Replica| replica.shard.answer(&[number], None, 0);
    until("it is ready all the same", || {
        let answer = running.hosting.replica(ShardId(0)).map(answers);
        assert!(matches!(answer, None | Some(Err(ShardError::Unreadable(_) | ShardError::Starting))), "{answer:?}");
        *running.ready.borrow()
    })
    .await;
    until("it is among the failed", || running.hosting.failed() == [ShardId(0)]).await;
    until("the other leads", || running.leads(1)).await;
    running.stop().await;
}

#[test]
fn a_node_is_ready_when_all_run_or_waiting_is_of_no_use() {
    let hosting = Hosting::default();
    let placed = [ShardId(0), ShardId(1)];
    assert!(hosting.is_ready(&[]), "nothing is placed here");
    assert!(!hosting.is_ready(&placed));
    for _ in 0..TRIES {
        hosting.fails(ShardId(0), "damaged".into());
        hosting.fails(ShardId(1), "damaged".into());
    }
    assert!(!hosting.is_ready(&placed), "none runs");
    assert_eq!(hosting.failed(), placed);
}
