//! Where the tasks of a replica meet: the log grows, is applied, is loaded, while checks are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use dnc_consensus::{Keyspace, LogPosition, Machine, MachineError, Transition};
use dnc_core::codec;
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{RequestId, ShardId, TenantId};
use dnc_node::shard::{Shard, ShardError};

use crate::common::{LIMIT, Lone, until};
use crate::making::{
    INTERNAL, addition, bare, exemption, number, numbers, removal, revoke, seal, stage, suppress, view,
};

/// A replica whose log is applied step by step.
struct Gate {
    shard: Arc<Shard>,
    /// Whether an apply stops before it begins, and after it has ended, before the overlay hears of it.
    stops: [AtomicBool; 2],
    /// Where it stands: 1 before, 2 behind an apply.
    at: AtomicU64,
    appended: AtomicU64,
}

impl Gate {
    fn new() -> Arc<Gate> {
        let stops = [AtomicBool::new(false), AtomicBool::new(false)];
        let shard = Shard::new(ShardId(0), 1);
        Arc::new(Gate { shard, stops, at: AtomicU64::new(0), appended: AtomicU64::new(0) })
    }

    fn close(&self) {
        self.stops.iter().for_each(|stop| stop.store(true, Ordering::SeqCst));
    }

    fn open(&self, which: usize) {
        self.stops[which].store(false, Ordering::SeqCst);
    }

    fn wait(&self, which: usize) {
        self.at.store(which as u64 + 1, Ordering::SeqCst);
        let deadline = Instant::now() + LIMIT;
        while self.stops[which].load(Ordering::SeqCst) {
            assert!(Instant::now() < deadline, "the gate stays closed");
            std::thread::yield_now();
        }
    }
}

impl Machine for Gate {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        self.shard.load(state)
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        self.wait(0);
        let reply = self.shard.apply(command, tx);
        self.wait(1);
        reply
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        self.shard.appended(at, command);
        self.appended.store(at.index, Ordering::SeqCst);
    }

    fn truncated(&self, after_index: u64) {
        self.shard.truncated(after_index);
    }

    fn applied(&self, at: LogPosition) {
        self.shard.applied(at);
    }
}

/// The ids of what is listed, and of the exemptions, of number 1.
fn shown(shard: &Shard) -> (Vec<RequestId>, Vec<RequestId>) {
    let found = shard.answer(&[number(1)], None, 0).expect("answers");
    let live = found.live.iter().map(|hit| hit.finding.id).collect();
    (live, found.exemptions.iter().map(|hit| hit.exemption.id).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_log_holds_is_seen_before_it_is_applied_and_never_twice() {
    let folder = tempfile::tempdir().expect("folder");
    let gate = Gate::new();
    let lone = Lone::start_with(folder.path(), gate.shard.clone(), gate.clone()).await;
    lone.write(suppress(1, 1)).await;
    lone.write(ShardCommand::Grant { number: number(1), exemption: exemption(2) }).await;
    let many = ShardCommand::SuppressMany { request: RequestId(4), additions: vec![addition(2, 5), addition(1, 6)] };
    let ids = |ids: &[u128]| ids.iter().copied().map(RequestId).collect::<Vec<_>>();
    let steps = [
        (suppress(1, 3), ids(&[1, 3]), ids(&[2])),
        (many, ids(&[1, 3, 6]), ids(&[2])),
        (revoke(1, 7, &[2]), ids(&[1, 3, 6]), ids(&[])),
    ];
    let mut applied = 1;
    for (command, live, exemptions) in steps {
        gate.close();
        gate.at.store(0, Ordering::SeqCst);
        let before = lone.group.tail().last;
        let group = lone.group.clone();
        let writing = tokio::spawn(async move { group.write(codec::encode(&command), LIMIT).await });
        until("the log names the entry", || lone.group.tail().last > before).await;
        // In the log, not applied: only the overlay knows.
        assert_eq!(lone.shard.size().suppressions, applied);
        let sorted = |(mut live, exempt): (Vec<RequestId>, Vec<RequestId>)| {
            live.sort();
            (live, exempt)
        };
        assert_eq!(sorted(shown(&lone.shard)), (live.clone(), exemptions.clone()));
        // Applied, and the overlay does not know yet.
        gate.open(0);
        until("it is applied", || gate.at.load(Ordering::SeqCst) == 2).await;
        assert_eq!(sorted(shown(&lone.shard)), (live.clone(), exemptions.clone()));
        gate.open(1);
        writing.await.expect("no panic").expect("written");
        assert_eq!(sorted(shown(&lone.shard)), (live, exemptions));
        applied = lone.shard.size().suppressions;
    }
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_holds_what_cannot_be_read_there_is_no_answer() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    lone.write(suppress(1, 1)).await;
    let last = lone.group.tail().last.expect("a log");
    let next = LogPosition { term: last.term, index: last.index + 1 };
    // As of a newer program; here it never gets into the log itself.
    lone.shard.appended(next, &[255, 1, 2, 3]);
    let answer = lone.shard.answer(&[number(1)], None, 0);
    assert!(matches!(answer, Err(ShardError::Unreadable(index)) if index == next.index));
    lone.shard.truncated(last.index);
    assert_eq!(shown(&lone.shard), (vec![RequestId(1)], vec![]));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_beside_writes_and_loads_show_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let listed = (0..24).map(number).collect();
    lone.write(stage(1, &[], &listed)).await;
    assert!(matches!(lone.write(seal(1, &[])).await, ShardReply::Sealed(_)));
    lone.write(ShardCommand::Grant { number: number(0), exemption: exemption(1 << 64) }).await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let answering: Vec<_> = (0..2)
        .map(|_| {
            let (shard, acknowledged, stop) = (lone.shard.clone(), acknowledged.clone(), stop.clone());
            let view = view(Some(dnc_core::ids::VersionId(1)));
            std::thread::spawn(move || {
                let numbers = numbers();
                let mut answers = 0u64;
                while !stop.load(Ordering::SeqCst) || answers < 100 {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let found = shard.answer(&numbers, Some(&view), 0).expect("answers");
                    let live = found.live.len() as u64;
                    assert!(live >= before, "{live} of {before}");
                    let mut ids: Vec<RequestId> = found.live.iter().map(|hit| hit.finding.id).collect();
                    ids.sort();
                    ids.dedup();
                    assert_eq!(ids.len() as u64, live, "one is shown twice");
                    assert_eq!(crate::common::listed(&found), 24);
                    assert_eq!(
                        found.exemptions.iter().map(|hit| &hit.exemption).collect::<Vec<_>>(),
                        [&bare(&exemption(1 << 64))]
                    );
                    answers += 1;
                }
            })
        })
        .collect();
    for i in 0..200u64 {
        lone.write(suppress(i % 24, u128::from(i) + 1)).await;
        acknowledged.fetch_add(1, Ordering::SeqCst);
        if i % 5 == 0 {
            lone.reload();
        }
    }
    stop.store(true, Ordering::SeqCst);
    for thread in answering {
        thread.join().expect("no panic");
    }
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filter_covers_numbers_that_have_only_exemptions_and_counts_what_it_is_good_for() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    lone.write(ShardCommand::Grant { number: number(1), exemption: exemption(1) }).await;
    lone.write(suppress(2, 2)).await;
    for _ in 0..2 {
        let found = lone.shard.answer(&numbers(), None, 0).expect("answers");
        assert_eq!(found.exemptions.len(), 1);
        assert_eq!(found.live.len(), 1);
        lone.reload();
    }
    let size = lone.shard.size();
    assert_eq!((size.filter_misses, size.filter_hits, size.filter_false_hits), (44, 4, 0));
    assert_eq!(size.filter.numbers, 2);
    lone.write(ShardCommand::Release {
        request: RequestId(9),
        number: number(2),
        registry: INTERNAL,
        tenant: TenantId(1),
        entries: vec![RequestId(2)],
        removal: removal(9, 1),
    })
    .await;
    lone.shard.answer(&[number(2)], None, 0).expect("answers");
    assert_eq!(lone.shard.size().filter_false_hits, 1, "what was released costs a read");
    lone.stop().await;
}
