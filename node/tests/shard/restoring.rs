//! A replica that took back what another one showed page by page answers, finds and counts the same; in whatever order
//! it comes, and however often.

use dnc_consensus::{LogPosition, Machine};
use dnc_core::block::{Block, BlockId};
use dnc_core::codec;
use dnc_core::command::{Edit, MAX_BATCH, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{TenantId, VersionId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::record::{Record, Table};
use dnc_core::suppression::Suppression;

use crate::common::Lone;
use crate::making::{FEDERAL, INTERNAL, exemption, number, numbers, removal, suppress, suppression};

/// All entries of a table.
pub fn table(lone: &Lone, table: Table) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let ShardAnswer::Table { records, next } = lone.ask(&ShardQuery::Table { table, after }) else {
            panic!("a page was asked for");
        };
        all.extend(records);
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Another replica with the same entries and complete versions, each made from no other.
pub async fn copy(lone: &Lone, sealed: &[VersionId], folder: &std::path::Path) -> Lone {
    let copy = Lone::start(folder).await;
    for _ in 0..2 {
        for of in Table::ALL.into_iter().rev() {
            for records in table(lone, of).chunks(MAX_BATCH) {
                let reply = copy.write(ShardCommand::Restore { records: records.to_vec() }).await;
                assert!(matches!(reply, ShardReply::Restored { .. }), "{reply:?}");
            }
        }
    }
    for version in sealed {
        let query = ShardQuery::Blocks { registry: FEDERAL, version: *version, from: BlockId(0) };
        let ShardAnswer::Blocks { blocks, next: None } = lone.ask(&query) else {
            panic!("a few blocks were asked for");
        };
        let edits = blocks.into_iter().map(|(block, add)| Edit { block, add, drop: Block::default() });
        let (registry, version, ancestry) = (FEDERAL, *version, Vec::new());
        let amend = ShardCommand::Amend { registry, version, ancestry: ancestry.clone(), edits: edits.collect() };
        for command in [amend.clone(), amend, ShardCommand::Seal { registry, version, ancestry }] {
            let reply = copy.write(command).await;
            assert!(matches!(reply, ShardReply::Amended(_) | ShardReply::Sealed(_)), "{reply:?}");
        }
    }
    copy
}

fn entry(i: u64, id: u128) -> Record {
    Record::Suppression { number: number(i), registry: INTERNAL, suppression: suppression(id), removal: None }
}

fn removed(i: u64, id: u128) -> Record {
    let Record::Suppression { number, registry, suppression, .. } = entry(i, id) else { unreachable!("it is one") };
    Record::Suppression { number, registry, suppression, removal: Some(removal(id + 1, 9)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_wins_over_the_entry_that_it_removed_whichever_comes_first() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    for (first, second) in [(entry(1, 10), removed(1, 10)), (removed(2, 20), entry(2, 20))] {
        for record in [first, second] {
            lone.write(ShardCommand::Restore { records: vec![record] }).await;
        }
    }
    assert_eq!(table(&lone, Table::Standing), []);
    assert_eq!(table(&lone, Table::Removed), [removed(1, 10), removed(2, 20)]);
    assert_eq!(lone.ask(&ShardQuery::Live), ShardAnswer::Live(vec![]));
    let found = lone.shard.answer(&numbers(), None, 0).expect("answers");
    assert!(found.live.is_empty());
    // What was removed there is not listed here by a late repetition either.
    assert_eq!(lone.write(suppress(1, 10)).await, ShardReply::Refused(ShardRefusal::Ended));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_entry_lists_its_number_before_it_is_applied() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let records = vec![entry(3, 30), removed(4, 40)];
    let at = LogPosition { term: 9, index: 1_000 };
    lone.shard.appended(at, &codec::encode(&ShardCommand::Restore { records }));
    let found = lone.shard.answer(&[number(3), number(4)], None, 0).expect("answers");
    let listed: Vec<usize> = found.live.iter().map(|hit| hit.at).collect();
    assert_eq!(listed, [0]);
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_shard_can_have_is_refused_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let granted = |id| Record::Exemption { number: number(1), exemption: exemption(id), removal: None };
    let long = Record::Exemption {
        number: number(1),
        exemption: dnc_core::exemption::Exemption { notes: "x".repeat(2_000), ..exemption(5) },
        removal: None,
    };
    for (records, why) in [
        (vec![], ShardRefusal::BadBatch(500)),
        (vec![entry(1, 10), entry(1, 10)], ShardRefusal::RequestReused),
        (vec![granted(3), long], ShardRefusal::TooLarge),
    ] {
        assert_eq!(lone.write(ShardCommand::Restore { records }).await, ShardReply::Refused(why));
    }
    assert_eq!(table(&lone, Table::Exemptions), []);
    // Another registry's, another tenant's and another number's of the same id are entries of their own.
    let Record::Suppression { number, registry, suppression, removal } = entry(1, 10) else {
        unreachable!("it is one")
    };
    let elsewhere = |registry, tenant| {
        let suppression = Suppression { tenant: TenantId(tenant), ..suppression.clone() };
        Record::Suppression { number, registry, suppression, removal: removal.clone() }
    };
    let tenant = suppression.tenant.0;
    let records =
        vec![elsewhere(registry, tenant), elsewhere(FEDERAL, tenant), elsewhere(registry, tenant + 1), entry(2, 10)];
    assert_eq!(lone.write(ShardCommand::Restore { records }).await, ShardReply::Restored { new: 4 });
    assert_eq!(lone.write(ShardCommand::Restore { records: vec![granted(3)] }).await, ShardReply::Restored { new: 1 });
    assert_eq!(lone.write(ShardCommand::Restore { records: vec![granted(3)] }).await, ShardReply::Restored { new: 0 });
    lone.stop().await;
}
