//! What is refused, and that it changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::block::{Block, BlockId};
use dnc_core::command::{Addition, Edit, MAX_BATCH, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::ids::{RequestId, ShardId, VersionId};
use dnc_core::suppression::{MAX_METADATA, MAX_TEXT, Suppression};
use dnc_node::shard::{MAX_ENTRIES, Shard, ShardError};
use jiff::civil::date;

use crate::common::Lone;
use crate::making::{
    FEDERAL, TENANT, addition, exemption, number, release, removal, revoke, run, seal, stage, suppress, suppression,
};

fn refused(why: ShardRefusal) -> ShardReply {
    ShardReply::Refused(why)
}

/// None of these commands changes anything; each is refused for this reason.
async fn refuses(lone: &Lone, why: ShardRefusal, commands: Vec<ShardCommand>) {
    let before = lone.shard.checksum().expect("checksum");
    for command in commands {
        assert_eq!(lone.write(command.clone()).await, refused(why.clone()), "{command:?}");
        assert_eq!(lone.shard.checksum().expect("checksum"), before, "{command:?}");
    }
}

fn with(change: impl FnOnce(&mut Suppression)) -> ShardCommand {
    let mut addition = addition(1, 50);
    change(&mut addition.suppression);
    ShardCommand::Suppress(addition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_and_versions_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let some: BTreeSet<_> = (0..8).map(number).collect();
    let mut unordered = run(&some);
    unordered.blocks.reverse();
    let unordered = ShardCommand::Stage { registry: FEDERAL, version: VersionId(1), ancestry: vec![], run: unordered };
    let block = run(&some).blocks[0].1.clone();
    let both = Edit { block: BlockId(1_201_555), add: block.clone(), drop: block };
    let amend = ShardCommand::Amend { registry: FEDERAL, version: VersionId(1), ancestry: vec![], edits: vec![both] };
    refuses(&lone, ShardRefusal::BadRun, vec![unordered, amend]).await;
    // A parent that is not complete here.
    refuses(&lone, ShardRefusal::NoParent, vec![stage(2, &[1], &some), seal(2, &[1])]).await;
    let long: Vec<u64> = (0..20_000).rev().collect();
    let keep: Vec<VersionId> = long.iter().copied().map(VersionId).collect();
    let prune = ShardCommand::Prune { registry: FEDERAL, keep, from: BlockId(0), limit: 1 };
    refuses(&lone, ShardRefusal::TooLarge, vec![stage(20_001, &long, &some), seal(20_001, &long), prune]).await;

    lone.write(stage(1, &[], &some)).await;
    lone.write(seal(1, &[])).await;
    lone.write(stage(5, &[1], &some)).await;
    refuses(&lone, ShardRefusal::Sealed, vec![stage(1, &[], &some)]).await;
    let other = [stage(5, &[], &some), seal(5, &[4, 1]), stage(6, &[1, 9], &some), stage(1, &[7], &some)];
    refuses(&lone, ShardRefusal::OtherAncestry, other.to_vec()).await;
    // Ids count up: a version is newer than what it is made from.
    lone.write(stage(9, &[], &some)).await;
    lone.write(seal(9, &[])).await;
    refuses(&lone, ShardRefusal::OtherAncestry, vec![stage(8, &[9], &some)]).await;

    // The fifth is made of what the first has stored. One made from it that leaves the first out would not read back.
    let more: BTreeSet<_> = (0..9).map(number).collect();
    lone.write(stage(5, &[1], &more)).await;
    assert!(matches!(lone.write(seal(5, &[1])).await, ShardReply::Sealed(_)));
    lone.write(stage(10, &[5], &some)).await;
    refuses(&lone, ShardRefusal::OtherAncestry, vec![seal(10, &[5])]).await;

    // A version that was given up takes nothing more.
    let drop_it = ShardCommand::Drop { registry: FEDERAL, version: VersionId(3) };
    assert_eq!(lone.write(drop_it).await, ShardReply::Done);
    let edit = Edit { block: BlockId(1_201_555), add: Block::default(), drop: Block::default() };
    let amend = ShardCommand::Amend { registry: FEDERAL, version: VersionId(3), ancestry: vec![], edits: vec![edit] };
    refuses(&lone, ShardRefusal::Dropped, vec![seal(3, &[]), stage(3, &[], &some), amend]).await;
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_before_it_could_stop_a_replica() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let long = || "x".repeat(MAX_TEXT + 1);
    let mut proof = exemption(60);
    proof.proof = long();
    let mut wordy = removal(61, 1);
    wordy.reason = long();
    let (number_1, registry) = (number(1), crate::making::INTERNAL);
    let commands = vec![
        with(|s| s.reason = long()),
        with(|s| s.scope = dnc_core::suppression::Scope::Brand(long())),
        with(|s| s.metadata = BTreeMap::from([("k".into(), "x".repeat(MAX_METADATA))])),
        ShardCommand::Grant { number: number_1, exemption: proof },
        ShardCommand::Release {
            request: RequestId(62),
            number: number_1,
            registry,
            tenant: TENANT,
            entries: vec![],
            removal: wordy.clone(),
        },
        ShardCommand::Revoke {
            request: RequestId(63),
            number: number_1,
            tenant: TENANT,
            exemptions: vec![],
            removal: wordy,
        },
        ShardCommand::Count {
            request: RequestId(64),
            tenant: TENANT,
            day: date(2026, 11, 9),
            counts: Box::new(Counts { checks: u64::MAX, ..Counts::default() }),
        },
        ShardCommand::SuppressMany {
            request: RequestId(65),
            additions: vec![
                addition(2, 66),
                Addition { suppression: Suppression { notes: long(), ..suppression(67) }, ..addition(3, 67) },
            ],
        },
    ];
    refuses(&lone, ShardRefusal::TooLarge, commands).await;
    let batch = (0..=MAX_BATCH as u64).map(|i| addition(i % 24, 100 + u128::from(i))).collect();
    let many = |additions| ShardCommand::SuppressMany { request: RequestId(68), additions };
    let limit = u32::try_from(MAX_BATCH).expect("small");
    refuses(&lone, ShardRefusal::BadBatch(limit), vec![many(batch), many(vec![])]).await;
    refuses(&lone, ShardRefusal::RequestReused, vec![many(vec![addition(1, 7), addition(2, 7)])]).await;
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_has_so_many_entries_and_the_refused_one_is_still_listed_by_the_others() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let most = MAX_ENTRIES as u128;
    let additions = |from: u128, to: u128| (from..to).map(|id| addition(1, id)).collect::<Vec<_>>();
    let many = |request, additions| ShardCommand::SuppressMany { request: RequestId(request), additions };
    let one_too_many = many(1_000, additions(1, most + 2));
    let limit = u32::try_from(MAX_ENTRIES).expect("small");
    refuses(&lone, ShardRefusal::TooManyEntries(limit), vec![one_too_many]).await;
    assert_eq!(lone.write(many(1_001, additions(1, most))).await, ShardReply::SuppressedMany { added: 63 });
    assert_eq!(lone.write(suppress(1, 2_000)).await, ShardReply::Suppressed { id: RequestId(2_000) });
    refuses(&lone, ShardRefusal::TooManyEntries(limit), vec![suppress(1, 2_001), many(1_002, additions(70, 71))]).await;
    // A repeated one needs no room, and another number has its own.
    assert_eq!(lone.write(suppress(1, 5)).await, ShardReply::Suppressed { id: RequestId(5) });
    assert_eq!(lone.write(suppress(2, 2_002)).await, ShardReply::Suppressed { id: RequestId(2_002) });
    assert_eq!(lone.shard.answer(&[number(1)], None, 0).expect("answers").live.len(), MAX_ENTRIES);
    for id in 0..most {
        lone.write(ShardCommand::Grant { number: number(3), exemption: exemption(5_000 + id) }).await;
    }
    let grant = ShardCommand::Grant { number: number(3), exemption: exemption(6_000) };
    refuses(&lone, ShardRefusal::TooManyEntries(limit), vec![grant]).await;
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_entry_was_removed_since_is_not_acknowledged_again() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let many = ShardCommand::SuppressMany { request: RequestId(9), additions: vec![addition(1, 1), addition(2, 2)] };
    lone.write(many.clone()).await;
    lone.write(suppress(3, 3)).await;
    assert_eq!(lone.write(many.clone()).await, ShardReply::SuppressedMany { added: 2 });
    lone.write(release(1, 10, &[1])).await;
    lone.write(release(3, 11, &[3])).await;
    lone.write(ShardCommand::Grant { number: number(4), exemption: exemption(4) }).await;
    lone.write(revoke(4, 12, &[4])).await;
    let grant = ShardCommand::Grant { number: number(4), exemption: exemption(4) };
    refuses(&lone, ShardRefusal::Ended, vec![many, suppress(3, 3), suppress(1, 1), grant]).await;
    // A late repetition of the release does not take away what was added since.
    lone.write(suppress(3, 13)).await;
    assert_eq!(lone.write(release(3, 11, &[3, 13])).await, ShardReply::Released { removed: 1 });
    assert_eq!(lone.write(release(3, 14, &[3])).await, ShardReply::Released { removed: 0 });
    assert_eq!(lone.shard.answer(&[number(3)], None, 0).expect("answers").live.len(), 1);
    lone.stop().await;
}

#[test]
fn numbers_of_another_shard_are_not_answered_for() {
    let numbers: Vec<_> = (0..4).map(number).collect();
    let foreign = numbers.iter().find(|number| number.block().shard(4) != 2).expect("one of another shard");
    let shard = Shard::new(ShardId(2), 4);
    assert!(matches!(shard.answer(&[*foreign], None, 0), Err(ShardError::Foreign)));
    assert!(matches!(shard.answer(&[], None, 0), Err(ShardError::Starting)));
}
