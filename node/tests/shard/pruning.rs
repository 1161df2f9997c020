//! Prunes against a real replica: what is kept reads back as it was sealed.

use std::collections::BTreeSet;

use dnc_core::block::BlockId;
use dnc_core::command::{ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::VersionId;

use crate::common::Lone;
use crate::making::{FEDERAL, number, prune, seal, stage, view};
use crate::model::{Model, State};

/// Prunes page by page, as whoever asks for it does, and checks what it may and may not do.
pub async fn prune_to(
    lone: &Lone,
    model: &mut Model,
    keep: &BTreeSet<VersionId>,
    limit: u32,
    sent: &mut Vec<ShardCommand>,
) {
    let seals: Vec<_> = keep.iter().map(|version| lone.shard.seal_of(FEDERAL, *version)).collect();
    let mut from = BlockId(0);
    loop {
        let keep = keep.iter().copied().collect();
        let command = ShardCommand::Prune { registry: FEDERAL, keep, from, limit };
        sent.push(command.clone());
        let reply = lone.write(command).await;
        let ShardReply::Pruned { next, .. } = reply else { panic!("{reply:?}") };
        // In the middle of it the state loads as well.
        lone.reload();
        let Some(next) = next else { break };
        assert!(next > from || from == BlockId(0));
        from = next;
    }
    let again: Vec<_> = keep.iter().map(|version| lone.shard.seal_of(FEDERAL, *version)).collect();
    assert_eq!(again, seals);

    let (oldest, newest) = (keep.first().copied(), keep.last().copied());
    let parents: BTreeSet<VersionId> = model
        .versions
        .values()
        .filter(|version| version.state == State::Staging)
        .filter_map(|version| version.ancestry.first().copied())
        .collect();
    for (id, version) in &mut model.versions {
        let stays = keep.contains(id) || parents.contains(id) || Some(*id) > newest;
        if version.state == State::Sealed && !stays {
            assert_eq!(lone.shard.seal_of(FEDERAL, *id), None);
            version.state = State::Dropped;
        }
    }
    // What is forgotten is refused like what is remembered as given up.
    if let Some(gone) = model.versions.iter().find(|(id, v)| v.state == State::Dropped && Some(**id) < oldest) {
        let command = stage(gone.0.0, &[], &BTreeSet::new());
        assert_eq!(lone.write(command.clone()).await, ShardReply::Refused(ShardRefusal::Dropped));
        sent.push(command);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_says_what_it_holds_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let all: BTreeSet<_> = (0..24).map(number).collect();
    let fewer: BTreeSet<_> = (0..23).map(number).collect();
    for (version, ancestry, list) in [(1, &[][..], &all), (2, &[1], &fewer), (3, &[2, 1], &all)] {
        lone.write(stage(version, ancestry, list)).await;
        assert!(matches!(lone.write(seal(version, ancestry)).await, ShardReply::Sealed(_)));
    }
    // Of the second only the block is stored in which it differs; the third has it as the first had.
    let reply = lone.write(prune(&[3])).await;
    assert_eq!(reply, ShardReply::Pruned { deleted: 2, next: None, holding: vec![VersionId(1)] });
    assert_eq!(
        lone.write(prune(&[3])).await,
        ShardReply::Pruned { deleted: 0, next: None, holding: vec![VersionId(1)] }
    );
    lone.reload();
    let numbers: Vec<_> = (0..24).map(number).collect();
    let found = lone.shard.answer(&numbers, Some(&view(Some(VersionId(3)))), 0).expect("answers");
    assert_eq!(crate::common::listed(&found), 24);
    assert_eq!(lone.shard.answer(&numbers, Some(&view(Some(VersionId(2)))), 0).expect("answers").bulk, None);

    // The catalog knows now that only the first still has blocks; the second is forgotten.
    let none = BTreeSet::new();
    let refused = |why| ShardReply::Refused(why);
    assert_eq!(lone.write(stage(4, &[3, 9], &none)).await, refused(ShardRefusal::OtherAncestry));
    assert_eq!(lone.write(stage(4, &[2, 1], &none)).await, refused(ShardRefusal::NoParent));
    assert_eq!(lone.write(stage(2, &[1], &none)).await, refused(ShardRefusal::Dropped));
    lone.write(stage(4, &[3, 1], &fewer)).await;
    assert!(matches!(lone.write(seal(4, &[3, 1])).await, ShardReply::Sealed(_)));

    // Page by page.
    let page = |from| ShardCommand::Prune { registry: FEDERAL, keep: vec![VersionId(4)], from, limit: 3 };
    let ShardReply::Pruned { next: Some(next), .. } = lone.write(page(BlockId(0))).await else { panic!("one page") };
    assert_eq!(next, number(3).block());
    let ShardReply::Pruned { deleted, next: None, holding } = lone.write(page(next)).await else { panic!("more") };
    // The fourth has its own content of the last block, so nobody needs what the third has of it.
    assert_eq!((deleted, holding), (1, vec![]));
    lone.reload();
    let found = lone.shard.answer(&numbers, Some(&view(Some(VersionId(4)))), 0).expect("answers");
    assert_eq!(crate::common::listed(&found), 23);
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_version_in_the_making_is_made_from_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let all: BTreeSet<_> = (0..24).map(number).collect();
    let fewer: BTreeSet<_> = (0..20).map(number).collect();
    lone.write(stage(1, &[], &all)).await;
    lone.write(seal(1, &[])).await;
    lone.write(stage(2, &[1], &fewer)).await;
    let drop_it = |version| ShardCommand::Drop { registry: FEDERAL, version: VersionId(version) };
    assert_eq!(lone.write(drop_it(1)).await, ShardReply::Refused(ShardRefusal::Kept));
    lone.write(stage(3, &[1], &fewer)).await;
    lone.write(seal(3, &[1])).await;
    lone.write(prune(&[3])).await;
    lone.reload();
    assert!(lone.shard.seal_of(FEDERAL, VersionId(1)).is_some());
    assert!(matches!(lone.write(seal(2, &[1])).await, ShardReply::Sealed(seal) if seal.numbers == 20));
    // Now it can go, and what it held stays readable for those that are made from it.
    assert_eq!(lone.write(drop_it(1)).await, ShardReply::Done);
    assert_eq!(lone.shard.seal_of(FEDERAL, VersionId(1)), None);
    lone.write(prune(&[2, 3])).await;
    lone.reload();
    for version in [2, 3] {
        assert_eq!(lone.shard.seal_of(FEDERAL, VersionId(version)).map(|seal| seal.numbers), Some(20));
    }
    lone.stop().await;
}
