//! Many entries to their shards: grouped, cut into commands that fit a log entry, and accounted for one by one.

use std::collections::BTreeMap;

use dnc_core::command::{Addition, MAX_BATCH, MAX_RUN_BYTES, ShardCommand, ShardReply};
use dnc_core::ids::{RequestId, ShardId, TenantId};
use dnc_core::suppression::{Scope, Suppression};
use futures::StreamExt;
use tokio::time::Instant;

use super::{Suppressions, ids};
use crate::cluster::Cluster;
use crate::route::WriteError;

/// Commands that are under way at once.
const AT_ONCE: usize = 16;

/// What an entry takes in a log besides its texts, bytes.
const FIXED_BYTES: usize = 128;

/// One entry to be written.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands in what the caller sent.
    pub at: u64,
    /// The entry.
    pub addition: Addition,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done and stays done.
    Acknowledged,
    /// It was not done and will not be.
    Refused(String),
    /// It was not done; repeating it is right.
    NotDone(String),
    /// It may have been done; repeating it is safe.
    Unknown,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub struct Written {
    /// Each with its place, in no order.
    pub outcomes: Vec<(u64, Outcome)>,
    /// How many were not there before.
    pub added: u64,
}

/// The items of each shard, in commands that are neither too many entries nor too many bytes. The
/// same items in the same order make the same commands.
pub fn commands(items: Vec<Item>, shard_of: impl Fn(&Item) -> ShardId) -> Vec<(ShardId, Vec<Item>)> {
    let mut by_shard: BTreeMap<ShardId, Vec<Item>> = BTreeMap::new();
    for item in items {
        by_shard.entry(shard_of(&item)).or_default().push(item);
    }
    let mut commands = Vec::new();
    for (shard, items) in by_shard {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for item in items {
            let size = size_of_entry(&item.addition.suppression);
            if batch.len() == MAX_BATCH || (bytes + size > MAX_RUN_BYTES && !batch.is_empty()) {
                commands.push((shard, std::mem::take(&mut batch)));
                bytes = 0;
            }
            bytes += size;
            batch.push(item);
        }
        commands.push((shard, batch));
    }
    commands
}

/// About how many bytes an entry takes in a log.
pub fn size_of_entry(entry: &Suppression) -> usize {
    let scope = match &entry.scope {
        Scope::Tenant => 0,
        Scope::Brand(name) | Scope::Campaign(name) => name.len(),
    };
    let texts = [&entry.reason, &entry.source, &entry.added_by, &entry.consumer_name, &entry.notes];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    let metadata: usize = entry.metadata.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    FIXED_BYTES + scope + texts + metadata
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Writes these entries. Commands are named after the request and the entries in them.
    pub(super) async fn write_items(
        &self,
        tenant: TenantId,
        request: RequestId,
        items: Vec<Item>,
        deadline: Instant,
    ) -> Written {
        let shards = self.cluster.known().catalog.shard_map.shards();
        let commands = commands(items, |item| ShardId(item.addition.number.block().shard(shards)));
        let writes = futures::stream::iter(commands)
            .map(|(shard, batch)| self.write_batch(tenant, request, shard, batch, deadline));
        writes
            .buffer_unordered(AT_ONCE)
            .fold(Written::default(), |mut all, one| async move {
                all.outcomes.extend(one.outcomes);
                all.added += one.added;
                all
            })
            .await
    }

    /// Writes one command. A shard takes all of it or nothing, so a refused one is halved until the entries that it was refused for stand alone.
    async fn write_batch(
        &self,
        tenant: TenantId,
        request: RequestId,
        shard: ShardId,
        batch: Vec<Item>,
        deadline: Instant,
    ) -> Written {
        let mut written = Written::default();
        let mut todo = vec![batch];
        while let Some(mut batch) = todo.pop() {
            let command = ShardCommand::SuppressMany {
                request: ids::of_batch(tenant, request, batch.iter().map(|item| item.addition.suppression.id)),
                additions: batch.iter().map(|item| item.addition.clone()).collect(),
            };
            let outcome = match self.cluster.write(shard, &command, deadline).await {
                Ok(ShardReply::SuppressedMany { added }) => {
                    written.added += added;
                    Outcome::Acknowledged
                }
                Ok(ShardReply::Refused(_)) if batch.len() > 1 => {
                    let rest = batch.split_off(batch.len() / 2);
                    todo.extend([rest, batch]);
                    continue;
                }
                Ok(ShardReply::Refused(why)) => Outcome::Refused(why.to_string()),
                Err(why @ (WriteError::NoLeader(_) | WriteError::Held { .. } | WriteError::NotPlaced)) => {
                    Outcome::NotDone(why.to_string())
                }
                Ok(_) | Err(WriteError::Unknown(_) | WriteError::BadReply(_)) => Outcome::Unknown,
            };
            written.outcomes.extend(batch.iter().map(|item| (item.at, outcome.clone())));
        }
        written
    }
}
