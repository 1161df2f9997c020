//! Making a backup while the cluster serves.
//!
//! What is acknowledged before it begins is in it. The catalog is read through the meta group's log, and fixes which
//! versions belong to the backup: their blocks never change. A shard's leader answers each page after it has made sure
//! that it leads, so a page shows every entry acknowledged before the question; one that is removed while pages are
//! read leaves the table of those that stand for that of the removed, which is read after it.

use std::sync::Arc;

use dnc_core::block::BlockId;
use dnc_core::catalog::{Catalog, Change};
use dnc_core::command::Seal;
use dnc_core::ids::{RequestId, ShardId, VersionId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::record::Table;
use dnc_core::registry::{Content, Registry};
use dnc_meta::Known;
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::catalog::{CATALOG, Kept};
use super::error::Error;
use super::lines::Names;
use super::manifest::{FORMAT, File, Holds, MANIFEST, Manifest, table_file};
use super::progress::Progress;
use super::store::Store;
use super::{ASK, blocks};
use crate::cluster::{Cluster, can_answer};
use crate::decide;

/// A backup being made.
struct Making<'a, C> {
    cluster: &'a C,
    store: &'a Store,
    progress: &'a Progress,
    name: String,
    shards: u32,
    files: Vec<File>,
}

/// Makes a backup.
pub async fn run<C: Cluster>(cluster: &C, store: &Store, progress: &Progress) -> Result<Manifest, Error> {
    let began = Timestamp::now();
    let known = fixed(cluster).await?;
    let catalog = &known.catalog;
    let cluster_id = catalog.founding.as_ref().ok_or(Error::NotReady)?.cluster;
    let id = Uuid::now_v7();
    let chance = Uuid::new_v4().as_u128() & 0xffff_ffff;
    let name = format!("{}-{chance:08x}", began.strftime("%Y%m%dT%H%M%SZ"));
    tracing::info!(name, revision = catalog.revision, "backup begins");
    let shards = catalog.shard_map.shards();
    let mut making = Making { cluster, store, progress, name, shards, files: Vec::new() };
    making.catalog(catalog).await?;
    let names = Names::of(catalog);
    for table in Table::ALL {
        making.table(table, &names).await?;
    }
    for registry in catalog.registries.values() {
        if let Some((version, content)) = registry.active_version() {
            making.version(registry, version, content).await?;
        }
    }
    let manifest = Manifest {
        format: FORMAT,
        name: making.name.clone(),
        backup_id: RequestId(id.as_u128()).to_string(),
        cluster_id: format!("{cluster_id:032x}"),
        revision: catalog.revision,
        began_at: began.to_string(),
        completed_at: Timestamp::now().to_string(),
        software: env!("CARGO_PKG_VERSION").into(),
        shards,
        files: std::mem::take(&mut making.files),
        sha256: String::new(),
    };
    making.manifest(&manifest).await?;
    Ok(manifest)
}

/// The catalog with everything that was acknowledged before: a read goes through the meta group's log as a change does.
async fn fixed<C: Cluster>(cluster: &C) -> Result<Arc<Known>, Error> {
    if !can_answer(&cluster.known().catalog) {
        return Err(Error::NotReady);
    }
    let (_, known) = decide::propose(cluster, &Change::Read, decide::deadline()).await?;
    if known.catalog.restoring.is_some() {
        return Err(Error::Restoring);
    }
    Ok(known)
}

// === impl Making ===

impl<C: Cluster> Making<'_, C> {
    async fn catalog(&mut self, catalog: &Catalog) -> Result<(), Error> {
        let text = serde_json::to_vec(&Kept::of(catalog)).expect("a catalog is JSON");
        self.progress.step("writing", CATALOG);
        let mut sink = self.store.create(&self.name, CATALOG).await?;
        sink.write(&text, self.progress).await?;
        let (bytes, sha256) = sink.finish(self.progress).await?;
        self.files.push(File { name: CATALOG.into(), holds: Holds::Catalog, bytes, sha256, entries: 1, numbers: 0 });
        Ok(())
    }

    /// All shards' entries of a table.
    async fn table(&mut self, table: Table, names: &Names) -> Result<(), Error> {
        let file = table_file(table);
        self.progress.step("writing", file);
        let mut sink = self.store.create(&self.name, file).await?;
        let mut entries = 0;
        for shard in (0..self.shards).map(ShardId) {
            let mut after = None;
            loop {
                let answer =
                    self.cluster.query(shard, &ShardQuery::Table { table, after }, Instant::now() + ASK).await?;
                let ShardAnswer::Table { records, next } = answer else {
                    return Err(Error::Unexpected);
                };
                let before = entries;
                for line in records.into_iter().filter_map(|record| names.line(record)) {
                    sink.write(&line, self.progress).await?;
                    entries += 1;
                }
                self.progress.advance(entries - before, 0);
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        let (bytes, sha256) = sink.finish(self.progress).await?;
        let holds = Holds::Table(table);
        self.files.push(File { name: file.into(), holds, bytes, sha256, entries, numbers: 0 });
        Ok(())
    }

    /// All shards' blocks of a version.
    async fn version(&mut self, registry: &Registry, version: VersionId, content: &Content) -> Result<(), Error> {
        let file = format!("registry-{}-{version}.blocks", registry.name);
        self.progress.step("writing", &file);
        let mut sink = self.store.create(&self.name, &file).await?;
        let mut sum = Seal { checksum: 0, numbers: 0 };
        let mut entries = 0;
        for shard in (0..self.shards).map(ShardId) {
            let mut from = Some(BlockId(0));
            while let Some(first) = from {
                let query = ShardQuery::Blocks { registry: registry.id, version, from: first };
                let answer = self.cluster.query(shard, &query, Instant::now() + ASK).await;
                let ShardAnswer::Blocks { blocks, next } = answer.map_err(|why| self.gone(registry, version, why))?
                else {
                    return Err(Error::Unexpected);
                };
                let mut bytes = Vec::new();
                for (id, block) in &blocks {
                    sum.checksum = sum.checksum.wrapping_add(block.checksum(*id));
                    sum.numbers += block.len() as u64;
                    blocks::put(*id, block, &mut bytes);
                }
                sink.write(&bytes, self.progress).await?;
                entries += blocks.len() as u64;
                self.progress.advance(blocks.len() as u64, 0);
                from = next.filter(|next| *next > first);
            }
        }
        if sum != (Seal { checksum: content.checksum, numbers: content.numbers }) {
            return Err(Error::OtherVersion(registry.name.clone()));
        }
        let (bytes, sha256) = sink.finish(self.progress).await?;
        let holds = Holds::Version { registry: registry.id, version };
        self.files.push(File { name: file, holds, bytes, sha256, entries, numbers: sum.numbers });
        Ok(())
    }

    /// Why a shard does not show a version.
    fn gone(&self, registry: &Registry, version: VersionId, why: crate::route::QueryError) -> Error {
        let known = self.cluster.known();
        let now = known.catalog.registries.get(&registry.id).and_then(|registry| registry.versions.get(&version));
        match now.and_then(|version| version.content()) {
            Some(_) => Error::Unanswered(why),
            None => Error::VersionGone(registry.name.clone()),
        }
    }

    /// From here on it is a backup.
    async fn manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        self.store.settle(&self.name).await?;
        self.progress.step("writing", MANIFEST);
        let mut sink = self.store.create(&self.name, MANIFEST).await?;
        sink.write(&manifest.clone().encode(), self.progress).await?;
        sink.finish(self.progress).await?;
        self.store.settle(&self.name).await
    }
}
