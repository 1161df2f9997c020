//! Answers, searches and counts of a replica, compared with the model's.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Entry, Search, ShardAnswer, ShardQuery};
use dnc_core::suppression::{Removal, Suppression};
use dnc_core::verdict::LiveFinding;
use dnc_node::shard::ShardError;
use jiff::civil::date;
use proptest::prelude::*;

use crate::common::Lone;
use crate::making::{INTERNAL, TENANT, addition, bare, number, numbers, release, suppress, view};
use crate::model::{Model, Name};

/// What is asked of every index: a range, a word, a registry, the size of a page.
#[derive(Clone, Debug)]
pub struct Question {
    from: u64,
    until: u64,
    word: &'static str,
    registry: Option<RegistryId>,
    page: u32,
}

pub fn question() -> impl Strategy<Value = Question> {
    let word = prop_oneof![Just(""), Just("asked"), Just("moved")];
    let registry = proptest::option::of((0u32..2).prop_map(|at| RegistryId(INTERNAL.0 + at)));
    (0u64..15, 0u64..40, word, registry, 1u32..6).prop_map(|(from, span, word, registry, page)| Question {
        from,
        until: from + span,
        word,
        registry,
        page,
    })
}

/// Whether a replica is what the model is, at this time.
pub fn compare(lone: &Lone, model: &Model, now_ms: u64, question: &Question) {
    compare_answers(lone, model, now_ms);
    for tenant in [1, 2].map(TenantId) {
        compare_searches(lone, model, tenant, question);
        compare_exemptions(lone, model, tenant);
    }
    let mut live: BTreeMap<(RegistryId, TenantId), u64> = BTreeMap::new();
    for (_, registry, tenant, _) in model.live.keys() {
        *live.entry((*registry, *tenant)).or_default() += 1;
    }
    let live = live.into_iter().map(|((registry, tenant), count)| (registry, tenant, count)).collect();
    assert_eq!(lone.ask(&ShardQuery::Live), ShardAnswer::Live(live));
    assert_eq!(lone.shard.size().suppressions, model.live.len() as u64);

    let (first, last) = (date(2026, 11, 2), date(2026, 11, 3));
    for tenant in [None, Some(TenantId(2))] {
        let days = model
            .counts
            .iter()
            .filter(|((day, of), _)| (first..=last).contains(day) && tenant.is_none_or(|only| only == *of));
        let expected = days.map(|((day, tenant), counts)| (*tenant, *day, counts.clone())).collect();
        assert_eq!(lone.ask(&ShardQuery::Counts { tenant, first, last }), ShardAnswer::Counts(expected));
    }

    let standing = model.exemptions.values().filter(|(_, ended)| ended.is_none());
    let ends = model.live.values().map(|s| s.expires_ms).chain(standing.map(|(e, _)| e.expires_ms));
    assert_eq!(lone.shard.due_ms().expect("due"), ends.flatten().min());
}

fn compare_answers(lone: &Lone, model: &Model, now_ms: u64) {
    let numbers = numbers();
    let known = model.sealed().into_iter().map(|version| (Some(version), model.versions[&version].content.clone()));
    for (version, listed) in known.chain([(None, BTreeSet::new())]) {
        let found = lone.shard.answer(&numbers, Some(&view(version)), now_ms).expect("answers");
        let hits: BTreeSet<PhoneNumber> = found
            .bulk
            .as_ref()
            .expect("resident")
            .iter()
            .flat_map(|listed| listed.numbers.ones())
            .map(|at| numbers[at])
            .collect();
        assert_eq!(hits, listed, "version {version:?}");

        let finding = |(name, suppression): (&Name, &Suppression)| (name.0, LiveFinding::of(name.1, suppression));
        let mut expected: Vec<_> = model.live.iter().map(finding).collect();
        let mut live: Vec<_> = found.live.iter().map(|hit| (numbers[hit.at], hit.finding.clone())).collect();
        let key = |(number, f): &(PhoneNumber, LiveFinding)| (*number, f.registry, f.tenant, f.id);
        expected.sort_by_key(key);
        live.sort_by_key(key);
        assert_eq!(live, expected);

        let standing = model.exemptions.iter().filter(|(_, (e, ended))| ended.is_none() && !e.has_expired(now_ms));
        let expected: BTreeMap<(PhoneNumber, TenantId, RequestId), Exemption> =
            standing.map(|(name, (exemption, _))| (*name, bare(exemption))).collect();
        let exempt = found.exemptions.iter().map(|hit| (numbers[hit.at], hit.exemption.clone()));
        let exempt: Vec<_> = exempt.map(|(number, e)| ((number, e.tenant, e.id), e)).collect();
        assert_eq!(exempt.len(), expected.len());
        assert_eq!(exempt.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }
    // A version that is not complete is not answered from.
    assert_eq!(lone.shard.answer(&numbers, Some(&view(Some(VersionId(1 << 50)))), now_ms).expect("answers").bulk, None);
}

fn compare_exemptions(lone: &Lone, model: &Model, tenant: TenantId) {
    for number in numbers() {
        let of = model.exemptions.iter().filter(|(name, _)| (name.0, name.1) == (number, tenant));
        let mut expected: Vec<(Exemption, Option<Removal>)> = of.map(|(_, kept)| kept.clone()).collect();
        expected.sort_by_key(|(exemption, ended)| (ended.is_some(), exemption.id));
        assert_eq!(lone.ask(&ShardQuery::Exemptions { tenant, number }), ShardAnswer::Exemptions(expected));
    }
}

/// One entry as a search should show it, in front of it what it is ordered by.
type Expected = ((u64, PhoneNumber, RegistryId, RequestId), Suppression, Option<Removal>);

fn compare_searches(lone: &Lone, model: &Model, tenant: TenantId, question: &Question) {
    let Question { from, until, word, registry, page } = question.clone();
    let (first, last) = (number(from % 10).to_u64(), number(until % 10).to_u64());
    let (from_ms, until_ms) = (from, until);
    let indexes = [
        By::Number { first: first.min(last), last: first.max(last) },
        By::Added { from_ms, until_ms },
        By::Reason { reason: word.into(), from_ms, until_ms },
        By::AddedBy { added_by: word.into(), from_ms, until_ms },
        By::NotVerifiedSince { since_ms: until },
        By::Removed { from_ms, until_ms },
    ];
    for by in indexes {
        let mut expected = expect(model, tenant, &by);
        expected.retain(|((_, _, of, _), _, _)| registry.is_none_or(|only| only == *of));
        expected.sort_by_key(|(place, _, _)| *place);
        let search = Search { tenant, by, registry, after: None, limit: page };
        let found = all_pages(lone, search.clone());
        let shown: Vec<_> =
            found.iter().map(|e| ((e.number, e.registry, e.suppression.id), &e.suppression, &e.removal)).collect();
        let sought: Vec<_> = expected.iter().map(|(p, s, r)| ((p.1, p.2, p.3), s, r)).collect();
        assert_eq!(shown, sought, "{search:?}");
        assert!(found.is_sorted_by(|one, next| one.place < next.place));
    }
}

fn expect(model: &Model, tenant: TenantId, by: &By) -> Vec<Expected> {
    let live = model.live.iter().filter(|(name, _)| name.2 == tenant);
    let within = |from: &u64, until: &u64, ms: u64| (*from..=*until).contains(&ms);
    let shown = |ms: u64, name: &Name, s: &Suppression| ((ms, name.0, name.1, name.3), s.clone(), None);
    match by {
        By::Number { first, last } => {
            live.filter(|(name, _)| within(first, last, name.0.to_u64())).map(|(name, s)| shown(0, name, s)).collect()
        }
        By::Added { from_ms, until_ms } => live
            .filter(|(_, s)| within(from_ms, until_ms, s.added_ms))
            .map(|(name, s)| shown(s.added_ms, name, s))
            .collect(),
        By::Reason { reason, from_ms, until_ms } => live
            .filter(|(_, s)| s.reason == *reason && within(from_ms, until_ms, s.added_ms))
            .map(|(name, s)| shown(s.added_ms, name, s))
            .collect(),
        By::AddedBy { added_by, from_ms, until_ms } => live
            .filter(|(_, s)| s.added_by == *added_by && within(from_ms, until_ms, s.added_ms))
            .map(|(name, s)| shown(s.added_ms, name, s))
            .collect(),
        By::NotVerifiedSince { since_ms } => {
            live.filter(|(_, s)| s.verified_ms < *since_ms).map(|(name, s)| shown(s.verified_ms, name, s)).collect()
        }
        By::Removed { from_ms, until_ms } => model
            .traces
            .iter()
            .filter(|(name, (_, r))| name.2 == tenant && within(from_ms, until_ms, r.removed_ms))
            .map(|(name, (s, r))| ((r.removed_ms, name.0, name.1, name.3), s.clone(), Some(r.clone())))
            .collect(),
    }
}

/// Everything that a search finds, asked for page by page.
fn all_pages(lone: &Lone, mut search: Search) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let ShardAnswer::Entries { entries, more } = lone.ask(&ShardQuery::Search(search.clone())) else {
            panic!("not entries")
        };
        assert!(entries.len() <= search.limit as usize);
        // Without an entry there would be no place to go on from.
        assert!(!more || !entries.is_empty());
        all.extend(entries);
        if !more {
            return all;
        }
        search.after = all.last().map(|entry| entry.place.clone());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_several_shards_merge_by_place() {
    let folder = tempfile::tempdir().expect("folder");
    let other_folder = tempfile::tempdir().expect("folder");
    let (one, other) = (Lone::start(folder.path()).await, Lone::start(other_folder.path()).await);
    for i in 0..10u64 {
        let shard = if i % 3 == 0 { &one } else { &other };
        let mut addition = addition(i, u128::from(100 - i));
        addition.suppression.added_ms = i / 2;
        shard.write(ShardCommand::Suppress(addition)).await;
    }
    let search = |limit| Search {
        tenant: TENANT,
        by: By::Added { from_ms: 0, until_ms: 9 },
        registry: None,
        after: None,
        limit,
    };
    let mut merged: Vec<Entry> = [&one, &other].into_iter().flat_map(|shard| all_pages(shard, search(100))).collect();
    merged.sort_by(|a, b| a.place.cmp(&b.place));
    // As a router does: a page of each, the first of all of them, and on from the last of these.
    let mut paged: Vec<Entry> = Vec::new();
    loop {
        let after = paged.last().map(|entry| entry.place.clone());
        let mut page: Vec<Entry> = Vec::new();
        for shard in [&one, &other] {
            let search = Search { after: after.clone(), ..search(3) };
            let ShardAnswer::Entries { entries, .. } = shard.ask(&ShardQuery::Search(search)) else { panic!() };
            page.extend(entries);
        }
        page.sort_by(|a, b| a.place.cmp(&b.place));
        page.truncate(3);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, merged);
    assert_eq!(merged.len(), 10);
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_of_another_index_is_refused_and_a_search_looks_as_long_as_it_takes() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    for i in 0..3 {
        lone.write(suppress(i, u128::from(i) + 1)).await;
    }
    lone.write(release(1, 9, &[2])).await;
    let mut search =
        Search { tenant: TENANT, by: By::Added { from_ms: 0, until_ms: 9 }, registry: None, after: None, limit: 1 };
    let first = lone.ask(&ShardQuery::Search(search.clone()));
    let ShardAnswer::Entries { entries, more: true } = first else { panic!("{first:?}") };
    search.after = Some(entries[0].place.clone());
    search.by = By::Number { first: 0, last: u64::MAX };
    let deadline = std::time::Instant::now() + crate::common::LIMIT;
    let refused = lone.shard.query(&ShardQuery::Search(search.clone()), deadline);
    assert!(matches!(refused, Err(ShardError::BadPlace)));
    search.after = Some(vec![1, 2, 3]);
    let refused = lone.shard.query(&ShardQuery::Search(search.clone()), deadline);
    assert!(matches!(refused, Err(ShardError::BadPlace)));
    // Nothing of this registry: there is no more, and it says so.
    search.after = None;
    search.registry = Some(RegistryId(77));
    let nothing = ShardAnswer::Entries { entries: vec![], more: false };
    assert_eq!(lone.ask(&ShardQuery::Search(search)), nothing);
    let Ok(warmed) = lone.shard.warm() else { panic!("not warmed") };
    assert_eq!((warmed.suppressions, warmed.exemptions), (2, 0));
    lone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_passes_over_much_ends_its_page_early_and_never_without_an_entry() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    // Of the registry that is asked for there is one entry near the beginning, and one far behind it.
    let registry = RegistryId(77);
    let rare = |i: u64| i == 5 || i == 22_000;
    let all: Vec<u64> = (0..22_500).collect();
    for (turn, batch) in all.chunks(500).enumerate() {
        let additions = batch
            .iter()
            .map(|i| {
                let mut addition = addition(*i, u128::from(*i) + 1);
                addition.suppression.added_ms = *i;
                if rare(*i) {
                    addition.registry = registry;
                }
                addition
            })
            .collect();
        let request = RequestId((1 << 64) + turn as u128);
        let reply = lone.write(ShardCommand::SuppressMany { request, additions }).await;
        assert_eq!(reply, ShardReply::SuppressedMany { added: 500 });
    }
    let search = |from_ms, after| {
        let by = By::Added { from_ms, until_ms: u64::MAX };
        let search = Search { tenant: TENANT, by, registry: Some(registry), after, limit: 10 };
        match lone.ask(&ShardQuery::Search(search)) {
            ShardAnswer::Entries { entries, more } => (entries, more),
            other => panic!("{other:?}"),
        }
    };
    let (first, more) = search(0, None);
    assert_eq!((first.iter().map(|entry| entry.suppression.added_ms).collect::<Vec<_>>(), more), (vec![5], true));
    // From there on it passes over more than a page's worth, and goes on until it has an entry.
    let (second, more) = search(0, first.last().map(|entry| entry.place.clone()));
    assert_eq!(
        (second.iter().map(|entry| entry.suppression.added_ms).collect::<Vec<_>>(), more),
        (vec![22_000], false)
    );
    // There is no time for that: then it says so, and not that there is nothing.
    let by = By::Added { from_ms: 6, until_ms: u64::MAX };
    let late = Search { tenant: TENANT, by, registry: Some(registry), after: None, limit: 10 };
    let answer = lone.shard.query(&ShardQuery::Search(late), std::time::Instant::now());
    assert!(matches!(answer, Err(ShardError::TooLong(_))), "{answer:?}");
    lone.stop().await;
}
