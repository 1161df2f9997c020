//! The life of one replica: started, watched over, started again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{Group, Host, Role};
use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_meta::CatalogCache;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::wishes::wanted;
use super::{Hosting, Replica, chain, group_of};
use crate::shard::Shard;

/// Whether a replica still runs is looked at this often.
const LOOK: Duration = Duration::from_millis(250);

/// Pauses before a failed replica is started again grow from the first to the second.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A replica that has run for so long is well.
const WELL: Duration = Duration::from_secs(30);

/// The catalog is waited for in turns of this.
const REMIND: Duration = Duration::from_secs(60);

/// Time for a replica to stop.
const STOP: Duration = Duration::from_secs(10);

/// What it takes to run a replica.
#[derive(Clone)]
pub struct Tender {
    pub hosting: Hosting,
    pub host: Host,
    pub node: NodeId,
    pub cache: CatalogCache,
    /// Bounds how many read their state at a time.
    pub starts: Arc<Semaphore>,
}

/// Why a replica could not be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Host(#[from] dnc_consensus::HostError),
    #[error(transparent)]
    Shard(#[from] crate::shard::ShardError),
}

// === impl Tender ===

impl Tender {
    /// Runs a replica until it is to `leave`, or for as long as the node runs.
    pub async fn tend(self, shard: ShardId, leave: CancellationToken) {
        leave.run_until_cancelled(self.keep_running(shard)).await;
        self.hosting.leaves(shard);
        self.stop(shard).await;
    }

    async fn keep_running(&self, shard: ShardId) -> Infallible {
        let mut pause = PAUSE;
        loop {
            // What an earlier task of this replica left behind, if it panicked.
            self.hosting.leaves(shard);
            self.stop(shard).await;
            let why = match self.start(shard).await {
                Ok(replica) => {
                    tokio::select! {
                        why = stopped(&replica.group) => why,
                        () = self.superseded(&replica.group, shard) => {
                            self.hosting.leaves(shard);
                            continue;
                        }
                        never = self.found(&replica.group, shard) => match never {},
                        never = self.prosper(shard, &mut pause) => match never {},
                    }
                }
                Err(error) => chain(&error),
            };
            self.hosting.fails(shard, why);
            self.stop(shard).await;
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Starts a replica. It answers as soon as it knows its state and its log.
    async fn start(&self, id: ShardId) -> Result<Replica, StartError> {
        // Nobody closes the semaphore.
        let _turn = self.starts.acquire().await.ok();
        let known = self.cache.get();
        if let Some(lineage) = known.catalog.recoveries.lineages.get(&id) {
            let alone = lineage.survivor == self.node;
            self.host.enter_generation(group_of(id), lineage.generation, alone).await?;
        }
        let shard = Shard::new(id, known.catalog.shard_map.shards());
        shard.want(wanted(&known.catalog))?;
        let group = self.host.start_group(group_of(id), shard.clone()).await?;
        let replica = Replica::new(shard, group);
        self.hosting.runs(replica.clone());
        Ok(replica)
    }

    /// Gives a new group its first members; a group that lives already has them. Every first voter says the same, so it
    /// does not matter who is first. Not before the time in which a replica that has just started may not campaign. A
    /// shard that has moved has a group, and whoever is on the way into one waits to be taken in. So has one that was
    /// recovered, also if the catalog that was read at the start is too old to say so.
    async fn found(&self, group: &Group, shard: ShardId) -> Infallible {
        let catalog = &self.cache.get().catalog;
        let voters: BTreeSet<NodeId> = catalog.shard_map.replicas(shard).iter().copied().collect();
        let has_group = catalog.moves.moved.contains(&shard) || group.generation() > 0;
        let is_first = !has_group && voters.contains(&self.node);
        let mut warned = false;
        while is_first && let Err(error) = group.initialize(voters.clone()).await {
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(shard = shard.0, %error, "give the group its first members; trying again");
            }
            sleep(PAUSE).await;
        }
        self.hosting.founded(shard);
        std::future::pending().await
    }

    /// Returns when the group goes on as a newer generation: what this replica says counts for nothing any more.
    async fn superseded(&self, group: &Group, shard: ShardId) {
        let newer = |catalog: &Catalog| catalog.generation(shard) > group.generation();
        while self.cache.wait_for(REMIND, newer).await.is_err() {}
        tracing::warn!(shard = shard.0, "the shard is recovered without a majority; its replica here starts again");
    }

    /// After a while it is well: what was wrong before is forgotten.
    async fn prosper(&self, shard: ShardId, pause: &mut Duration) -> Infallible {
        sleep(WELL).await;
        self.hosting.well(shard);
        *pause = PAUSE;
        std::future::pending().await
    }

    async fn stop(&self, shard: ShardId) {
        match timeout(STOP, self.host.stop_group(group_of(shard))).await {
            // It may never have started. Or it is starting or stopping: nothing is done with it until that has ended.
            Ok(Ok(()) | Err(_)) => {}
            // It goes on stopping; until it has, it cannot be started.
            Err(_) => tracing::warn!(shard = shard.0, "the replica does not stop"),
        }
    }
}

/// Returns when a group has stopped, and says why.
async fn stopped(group: &Group) -> String {
    loop {
        let status = group.status();
        if status.role == Role::Stopped {
            return status.failure.unwrap_or_else(|| "it was shut down".to_owned());
        }
        sleep(LOOK).await;
    }
}
