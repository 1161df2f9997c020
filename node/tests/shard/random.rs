//! Random operations, one after the other: whatever is written, in whatever order, with the state
//! loaded anew in between, a replica answers, finds, counts and keeps what the model does.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::block::{Block, BlockBuilder, BlockId};
use dnc_core::command::{Addition, Edit, ShardCommand, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::{Origin, Scope, Suppression};
use jiff::civil::date;
use proptest::prelude::*;

use crate::common::Lone;
use crate::making::{FEDERAL, INTERNAL, exemption, number, prune, removal, run, seal};
use crate::model::{Model, State, Version};
use crate::{pruning, restoring, searches};

#[derive(Clone, Debug)]
enum Op {
    Suppress(Listing),
    SuppressMany(Vec<Listing>),
    /// Releases what stands there: all of it, or all but the newest.
    Release(u64, u32, u32, bool),
    Verify(u64, u32, u32, u64),
    Grant(u64, u32, Option<u64>),
    Revoke(u64, u32),
    Sweep(u64, u32),
    Count(u32, i8, u64),
    /// Sends again what was sent so long ago, with a new time.
    Again(usize),
    /// Makes a version from the active one: by runs or edits, given up, left in the making, or sealed and active.
    Load(Vec<BTreeSet<u64>>, bool, End),
    /// Makes an older version active.
    Back(usize),
    Drop(usize),
    /// Keeps so many versions besides the active one.
    Prune(usize, u32),
    Reload,
}

#[derive(Clone, Debug)]
struct Listing {
    number: u64,
    registry: u32,
    tenant: u32,
    reason: usize,
    adder: usize,
    added_ms: u64,
    expires_ms: Option<u64>,
    brand: bool,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Making,
    Dropped,
    Active,
}

const WORDS: [&str; 3] = ["", "asked", "moved"];

fn listing() -> impl Strategy<Value = Listing> {
    let who = (0u64..10, 0u32..2, 0u32..2);
    let times = (0u64..20, proptest::option::weighted(0.3, 0u64..40));
    (who, 0usize..3, 0usize..3, times, any::<bool>()).prop_map(
        |((number, registry, tenant), reason, adder, (added_ms, expires_ms), brand)| Listing {
            number,
            registry,
            tenant,
            reason,
            adder,
            added_ms,
            expires_ms,
            brand,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let list = proptest::collection::vec(proptest::collection::btree_set(0u64..16, 0..8), 1..4);
    let end = prop_oneof![1 => Just(End::Making), 1 => Just(End::Dropped), 4 => Just(End::Active)];
    prop_oneof![
        6 => listing().prop_map(Op::Suppress),
        2 => proptest::collection::vec(listing(), 0..6).prop_map(Op::SuppressMany),
        4 => (0u64..10, 0u32..2, 0u32..2, any::<bool>()).prop_map(|(n, r, t, all)| Op::Release(n, r, t, all)),
        2 => (0u64..10, 0u32..2, 0u32..2, 0u64..40).prop_map(|(n, r, t, ms)| Op::Verify(n, r, t, ms)),
        3 => (0u64..10, 0u32..2, proptest::option::of(0u64..40)).prop_map(|(n, t, end)| Op::Grant(n, t, end)),
        2 => (0u64..10, 0u32..2).prop_map(|(n, t)| Op::Revoke(n, t)),
        2 => (0u64..40, 1u32..6).prop_map(|(now, limit)| Op::Sweep(now, limit)),
        2 => (0u32..2, 1i8..4, 1u64..9).prop_map(|(t, day, checks)| Op::Count(t, day, checks)),
        4 => (1usize..12).prop_map(Op::Again),
        4 => (list, any::<bool>(), end).prop_map(|(list, edits, end)| Op::Load(list, edits, end)),
        1 => (0usize..5).prop_map(Op::Back),
        1 => (0usize..5).prop_map(Op::Drop),
        2 => (0usize..4, 1u32..4).prop_map(|(keep, limit)| Op::Prune(keep, limit)),
        2 => Just(Op::Reload),
    ]
}

/// A replica, what it should be, and what was sent.
struct Run {
    lone: Lone,
    model: Model,
    sent: Vec<ShardCommand>,
    active: Option<VersionId>,
    next_id: u128,
    next_version: u64,
}

fn block(lines: &BTreeSet<u16>) -> Block {
    let mut builder = BlockBuilder::new();
    lines.iter().for_each(|line| builder.insert(*line).expect("a line"));
    builder.build()
}

// === impl Run ===

impl Run {
    async fn start(folder: &std::path::Path) -> Run {
        let lone = Lone::start(folder).await;
        Run { lone, model: Model::default(), sent: Vec::new(), active: None, next_id: 0, next_version: 0 }
    }

    /// Sends a command that the model knows all about.
    async fn send(&mut self, command: ShardCommand) -> ShardReply {
        let expected = self.model.apply(&command);
        let reply = self.lone.write(command.clone()).await;
        assert_eq!(reply, expected, "{command:?}");
        self.sent.push(command);
        reply
    }

    fn id(&mut self) -> RequestId {
        self.next_id += 1;
        RequestId(self.next_id)
    }

    fn addition(&mut self, listing: &Listing) -> Addition {
        let id = self.id();
        let scope = if listing.brand { Scope::Brand("acme".into()) } else { Scope::Tenant };
        Addition {
            number: number(listing.number),
            registry: RegistryId(INTERNAL.0 + listing.registry),
            suppression: Suppression {
                scope,
                reason: WORDS[listing.reason].into(),
                added_by: WORDS[listing.adder].into(),
                expires_ms: listing.expires_ms,
                metadata: BTreeMap::from([("list".into(), id.to_string())]),
                ..Suppression::new(id, TenantId(1 + listing.tenant), Origin::Consumer, listing.added_ms)
            },
        }
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Suppress(listing) => {
                let addition = self.addition(&listing);
                self.send(ShardCommand::Suppress(addition)).await;
            }
            Op::SuppressMany(listings) => {
                let request = self.id();
                let additions: Vec<_> = listings.iter().map(|listing| self.addition(listing)).collect();
                self.send(ShardCommand::SuppressMany { request, additions }).await;
            }
            Op::Release(n, registry, tenant, all) => {
                let (number, registry) = (number(n), RegistryId(INTERNAL.0 + registry));
                let tenant = TenantId(1 + tenant);
                let of = |name: &&crate::model::Name| (name.0, name.1, name.2) == (number, registry, tenant);
                let mut entries: Vec<RequestId> = self.model.live.keys().filter(of).map(|name| name.3).collect();
                if !all {
                    entries.pop();
                }
                let request = self.id();
                let removal = removal(request.0, n + 10);
                self.send(ShardCommand::Release { request, number, registry, tenant, entries, removal }).await;
            }
            Op::Verify(n, registry, tenant, verified_ms) => {
                let (registry, tenant) = (RegistryId(INTERNAL.0 + registry), TenantId(1 + tenant));
                let request = self.id();
                self.send(ShardCommand::Verify { request, number: number(n), registry, tenant, verified_ms }).await;
            }
            Op::Grant(n, tenant, expires_ms) => {
                let granted = exemption(self.id().0);
                let exemption = Exemption { tenant: TenantId(1 + tenant), expires_ms, ..granted };
                self.send(ShardCommand::Grant { number: number(n), exemption }).await;
            }
            Op::Revoke(n, tenant) => {
                let (number, tenant) = (number(n), TenantId(1 + tenant));
                let names = self.model.exemptions.keys().filter(|name| (name.0, name.1) == (number, tenant));
                let exemptions: Vec<RequestId> = names.map(|name| name.2).collect();
                let request = self.id();
                let removal = removal(request.0, n + 20);
                self.send(ShardCommand::Revoke { request, number, tenant, exemptions, removal }).await;
            }
            Op::Sweep(now_ms, limit) => drop(self.send(ShardCommand::Sweep { now_ms, limit }).await),
            Op::Count(tenant, day, checks) => {
                let reasons = BTreeMap::from([(WORDS[1].to_owned(), checks)]);
                let counts = Box::new(Counts { checks, reasons, ..Counts::default() });
                let (request, tenant, day) = (self.id(), TenantId(1 + tenant), date(2026, 11, day));
                self.send(ShardCommand::Count { request, tenant, day, counts }).await;
            }
            Op::Again(back) => {
                let Some(at) = self.sent.len().checked_sub(back) else { return };
                let again = later(self.sent[at].clone());
                // What answers checks is not given up.
                if !matches!(again, ShardCommand::Drop { version, .. } if Some(version) == self.active) {
                    self.send(again).await;
                }
            }
            Op::Load(list, edits, end) => self.load(list, edits, end).await,
            Op::Back(at) => self.active = self.model.sealed().into_iter().rev().nth(at).or(self.active),
            Op::Drop(at) => {
                let known: Vec<VersionId> = self.model.versions.keys().copied().collect();
                if let Some(version) = known.into_iter().rev().nth(at).filter(|version| Some(*version) != self.active) {
                    self.send(ShardCommand::Drop { registry: FEDERAL, version }).await;
                }
            }
            Op::Prune(newest, limit) => {
                let sealed = self.model.sealed();
                let keep = sealed.into_iter().rev().take(newest).chain(self.active).collect();
                pruning::prune_to(&self.lone, &mut self.model, &keep, limit, &mut self.sent).await;
            }
            Op::Reload => self.lone.reload(),
        }
    }

    /// Makes a version from the active one.
    async fn load(&mut self, list: Vec<BTreeSet<u64>>, edits: bool, end: End) {
        self.next_version += 1;
        let version = VersionId(self.next_version);
        let ancestry: Vec<VersionId> = self
            .active
            .iter()
            .flat_map(|active| [*active].into_iter().chain(self.model.versions[active].ancestry.iter().copied()))
            .collect();
        let numbers = |of: &BTreeSet<u64>| -> BTreeSet<PhoneNumber> { of.iter().map(|i| number(*i)).collect() };
        for (turn, of) in list.iter().enumerate() {
            let command = if edits && turn > 0 {
                let edits = edits_of(&numbers(&list[turn - 1]), &numbers(of));
                ShardCommand::Amend { registry: FEDERAL, version, ancestry: ancestry.clone(), edits }
            } else {
                ShardCommand::Stage { registry: FEDERAL, version, ancestry: ancestry.clone(), run: run(&numbers(of)) }
            };
            self.send(command).await;
        }
        match end {
            End::Making => {}
            End::Dropped => drop(self.send(ShardCommand::Drop { registry: FEDERAL, version }).await),
            End::Active => {
                let ids: Vec<u64> = ancestry.iter().map(|version| version.0).collect();
                let command = seal(version.0, &ids);
                let reply = self.lone.write(command.clone()).await;
                let ShardReply::Sealed(sealed) = reply else { panic!("{reply:?}") };
                let Version { content, state, .. } = self.model.versions.get_mut(&version).expect("staged");
                assert_eq!(sealed.numbers, content.len() as u64);
                *state = State::Sealed;
                assert_eq!(self.lone.write(command.clone()).await, ShardReply::Sealed(sealed));
                self.sent.extend([command.clone(), command]);
                self.active = Some(version);
            }
        }
    }
}

/// Takes out what is in the first and not in the second, and puts in what is in the second.
fn edits_of(old: &BTreeSet<PhoneNumber>, new: &BTreeSet<PhoneNumber>) -> Vec<Edit> {
    let lines = |of: &BTreeSet<PhoneNumber>, id: BlockId| -> BTreeSet<u16> {
        of.iter().filter(|number| number.block() == id).map(|number| number.line()).collect()
    };
    let blocks: BTreeSet<BlockId> = old.union(new).map(|number| number.block()).collect();
    let edit = |id| {
        let (old, new) = (lines(old, id), lines(new, id));
        Edit { block: id, add: block(&new), drop: block(&(&old - &new)) }
    };
    blocks.into_iter().map(edit).collect()
}

/// The same request, as whoever repeats it sends it: at another time.
fn later(command: ShardCommand) -> ShardCommand {
    match command {
        ShardCommand::Suppress(mut addition) => {
            addition.suppression.added_ms += 1;
            ShardCommand::Suppress(addition)
        }
        ShardCommand::Release { request, number, registry, tenant, entries: _, mut removal } => {
            removal.removed_ms += 1;
            ShardCommand::Release { request, number, registry, tenant, entries: vec![], removal }
        }
        // The model knows no blocks, so it cannot seal or prune.
        ShardCommand::Seal { .. } | ShardCommand::Prune { .. } => {
            ShardCommand::Drop { registry: FEDERAL, version: VersionId(1 << 40) }
        }
        other => other,
    }
}

/// A replica that applied the same log without ever loading its state in between has the same state.
async fn replay(sent: &[ShardCommand], checksum: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    for command in sent {
        lone.write(command.clone()).await;
    }
    assert_eq!(lone.shard.checksum().expect("checksum"), checksum, "what is in memory changed the state");
    lone.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replica_is_what_the_model_is(
        ops in proptest::collection::vec(op(), 20..120),
        question in searches::question(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("folder");
            let mut run = Run::start(folder.path()).await;
            for (turn, op) in ops.into_iter().enumerate() {
                run.step(op).await;
                if turn % 8 == 0 {
                    searches::compare(&run.lone, &run.model, turn as u64, &question);
                }
            }
            searches::compare(&run.lone, &run.model, 40, &question);
            let checksum = run.lone.shard.checksum().expect("checksum");
            run.lone.reload();
            searches::compare(&run.lone, &run.model, 20, &question);
            prop_assert_eq!(run.lone.shard.checksum().expect("checksum"), checksum);
            let folder = tempfile::tempdir().expect("folder");
            let copy = restoring::copy(&run.lone, &run.model.sealed(), folder.path()).await;
            searches::compare(&copy, &run.model, 20, &question);
            copy.stop().await;
            run.lone.stop().await;
            replay(&run.sent, checksum).await;
            Ok(())
        })?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_of_nothing_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let lone = Lone::start(folder.path()).await;
    let before = lone.shard.checksum().expect("checksum");
    let reply = lone.write(prune(&[])).await;
    assert_eq!(reply, ShardReply::Pruned { deleted: 0, next: None, holding: vec![] });
    assert_eq!(lone.shard.checksum().expect("checksum"), before);
    lone.stop().await;
}
