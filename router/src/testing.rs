//! A cluster that answers, refuses and fails on demand: one catalog, shards as plain maps, no network.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dnc_core::block::{Block, BlockId};
use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry, NodeAddresses, ShardMap};
use dnc_core::command::{Addition, Changed, Run, Seal, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{NodeId, RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Entry, Search, ShardAnswer, ShardQuery};
use dnc_core::registry::{RegistryKind, Source};
use dnc_core::suppression::Suppression;
use dnc_core::verdict::{Asker, Evidence, Judgement, Reason, Verdict};
use dnc_meta::{CatalogCache, Known, ProposeError, TimedOut};
use dnc_proto::internal::ShardVersion;
use jiff::civil::date;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::route::{BarrierError, Checked, NodeVersionStatus, QueryError, WriteError};

/// Shards of the fake.
pub const SHARDS: u32 = 16;

/// A cluster in one map. Clones share it.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    cache: CatalogCache,
}

/// How writes are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// As a shard does.
    #[default]
    Well,
    /// Not at all: the outcome is unknown.
    Fail,
    /// As a shard does, but nothing is staged.
    NoStaging,
}

/// How a proposal whose answer is lost goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was not made.
    Before,
    /// It was made.
    After,
}

#[derive(Default)]
struct State {
    catalog: Catalog,
    judgements: HashMap<PhoneNumber, Judgement>,
    no_judgements: bool,
    asked: Vec<Vec<PhoneNumber>>,
    last_time: Option<Duration>,
    written: Vec<(ShardId, ShardCommand)>,
    writes: Written,
    lost_writes: usize,
    entries: HashMap<(RegistryId, PhoneNumber), Vec<Suppression>>,
    versions: HashMap<(ShardId, VersionId), BTreeMap<BlockId, Block>>,
    dropped: Vec<(ShardId, VersionId)>,
    lost: VecDeque<Lost>,
    lose: Option<fn(&Change) -> Option<Lost>>,
    barriers: Vec<u64>,
    no_barriers: bool,
    no_queries: bool,
    not_ready: bool,
}

/// A number that is one.
pub fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("a number")
}

/// What a list in a registry says.
pub fn listed(registry: &str) -> Judgement {
    Judgement {
        verdict: Verdict::Listed,
        reasons: vec![Reason::FederalDncRegistry],
        evidence: vec![evidence(registry, true)],
        exemption: None,
    }
}

/// What a registry that covers a number and does not list it says.
pub fn clear(registry: &str) -> Judgement {
    let evidence = vec![evidence(registry, false)];
    Judgement { verdict: Verdict::Clear, reasons: Vec::new(), evidence, exemption: None }
}

fn evidence(registry: &str, listed: bool) -> Evidence {
    Evidence {
        registry: registry.into(),
        listed,
        version: Some(VersionId(3)),
        source: Some(Source {
            list_date: date(2026, 11, 9),
            file: "2026-11-9_201_x.txt".into(),
            sha256: [7; 32],
            numbers: 5,
        }),
        suppression: None,
        rule: None,
        lifted: false,
    }
}

// === impl Fake ===

impl Fake {
    /// Knows no catalog.
    pub fn empty() -> Self {
        Self { state: Arc::default(), cache: CatalogCache::new() }
    }

    /// Sixteen shards on three nodes, with the registries `federal` and `internal`.
    pub fn founded() -> Self {
        let fake = Self::empty();
        fake.change(Change::Found(Founding {
            cluster: 1,
            log_key: [1; 32],
            shards: SHARDS,
            replication: 3,
            initial_nodes: 3,
        }));
        for node in 1..=3u128 {
            fake.change(Change::RegisterNode {
                incarnation: node,
                addresses: NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") },
                zone: String::new(),
            });
        }
        fake.change(Change::PlaceShards(ShardMap { replicas: vec![vec![1, 2, 3]; SHARDS as usize] }));
        fake.registry("federal", RegistryKind::Federal);
        fake.registry("internal", RegistryKind::Internal);
        fake
    }

    /// Makes a registry.
    pub fn registry(&self, name: &str, kind: RegistryKind) {
        self.change(Change::CreateRegistry(NewRegistry::named(name, kind)));
    }

    /// Changes the catalog.
    pub fn change(&self, change: Change) -> Decision {
        let mut state = self.state.lock();
        let decision = state.catalog.apply(change);
        self.cache.offer(state.catalog.clone()).expect("one cluster");
        decision
    }

    /// Judges a number like this.
    pub fn judge(&self, number: PhoneNumber, judgement: Judgement) {
        self.state.lock().judgements.insert(number, judgement);
    }

    /// Gives no judgements any more.
    pub fn lose_judgements(&self) {
        self.state.lock().no_judgements = true;
    }

    /// The numbers of each check that came.
    pub fn asked(&self) -> Vec<Vec<PhoneNumber>> {
        self.state.lock().asked.clone()
    }

    /// The time that the last check was given.
    pub fn last_time(&self) -> Option<Duration> {
        self.state.lock().last_time
    }

    /// The commands that were written, and where.
    pub fn written(&self) -> Vec<(ShardId, ShardCommand)> {
        self.state.lock().written.clone()
    }

    /// Answers writes like this from now on.
    pub fn answer_writes(&self, how: Written) {
        self.state.lock().writes = how;
    }

    /// Does the next writes and loses their answers.
    pub fn lose_writes(&self, count: usize) {
        self.state.lock().lost_writes = count;
    }

    /// Loses the next proposals before they are made.
    pub fn lose_meta(&self, count: usize) {
        self.state.lock().lost.extend(vec![Lost::Before; count]);
    }

    /// Loses those proposals that `which` says.
    pub fn lose_proposals(&self, which: fn(&Change) -> Option<Lost>) {
        self.state.lock().lose = Some(which);
    }

    /// No barrier reaches all shards from now on.
    pub fn lose_barriers(&self) {
        self.state.lock().no_barriers = true;
    }

    /// Barriers reach all shards again.
    pub fn find_barriers(&self) {
        self.state.lock().no_barriers = false;
    }

    /// No shard answers questions from now on.
    pub fn lose_queries(&self) {
        self.state.lock().no_queries = true;
    }

    /// No replica becomes ready from now on.
    pub fn never_ready(&self) {
        self.state.lock().not_ready = true;
    }

    /// The revisions of the barriers that reached all shards.
    pub fn barriers(&self) -> Vec<u64> {
        self.state.lock().barriers.clone()
    }

    /// The versions that shards were told to drop.
    pub fn dropped(&self) -> Vec<(ShardId, VersionId)> {
        self.state.lock().dropped.clone()
    }

    /// The numbers of the active version of a registry, over all shards.
    pub fn numbers(&self, registry: &str) -> Vec<PhoneNumber> {
        let state = self.state.lock();
        let registry = state.catalog.registry_named(registry).expect("a registry");
        let Some(active) = registry.active else {
            return Vec::new();
        };
        let mut numbers: Vec<PhoneNumber> = (0..SHARDS)
            .filter_map(|shard| state.versions.get(&(ShardId(shard), active)))
            .flatten()
            .flat_map(|(id, block)| block.iter().filter_map(|line| id.number(line)))
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Cluster for Fake {
    async fn check(&self, numbers: &[PhoneNumber], _asker: &Asker, _request_id: &str, deadline: Instant) -> Checked {
        let view = Arc::clone(&self.cache.get().view);
        let mut state = self.state.lock();
        state.asked.push(numbers.to_vec());
        state.last_time = Some(deadline.saturating_duration_since(Instant::now()));
        let judged = |number| state.judgements.get(number).cloned();
        let judgements = if state.no_judgements {
            Vec::new()
        } else {
            numbers.iter().map(|number| judged(number).unwrap_or_else(Judgement::unavailable)).collect()
        };
        Checked { view, judgements }
    }

    async fn write(
        &self,
        shard: ShardId,
        command: &ShardCommand,
        _deadline: Instant,
    ) -> Result<ShardReply, WriteError> {
        let mut state = self.state.lock();
        let staging = matches!(command, ShardCommand::Stage { .. });
        match state.writes {
            Written::Fail => return Err(WriteError::Unknown(shard)),
            Written::NoStaging if staging => return Err(WriteError::NoLeader(shard)),
            Written::NoStaging | Written::Well => {}
        }
        state.written.push((shard, command.clone()));
        let reply = state.apply(shard, command);
        if state.lost_writes > 0 {
            state.lost_writes -= 1;
            return Err(WriteError::Unknown(shard));
        }
        Ok(reply)
    }

    async fn query(&self, shard: ShardId, query: &ShardQuery, _deadline: Instant) -> Result<ShardAnswer, QueryError> {
        let state = self.state.lock();
        match query {
            _ if state.no_queries => Err(QueryError::NoAnswer(shard)),
            ShardQuery::Search(search) => Ok(state.search(search)),
            ShardQuery::Live => Ok(ShardAnswer::Live(state.live(shard))),
            _ => Err(QueryError::NoAnswer(shard)),
        }
    }

    async fn version_status(
        &self,
        _registry: RegistryId,
        version: VersionId,
        _deadline: Instant,
    ) -> Vec<NodeVersionStatus> {
        let state = self.state.lock();
        let shards: Vec<ShardVersion> = (0..SHARDS)
            .map(|shard| {
                let seal = state.seal(ShardId(shard), version);
                ShardVersion { shard, ready: !state.not_ready, checksum: seal.checksum, numbers: seal.numbers }
            })
            .collect();
        let status = |node: NodeId| NodeVersionStatus { node, result: Ok(shards.clone()) };
        (1..=3).map(status).collect()
    }

    async fn barrier(&self, revision: u64, _deadline: Instant) -> Result<(), BarrierError> {
        let mut state = self.state.lock();
        if state.no_barriers {
            return Err(BarrierError(vec![ShardId(0)]));
        }
        state.barriers.push(revision);
        Ok(())
    }

    async fn propose(&self, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
        let lost = {
            let mut state = self.state.lock();
            let next = state.lost.pop_front();
            next.or_else(|| state.lose.and_then(|lose| lose(change)))
        };
        let timed_out = || ProposeError::TimedOut { limit, last: "lost".into() };
        match lost {
            Some(Lost::Before) => Err(timed_out()),
            Some(Lost::After) => {
                self.change(change.clone());
                Err(timed_out())
            }
            None => Ok(self.change(change.clone())),
        }
    }

    fn known(&self) -> Arc<Known> {
        self.cache.get()
    }

    async fn wait_for(
        &self,
        limit: Duration,
        f: impl Fn(&Catalog) -> bool + Send + Sync,
    ) -> Result<Arc<Known>, TimedOut> {
        self.cache.wait_for(limit, f).await
    }
}

// === impl State ===

impl State {
    fn apply(&mut self, shard: ShardId, command: &ShardCommand) -> ShardReply {
        match command {
            ShardCommand::Suppress(Addition { number, registry, suppression }) => {
                let entries = self.entries.entry((*registry, *number)).or_default();
                if entries.iter().all(|entry| entry.id != suppression.id) {
                    entries.push(suppression.clone());
                }
                ShardReply::Suppressed { id: suppression.id }
            }
            ShardCommand::Release { number, registry, entries: named, .. } => {
                let entries = self.entries.entry((*registry, *number)).or_default();
                let before = entries.len();
                entries.retain(|entry| !named.contains(&entry.id));
                let removed = (before - entries.len()) as u64;
                ShardReply::Released { removed }
            }
            ShardCommand::Stage { version, ancestry, run, .. } => self.stage(shard, *version, ancestry, run),
            ShardCommand::Seal { version, .. } => ShardReply::Sealed(self.seal(shard, *version)),
            ShardCommand::Drop { version, .. } => {
                self.dropped.push((shard, *version));
                self.versions.remove(&(shard, *version));
                ShardReply::Done
            }
            ShardCommand::Barrier { .. } => ShardReply::Done,
            other => panic!("no shard of this cluster knows {other:?}"),
        }
    }

    /// How many entries each registry has in a shard.
    fn live(&self, shard: ShardId) -> Vec<(RegistryId, u64)> {
        let mut counts: BTreeMap<RegistryId, u64> = BTreeMap::new();
        for ((registry, number), entries) in &self.entries {
            if number.block().shard(SHARDS) == shard.0 {
                *counts.entry(*registry).or_default() += entries.len() as u64;
            }
        }
        counts.into_iter().collect()
    }

    /// Entries by number, as far as one registry goes.
    fn search(&self, search: &Search) -> ShardAnswer {
        let By::Number { first, last } = search.by else {
            panic!("no shard of this cluster has the index for {search:?}");
        };
        let asked = |(registry, number): &(RegistryId, PhoneNumber)| {
            search.registry.is_none_or(|only| only == *registry) && (first..=last).contains(&number.to_u64())
        };
        let found = self.entries.iter().filter(|(key, _)| asked(key)).flat_map(|((registry, number), entries)| {
            entries.iter().filter(|entry| entry.tenant == search.tenant).map(|entry| Entry {
                place: number.to_u64().to_be_bytes().to_vec(),
                number: *number,
                registry: *registry,
                suppression: entry.clone(),
                removal: None,
            })
        });
        ShardAnswer::Entries { entries: found.collect(), more: false }
    }

    fn stage(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId], run: &Run) -> ShardReply {
        let parent =
            ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned().unwrap_or_default();
        let inside = |id: &BlockId| run.first <= *id && *id <= run.last;
        let foreign = |(id, _): &(BlockId, Block)| !inside(id) || id.shard(SHARDS) != shard.0;
        if run.blocks.iter().any(foreign) {
            return ShardReply::Refused(ShardRefusal::BadRun);
        }
        let staged = self.versions.entry((shard, version)).or_insert_with(|| parent.clone());
        staged.retain(|id, _| !inside(id));
        staged.extend(run.blocks.iter().cloned());
        let mut changed = Changed::default();
        let mut ids: Vec<BlockId> = run.blocks.iter().map(|(id, _)| *id).collect();
        ids.extend(parent.keys().copied().filter(inside));
        ids.sort_unstable();
        ids.dedup();
        let none = Block::default();
        for id in ids {
            let now = staged.get(&id).unwrap_or(&none);
            let diff = now.diff(parent.get(&id).unwrap_or(&none));
            changed +=
                Changed { added: diff.added.into(), dropped: diff.dropped.into(), unchanged: diff.unchanged.into() };
        }
        ShardReply::Staged(changed)
    }

    fn seal(&self, shard: ShardId, version: VersionId) -> Seal {
        let mut seal = Seal { checksum: 0, numbers: 0 };
        for (id, block) in self.versions.get(&(shard, version)).into_iter().flatten() {
            seal.checksum = seal.checksum.wrapping_add(block.checksum(*id));
            seal.numbers += block.len() as u64;
        }
        seal
    }
}
