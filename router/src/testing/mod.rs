//! A cluster that answers, refuses and fails on demand: one catalog, shards as plain maps, no network.
//!
//! Here is the [`Fake`], and how it answers as a [`Cluster`]. A test makes one by what is in `catalog`,
//! says by `said` how it answers and by `faults` what fails, and looks by `seen` at what came of it.

mod catalog;
mod faults;
mod live;
mod said;
mod seen;
mod shards;

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision};
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{NodeId, RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::verdict::Asker;
use dnc_meta::{CatalogCache, Known, ProposeError, TimedOut};
use dnc_proto::internal::ShardVersion;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::faults::Faults;
pub use self::faults::{Lost, Written};
use self::said::Said;
pub use self::said::{clear, listed, number};
use self::seen::Seen;
use self::shards::Shards;
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

#[derive(Default)]
struct State {
    catalog: Catalog,
    shards: Shards,
    said: Said,
    faults: Faults,
    seen: Seen,
}

impl Cluster for Fake {
    async fn check(&self, numbers: &[PhoneNumber], _asker: &Asker, _request_id: &str, deadline: Instant) -> Checked {
        let view = Arc::clone(&self.cache.get().view);
        let mut state = self.state.lock();
        state.seen.asked.push(numbers.to_vec());
        state.seen.last_time = Some(deadline.saturating_duration_since(Instant::now()));
        let judgements = if state.faults.no_judgements {
            Judgements::default()
        } else {
            numbers.iter().map(|number| state.said.judgement(*number)).collect()
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
        state.faults.before_write(shard, command)?;
        state.seen.written.push((shard, command.clone()));
        let reply = state.shards.apply(shard, command);
        state.faults.after_write(shard)?;
        Ok(reply)
    }

    async fn query(&self, shard: ShardId, query: &ShardQuery, _deadline: Instant) -> Result<ShardAnswer, QueryError> {
        let mut state = self.state.lock();
        state.seen.queries += 1;
        if state.faults.no_query(state.seen.queries) {
            return Err(QueryError::NoAnswer(shard));
        }
        let mut answer = state.shards.answer(shard, query).ok_or(QueryError::NoAnswer(shard))?;
        if let ShardAnswer::Live(counts) = &mut answer {
            counts.extend(state.said.live.iter().copied());
        }
        Ok(answer)
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
                let seal = state.shards.seal(ShardId(shard), version);
                let ready = !state.faults.not_ready;
                ShardVersion { shard, ready, checksum: seal.checksum, numbers: seal.numbers }
            })
            .collect();
        let status = |node: NodeId| NodeVersionStatus { node, result: Ok(shards.clone()) };
        (1..=3).map(status).collect()
    }

    async fn replicas(&self, _deadline: Instant) -> Vec<NodeReplicas> {
        self.state.lock().said.replicas.clone()
    }

    async fn warm(&self, _shards: Vec<u32>, _deadline: Instant) -> Vec<NodeWarmed> {
        self.state.lock().said.warmed.clone()
    }

    async fn barrier(&self, revision: u64, _deadline: Instant) -> Result<(), BarrierError> {
        let mut state = self.state.lock();
        if state.faults.no_barriers {
            return Err(BarrierError(vec![ShardId(0)]));
        }
        state.seen.barriers.push(revision);
        Ok(())
    }

    async fn propose(&self, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
        let (lost, overtaken) = self.state.lock().faults.of_proposal(change);
        if let Some(other) = overtaken {
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
