//! What a replica knows after its process has ended and begun again.

use std::collections::BTreeSet;

use dnc_core::command::{Changed, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{RequestId, VersionId};

use crate::common::Lone;
use crate::making::{FEDERAL, exemption, number, numbers, prune, release, revoke, seal, stage, suppress, view};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let listed: BTreeSet<_> = (0..20).map(number).collect();
    let other: BTreeSet<_> = (4..24).map(number).collect();
    for i in 0..10 {
        lone.write(suppress(i, u128::from(i) + 1)).await;
    }
    lone.write(release(3, 20, &[4])).await;
    for i in 0..4 {
        lone.write(ShardCommand::Grant { number: number(i), exemption: exemption(30 + u128::from(i)) }).await;
    }
    lone.write(revoke(2, 40, &[32])).await;
    lone.write(stage(1, &[], &listed)).await;
    lone.write(seal(1, &[])).await;
    lone.write(stage(2, &[1], &other)).await;
    lone.write(seal(2, &[1])).await;
    lone.write(prune(&[2])).await;
    // In the making, and left so.
    lone.write(stage(3, &[2, 1], &listed)).await;
    let all = numbers();
    let view = view(Some(VersionId(2)));
    let found = lone.shard.answer(&all, Some(&view), 0).expect("answers");
    let checksum = lone.shard.checksum().expect("checksum");
    lone.stop().await;

    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.shard.checksum().expect("checksum"), checksum);
    let again = lone.shard.answer(&all, Some(&view), 0).expect("answers");
    assert_eq!(again, found);
    assert_eq!((again.live.len(), again.exemptions.len()), (9, 3));
    assert_eq!(crate::common::listed(&again), 20);
    // The load goes on where it was: what is staged counts against its parent, and is not there twice.
    let changed = Changed { added: 4, dropped: 4, unchanged: 16 };
    assert_eq!(lone.write(stage(3, &[2, 1], &listed)).await, ShardReply::Staged(changed));
    assert!(matches!(lone.write(seal(3, &[2, 1])).await, ShardReply::Sealed(seal) if seal.numbers == 20));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_attempt_that_was_interrupted_is_replaced_by_the_second() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    // The first attempt had a number in a block of which neither the parent nor the second attempt has any.
    let first: BTreeSet<_> = [0, 1].map(number).into();
    let second: BTreeSet<_> = [0].map(number).into();
    lone.write(stage(1, &[], &first)).await;
    lone.stop().await;
    let lone = Lone::start(folder.path()).await;
    let changed = Changed { added: 1, dropped: 0, unchanged: 0 };
    assert_eq!(lone.write(stage(1, &[], &second)).await, ShardReply::Staged(changed));
    assert!(matches!(lone.write(seal(1, &[])).await, ShardReply::Sealed(seal) if seal.numbers == 1));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_remembered_through_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.write(suppress(1, 1)).await, ShardReply::Suppressed { id: RequestId(1) });
    assert_eq!(lone.write(suppress(2, 1)).await, ShardReply::Refused(ShardRefusal::RequestReused));
    assert_eq!(lone.write(release(1, 2, &[1])).await, ShardReply::Released { removed: 1 });
    lone.stop().await;
    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.write(suppress(2, 1)).await, ShardReply::Refused(ShardRefusal::RequestReused));
    assert_eq!(lone.write(release(2, 2, &[])).await, ShardReply::Refused(ShardRefusal::RequestReused));
    assert_eq!(lone.write(release(1, 2, &[])).await, ShardReply::Released { removed: 1 });
    assert_eq!(lone.write(suppress(1, 1)).await, ShardReply::Refused(ShardRefusal::Ended));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_is_known_as_soon_as_it_is_written_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    lone.write(ShardCommand::Barrier { revision: 9 }).await;
    lone.write(ShardCommand::Barrier { revision: 4 }).await;
    assert_eq!(lone.shard.barrier(), 9);
    lone.stop().await;
    let lone = Lone::start(folder.path()).await;
    assert_eq!(lone.shard.barrier(), 9);
    assert_eq!(lone.shard.seal_of(FEDERAL, VersionId(1)), None);
    lone.stop().await;
}
