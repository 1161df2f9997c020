//! What the rooms above need of the cluster below.
//!
//! [`Route`] is the real one. The trait is here so that everything above it (the two APIs,
//! opt-outs, imports) can be tried against a cluster that answers, refuses and fails on demand.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Decision};
use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{RegistryId, ShardId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::verdict::Asker;
use dnc_meta::{Known, ProposeError, TimedOut};
use tokio::time::Instant;

use crate::route::{BarrierError, Checked, NodeReplicas, NodeVersionStatus, NodeWarmed, QueryError, Route, WriteError};

/// A cluster to ask. Clones share it.
pub trait Cluster: Clone + Send + Sync + 'static {
    /// Judges numbers for one asker by one view. Never fails: what cannot be known is UNKNOWN.
    fn check(
        &self,
        numbers: &[PhoneNumber],
        asker: &Asker,
        request_id: &str,
        deadline: Instant,
    ) -> impl Future<Output = Checked> + Send;

    /// Writes a command to a shard's log, and repeats it as needed until the deadline.
    fn write(
        &self,
        shard: ShardId,
        command: &ShardCommand,
        deadline: Instant,
    ) -> impl Future<Output = Result<ShardReply, WriteError>> + Send;

    /// Asks the leader of a shard; the answer shows every write that was acknowledged before.
    fn query(
        &self,
        shard: ShardId,
        query: &ShardQuery,
        deadline: Instant,
    ) -> impl Future<Output = Result<ShardAnswer, QueryError>> + Send;

    /// How far a version is on each node of the shard map.
    fn version_status(
        &self,
        registry: RegistryId,
        version: VersionId,
        deadline: Instant,
    ) -> impl Future<Output = Vec<NodeVersionStatus>> + Send;

    /// How the replicas on each node of the catalog stand, as far as it has an address.
    fn replicas(&self, deadline: Instant) -> impl Future<Output = Vec<NodeReplicas>> + Send;

    /// Has each node of the shard map read what checks read into memory; of these shards, or all if there are none.
    fn warm(&self, shards: Vec<u32>, deadline: Instant) -> impl Future<Output = Vec<NodeWarmed>> + Send;

    /// Makes sure that no check is judged by an older catalog from here on.
    fn barrier(&self, revision: u64, deadline: Instant) -> impl Future<Output = Result<(), BarrierError>> + Send;

    /// Proposes a change of the catalog.
    fn propose(&self, change: &Change, limit: Duration) -> impl Future<Output = Result<Decision, ProposeError>> + Send;

    /// The catalog as this router knows it.
    fn known(&self) -> Arc<Known>;

    /// Waits until this router's catalog is as `f` wants it.
    fn wait_for(
        &self,
        limit: Duration,
        f: impl Fn(&Catalog) -> bool + Send + Sync,
    ) -> impl Future<Output = Result<Arc<Known>, TimedOut>> + Send;
}

/// Whether a router can answer: it knows the catalog, and the shards are placed.
pub fn can_answer(catalog: &Catalog) -> bool {
    catalog.founding.is_some() && catalog.shard_map.shards() > 0
}

// === impl Cluster for Route ===

impl Cluster for Route {
    async fn check(&self, numbers: &[PhoneNumber], asker: &Asker, request_id: &str, deadline: Instant) -> Checked {
        Route::check(self, numbers, asker, request_id, deadline).await
    }

    async fn write(&self, shard: ShardId, command: &ShardCommand, deadline: Instant) -> Result<ShardReply, WriteError> {
        Route::write(self, shard, command, deadline).await
    }

    async fn query(&self, shard: ShardId, query: &ShardQuery, deadline: Instant) -> Result<ShardAnswer, QueryError> {
        Route::query(self, shard, query, deadline).await
    }

    async fn version_status(
        &self,
        registry: RegistryId,
        version: VersionId,
        deadline: Instant,
    ) -> Vec<NodeVersionStatus> {
        Route::version_status(self, registry, version, deadline).await
    }

    async fn replicas(&self, deadline: Instant) -> Vec<NodeReplicas> {
        Route::replicas(self, deadline).await
    }

    async fn warm(&self, shards: Vec<u32>, deadline: Instant) -> Vec<NodeWarmed> {
        Route::warm(self, shards, deadline).await
    }

    async fn barrier(&self, revision: u64, deadline: Instant) -> Result<(), BarrierError> {
        Route::barrier(self, revision, deadline).await
    }

    async fn propose(&self, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
        self.meta().propose(change, limit).await
    }

    fn known(&self) -> Arc<Known> {
        Route::known(self)
    }

    async fn wait_for(
        &self,
        limit: Duration,
        f: impl Fn(&Catalog) -> bool + Send + Sync,
    ) -> Result<Arc<Known>, TimedOut> {
        self.cache().wait_for(limit, f).await
    }
}
