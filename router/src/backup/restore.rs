//! Restoring a backup into a newly founded cluster.
//!
//! All files are verified before anything is changed. Then the catalog notes that it is being restored, which keeps
//! everybody else from changing it; the shards take entries and blocks; and one change of the catalog makes all of it
//! count. Until then there is no registry, so no check is CLEAR. Every step can be done twice: a restore that was
//! interrupted is begun again, and finds what is there.

use std::time::Duration;

use dnc_core::catalog::{Catalog, Change, Restored};
use dnc_core::command::Seal;
use dnc_core::ids::{RequestId, ShardId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::record::Table;
use dnc_core::registry::Registry;
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::catalog::Kept;
use super::error::Error;
use super::manifest::{Holds, Manifest, table_file};
use super::progress::Progress;
use super::refill::Refill;
use super::store::Store;
use super::{ASK, verify};
use crate::clock::now_ms;
use crate::cluster::{Cluster, can_answer};
use crate::decide;
use crate::import::ready::{self, Expected};
use crate::options::ImportOptions;

/// Shards that are asked at once.
const SHARDS_AT_ONCE: usize = 16;
/// Longest catalog, bytes: JSON of what the meta group holds.
const MAX_CATALOG: u64 = 256 << 20;

/// Restores a backup. Its manifest, and the catalog revision from which on it answers checks.
pub async fn run<C: Cluster>(
    cluster: &C,
    options: &ImportOptions,
    store: &Store,
    name: &str,
    progress: &Progress,
) -> Result<(Manifest, u64), Error> {
    let manifest = verify::manifest(store, name).await?;
    let backup = manifest.id().ok_or(Error::Unexpected)?;
    verify::run(store, &manifest, progress).await?;
    let kept = catalog(store, &manifest).await?;
    if !begin(cluster, backup).await? {
        // It was restored before, and whoever asked for it may not have heard of it.
        let known = cluster.known();
        decide::confirm(cluster, &known, decide::deadline()).await?;
        return Ok((manifest, known.catalog.view_revision));
    }
    for part in kept.parts() {
        decide::propose(cluster, &Change::RestorePart { backup, part }, decide::deadline()).await?;
    }
    let shards = cluster.known().catalog.shard_map.shards();
    progress.total(manifest.bytes());
    let refill = Refill { cluster, store, manifest: &manifest, progress, shards };
    let names = kept.names();
    for table in Table::ALL {
        refill.table(table, manifest.file(Holds::Table(table))?, &names).await?;
    }
    for registry in &kept.registries {
        version(&refill, registry, options).await?;
    }
    let restored = Restored {
        backup,
        cluster: u128::from_str_radix(&manifest.cluster_id, 16).map_err(|_| Error::Unexpected)?,
        revision: manifest.revision,
        next: kept.next,
        at_ms: now_ms(),
    };
    let (_, known) = decide::decide(cluster, &Change::FinishRestore(restored), decide::deadline()).await?;
    tracing::info!(name, revision = known.catalog.view_revision, "backup restored");
    Ok((manifest, known.catalog.view_revision))
}

/// Notes that this backup is being restored. Whether it still has to be: not if it was before.
async fn begin<C: Cluster>(cluster: &C, backup: RequestId) -> Result<bool, Error> {
    let known = cluster.known();
    if !can_answer(&known.catalog) {
        return Err(Error::NotReady);
    }
    let is_under_way = |catalog: &Catalog| catalog.restoring.as_ref().is_some_and(|now| now.backup == backup);
    let is_restored = |catalog: &Catalog| catalog.restored.as_ref().is_some_and(|then| then.backup == backup);
    if !is_under_way(&known.catalog) && !is_restored(&known.catalog) {
        if let Some(why) = known.catalog.not_empty() {
            return Err(Error::NotEmpty(why.into()));
        }
        shards_are_empty(cluster, known.catalog.shard_map.shards()).await?;
    }
    let (_, known) = decide::propose(cluster, &Change::BeginRestore { backup }, decide::deadline()).await?;
    Ok(is_under_way(&known.catalog))
}

/// Refuses shards that hold entries: they would be mixed with those of the backup.
async fn shards_are_empty<C: Cluster>(cluster: &C, shards: u32) -> Result<(), Error> {
    let questions = [Table::Standing, Table::Removed, Table::Exemptions]
        .into_iter()
        .flat_map(|table| (0..shards).map(move |shard| (table, ShardId(shard))));
    futures::stream::iter(questions)
        .map(|(table, shard)| async move {
            let query = ShardQuery::Table { table, after: None };
            match cluster.query(shard, &query, Instant::now() + ASK).await? {
                ShardAnswer::Table { records, .. } if records.is_empty() => Ok(()),
                ShardAnswer::Table { .. } => {
                    let what = table_file(table).trim_end_matches(".jsonl");
                    Err(Error::NotEmpty(format!("shard {shard} holds entries ({what})")))
                }
                _ => Err(Error::Unexpected),
            }
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .try_collect()
        .await
}

/// What the backup holds of its cluster's catalog.
async fn catalog(store: &Store, manifest: &Manifest) -> Result<Kept, Error> {
    let file = manifest.file(Holds::Catalog)?;
    if file.bytes > MAX_CATALOG {
        return Err(Error::damaged(&file.name, "it is longer than a catalog can be"));
    }
    let mut text = Vec::new();
    let mut source = store.read(&manifest.name, file).await?;
    while let Some(piece) = source.next().await? {
        text.extend_from_slice(&piece);
    }
    serde_json::from_slice(&text).map_err(|_| Error::damaged(&file.name, "it is not a catalog"))
}

/// Has the shards take the active version of a registry, and the replicas have it ready.
async fn version<C: Cluster>(
    refill: &Refill<'_, C>,
    registry: &Registry,
    options: &ImportOptions,
) -> Result<(), Error> {
    let Some((version, content)) = registry.active_version() else {
        return Ok(());
    };
    let file = refill.manifest.file(Holds::Version { registry: registry.id, version })?;
    let seals = refill.version(registry.id, version, file).await?;
    let sum = seals.iter().fold(Seal { checksum: 0, numbers: 0 }, |sum, seal| Seal {
        checksum: sum.checksum.wrapping_add(seal.checksum),
        numbers: sum.numbers + seal.numbers,
    });
    // The checksum does not depend on how blocks are spread over shards.
    if sum != (Seal { checksum: content.checksum, numbers: content.numbers }) {
        return Err(Error::OtherVersion(registry.name.clone()));
    }
    let deadline = Instant::now() + Duration::from_secs(options.verify_s);
    ready::wait(refill.cluster, (registry.id, version), Expected::Seals(&seals), deadline).await?;
    Ok(())
}
