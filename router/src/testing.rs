//! A cluster that answers, refuses and fails on demand: one catalog, shards as plain maps, no network.

mod live;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dnc_core::block::{Block, BlockBuilder, BlockId};
use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry, NodeAddresses, ShardMap};
use dnc_core::command::{Changed, Edit, Run, Seal, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::ids::{NodeId, RegistryId, RequestId, ShardId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::registry::{RegistryKind, Settings, Source};
use dnc_core::tenant::Terms;
use dnc_core::verdict::{Asker, Evidence, Judgement, Reason, Verdict};
use dnc_meta::{CatalogCache, Known, ProposeError, TimedOut};
use dnc_proto::internal::ShardVersion;
use jiff::civil::{Date, date};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::live::Live;
use crate::cluster::Cluster;
use crate::route::{
    BarrierError, Checked, Judgements, NodeReplicas, NodeVersionStatus, NodeWarmed, QueryError, WriteError,
};

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

/// A proposal like the first is overtaken by the second.
type Before = (fn(&Change) -> bool, Change);

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
    live: Live,
    queries: usize,
    lost_queries: Option<usize>,
    versions: HashMap<(ShardId, VersionId), BTreeMap<BlockId, Block>>,
    dropped: Vec<(ShardId, VersionId)>,
    lost: VecDeque<Lost>,
    lose: Option<fn(&Change) -> Option<Lost>>,
    before: Option<Before>,
    barriers: Vec<u64>,
    no_barriers: bool,
    no_queries: bool,
    not_ready: bool,
    counted: HashMap<RequestId, (TenantId, Date, Counts)>,
    said_live: Vec<(RegistryId, TenantId, u64)>,
    replicas: Vec<NodeReplicas>,
    warmed: Vec<NodeWarmed>,
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

    /// Makes a tenant.
    pub fn tenant(&self, name: &str) -> TenantId {
        self.change(Change::CreateTenant { name: name.into(), terms: Terms::default() });
        self.cache.get().view.tenant_named(name).expect("it was made").id
    }

    /// Makes a live registry of this tenant's own.
    pub fn own_registry(&self, name: &str, owner: TenantId) {
        let registry = NewRegistry { owner: Some(owner), ..NewRegistry::named(name, RegistryKind::Internal) };
        self.change(Change::CreateRegistry(registry));
    }

    /// Disables a registry, or gives it up.
    pub fn close(&self, name: &str, retire: bool) {
        let known = self.cache.get();
        let found = known.catalog.registry_named(name).expect("a registry");
        let (registry, edition) = (found.id, found.edition);
        self.change(if retire {
            Change::RetireRegistry { registry }
        } else {
            let settings = Settings { enabled: false, ..found.settings.clone() };
            Change::UpdateRegistry { registry, edition, settings }
        });
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

    /// Answers this many more questions, and none after them.
    pub fn lose_queries_after(&self, count: usize) {
        let mut state = self.state.lock();
        state.lost_queries = Some(state.queries + count);
    }

    /// The questions that were asked.
    pub fn queries(&self) -> usize {
        self.state.lock().queries
    }

    /// Loses the next proposals before they are made.
    pub fn lose_meta(&self, count: usize) {
        self.state.lock().lost.extend(vec![Lost::Before; count]);
    }

    /// Loses the next proposal like this.
    pub fn lose_next(&self, how: Lost) {
        self.state.lock().lost.push_back(how);
    }

    /// Loses those proposals that `which` says.
    pub fn lose_proposals(&self, which: fn(&Change) -> Option<Lost>) {
        self.state.lock().lose = Some(which);
    }

    /// Another change is made just before the next one like this.
    pub fn change_before(&self, which: fn(&Change) -> bool, other: Change) {
        self.state.lock().before = Some((which, other));
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

    /// Every shard has so many live suppressions of a tenant in a registry.
    pub fn live(&self, registry: RegistryId, tenant: TenantId, count: u64) {
        self.state.lock().said_live.push((registry, tenant, count));
    }

    /// Nodes say this of their replicas.
    pub fn stand(&self, replicas: Vec<NodeReplicas>) {
        self.state.lock().replicas = replicas;
    }

    /// Nodes say this when they are warmed.
    pub fn warms(&self, warmed: Vec<NodeWarmed>) {
        self.state.lock().warmed = warmed;
    }

    /// What was counted, over all shards: each request once.
    pub fn counted(&self) -> Vec<(TenantId, Date, Counts)> {
        self.state.lock().counted.values().cloned().collect()
    }

    /// The versions that shards were told to drop.
    pub fn dropped(&self) -> Vec<(ShardId, VersionId)> {
        self.state.lock().dropped.clone()
    }

    /// The blocks that all shards hold of a version.
    pub fn blocks(&self, version: VersionId) -> usize {
        let state = self.state.lock();
        state.versions.iter().filter(|((_, id), _)| *id == version).map(|(_, blocks)| blocks.len()).sum()
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
            Judgements::default()
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
        let mut state = self.state.lock();
        state.queries += 1;
        if state.no_queries || state.lost_queries.is_some_and(|from| state.queries > from) {
            return Err(QueryError::NoAnswer(shard));
        }
        if matches!(query, ShardQuery::Live) {
            let mut live = state.live.counts(shard);
            live.extend(state.said_live.iter().copied());
            return Ok(ShardAnswer::Live(live));
        }
        if let ShardQuery::Counts { tenant, first, last } = query {
            let here = |day: Date| crate::report::shard_of(day, SHARDS) == shard;
            let asked = |(whose, day, _): &&(TenantId, Date, Counts)| {
                tenant.is_none_or(|only| only == *whose) && (*first..=*last).contains(day) && here(*day)
            };
            return Ok(ShardAnswer::Counts(state.counted.values().filter(asked).cloned().collect()));
        }
        state.live.answer(shard, query).ok_or(QueryError::NoAnswer(shard))
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

    async fn replicas(&self, _deadline: Instant) -> Vec<NodeReplicas> {
        self.state.lock().replicas.clone()
    }

    async fn warm(&self, _shards: Vec<u32>, _deadline: Instant) -> Vec<NodeWarmed> {
        self.state.lock().warmed.clone()
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
        let overtaken = self.state.lock().before.take_if(|(which, _)| which(change));
        if let Some((_, other)) = overtaken {
            self.change(other);
        }
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
        if let Some(reply) = self.live.apply(shard, command) {
            return reply;
        }
        match command {
            ShardCommand::Stage { version, ancestry, run, .. } => self.stage(shard, *version, ancestry, run),
            ShardCommand::Amend { version, ancestry, edits, .. } => self.amend(shard, *version, ancestry, edits),
            ShardCommand::Seal { version, ancestry, .. } => {
                self.begun(shard, *version, ancestry);
                ShardReply::Sealed(self.seal(shard, *version))
            }
            ShardCommand::Prune { keep, from, limit, .. } => self.prune(shard, keep, *from, *limit as usize),
            ShardCommand::Drop { version, .. } => {
                self.dropped.push((shard, *version));
                self.versions.remove(&(shard, *version));
                ShardReply::Done
            }
            ShardCommand::Barrier { .. } => ShardReply::Done,
            ShardCommand::Sweep { .. } => ShardReply::Swept { ended: 0, more: false },
            ShardCommand::Count { request, tenant, day, counts } => {
                self.counted.insert(*request, (*tenant, *day, (**counts).clone()));
                ShardReply::Done
            }
            other => panic!("no shard of this cluster knows {other:?}"),
        }
    }

    fn stage(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId], run: &Run) -> ShardReply {
        let parent =
            ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned().unwrap_or_default();
        let inside = |id: &BlockId| run.first <= *id && *id <= run.last;
        let foreign = |(id, _): &(BlockId, Block)| !inside(id) || id.shard(SHARDS) != shard.0;
        if run.blocks.iter().any(foreign) {
            return ShardReply::Refused(ShardRefusal::BadRun);
        }
        let staged = self.begun(shard, version, ancestry);
        staged.retain(|id, _| !inside(id));
        staged.extend(run.blocks.iter().cloned());
        let mut ids: Vec<BlockId> = run.blocks.iter().map(|(id, _)| *id).collect();
        ids.extend(parent.keys().copied().filter(inside));
        ids.sort_unstable();
        ids.dedup();
        ShardReply::Staged(changed(staged, &parent, &ids))
    }

    fn amend(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId], edits: &[Edit]) -> ShardReply {
        let parent = ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned();
        let (Some(parent), false) = (parent, edits.iter().any(|edit| edit.block.shard(SHARDS) != shard.0)) else {
            return ShardReply::Refused(ShardRefusal::BadRun);
        };
        let staged = self.begun(shard, version, ancestry);
        for Edit { block, add, drop } in edits {
            let before = parent.get(block).cloned().unwrap_or_default();
            let mut after = BlockBuilder::new();
            for line in before.iter().filter(|line| !drop.contains(*line)).chain(add.iter()) {
                after.insert(line).expect("a line of a block");
            }
            match after.build() {
                after if after.is_empty() => staged.remove(block),
                after => staged.insert(*block, after),
            };
        }
        let ids: Vec<BlockId> = edits.iter().map(|edit| edit.block).collect();
        ShardReply::Staged(changed(staged, &parent, &ids))
    }

    /// A version's content, which is its parent's before anything is staged.
    fn begun(&mut self, shard: ShardId, version: VersionId, ancestry: &[VersionId]) -> &mut BTreeMap<BlockId, Block> {
        let parent = ancestry.first().and_then(|parent| self.versions.get(&(shard, *parent))).cloned();
        self.versions.entry((shard, version)).or_insert_with(|| parent.unwrap_or_default())
    }

    /// Versions share no blocks here, so none that is not kept stays. The newest may have been begun since.
    fn prune(&mut self, shard: ShardId, keep: &[VersionId], from: BlockId, limit: usize) -> ShardReply {
        let newest = keep.iter().max().copied();
        let gone = |version: &VersionId| Some(*version) < newest && !keep.contains(version);
        let mut ids: Vec<BlockId> = self
            .versions
            .iter()
            .filter(|((of, _), _)| *of == shard)
            .flat_map(|(_, blocks)| blocks.keys().copied())
            .filter(|id| *id >= from)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let next = ids.get(limit).copied();
        let page = |id: &BlockId| *id >= from && next.is_none_or(|next| *id < next);
        let mut deleted = 0;
        for ((of, version), blocks) in &mut self.versions {
            if *of == shard && gone(version) {
                let before = blocks.len();
                blocks.retain(|id, _| !page(id));
                deleted += (before - blocks.len()) as u64;
            }
        }
        let holding = self
            .versions
            .iter()
            .filter(|((of, _), blocks)| *of == shard && blocks.keys().any(page))
            .map(|((_, version), _)| *version)
            .collect();
        ShardReply::Pruned { deleted, next, holding }
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

/// What changed in these blocks.
fn changed(now: &BTreeMap<BlockId, Block>, before: &BTreeMap<BlockId, Block>, ids: &[BlockId]) -> Changed {
    let none = Block::default();
    let mut changed = Changed::default();
    for id in ids {
        let diff = now.get(id).unwrap_or(&none).diff(before.get(id).unwrap_or(&none));
        changed += Changed { added: diff.added.into(), dropped: diff.dropped.into(), unchanged: diff.unchanged.into() };
    }
    changed
}
