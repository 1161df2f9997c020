//! An export taken in again: entries keep their ids, their times and all else, so that the same
//! text comes out again.
//!
//! The text is written as it comes, some thousand entries at a time. A line that cannot be read
//! ends it; what came before stays, for more opt-outs than there should be do no harm, and the
//! whole text can be sent again: an entry that is there is recognised by its id.

use std::collections::HashMap;
use std::time::Duration;

use dnc_core::command;
use dnc_core::ids::{RegistryId, TenantId};
use futures::{Stream, StreamExt};
use prost::bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::batch::{Item, Outcome, size_of_entry};
use super::records::{Records, TooLong};
use super::target::open;
use super::{Error, Format, Suppressions, new_request, text};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::telemetry;

/// Most bytes in one piece of the text.
pub const MAX_PIECE: usize = 1 << 20;
/// Most bytes of one import.
const MAX_BYTES: u64 = 16 << 30;
/// Entries that are written together, and their bytes.
const ROUND: usize = 8_000;
const ROUND_BYTES: usize = 8 << 20;
/// How long the sender may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// How long writing one round may take: elections pass in it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an import may take in all.
const LIMIT: Duration = Duration::from_secs(4 * 3_600);
/// Refused lines that are told; more are only counted.
const MAX_TOLD: usize = 100;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries read.
    pub entries: u64,
    /// Taken in now.
    pub added: u64,
    /// There already.
    pub unchanged: u64,
    /// Left out because their time is over.
    pub ended: u64,
    /// Refused by the shards, one by one.
    pub refused: u64,
    /// The first of those, by line.
    pub refused_lines: Vec<(u64, String)>,
}

/// An import under way.
struct Run<'a, C> {
    rooms: &'a Suppressions<C>,
    tenant: TenantId,
    format: Format,
    /// Takes all entries, if one is named.
    registry: &'a str,
    registries: HashMap<String, RegistryId>,
    headed: bool,
    items: Vec<Item>,
    bytes: usize,
    so_far: Imported,
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Takes in what was exported, into this registry or, if none is named, each entry into its own.
    pub async fn import(
        &self,
        tenant: TenantId,
        format: Format,
        registry: &str,
        pieces: impl Stream<Item = Result<Bytes, Error>> + Send,
    ) -> Result<Imported, Error> {
        let _slot = self.stream_slot()?;
        let names: &[&str] = if registry.is_empty() { &[] } else { &[registry] };
        let known = self.catalog(names).await?;
        for name in names {
            open(&known, tenant, name)?;
        }
        let run = Run {
            rooms: self,
            tenant,
            format,
            registry,
            registries: HashMap::new(),
            headed: false,
            items: Vec::new(),
            bytes: 0,
            so_far: Imported::default(),
        };
        let done = run.all(pieces).await;
        match &done {
            Ok(done) => {
                tracing::info!(
                    entries = done.entries,
                    added = done.added,
                    refused = done.refused,
                    "suppressions imported"
                );
                telemetry::suppression("import", "done");
                self.counting.suppressions(tenant, done.added, 0);
            }
            Err(_) => telemetry::suppression("import", "failed"),
        }
        done
    }
}

// === impl Run ===

impl<C: Cluster> Run<'_, C> {
    async fn all(mut self, pieces: impl Stream<Item = Result<Bytes, Error>> + Send) -> Result<Imported, Error> {
        let started = Instant::now();
        let mut pieces = std::pin::pin!(pieces);
        let mut records = Records::new(self.format);
        let mut bytes = 0;
        loop {
            let piece = timeout(IDLE, pieces.next()).await.map_err(|_| self.stopped("nothing came for a minute"))?;
            let Some(piece) = piece else {
                break;
            };
            let piece = piece?;
            bytes += piece.len() as u64;
            if bytes > MAX_BYTES {
                return Err(self.stopped("an import has at most 16 GiB"));
            }
            if started.elapsed() > LIMIT {
                return Err(self.stopped("it took too long"));
            }
            records.push(&piece);
            loop {
                match records.next() {
                    Ok(Some((line, record))) => self.take(line, record).await?,
                    Ok(None) => break,
                    Err(TooLong { line }) => return Err(self.bad(line, "longer than an entry can be")),
                }
            }
        }
        if let Some((line, record)) = records.rest() {
            self.take(line, record).await?;
        }
        self.write().await?;
        Ok(self.so_far)
    }

    /// Reads a record, and writes those before it if they are enough.
    async fn take(&mut self, line: u64, record: &[u8]) -> Result<(), Error> {
        if self.format == Format::Csv && !self.headed {
            let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
            if !self.format.is_head(record) {
                let names = text::COLUMNS.join(",");
                return Err(self.bad(line, format!("the first line must name the columns of an export: {names}")));
            }
            self.headed = true;
            return Ok(());
        }
        let shown = self.format.read(record).map_err(|why| self.bad(line, why))?;
        let registry = if self.registry.is_empty() { shown.registry.clone() } else { self.registry.to_owned() };
        let now = now_ms();
        let (number, suppression) = text::entry(shown, self.tenant, now).map_err(|why| self.invalid(line, &why))?;
        let registry = self.registry_of(line, registry).await?;
        self.so_far.entries += 1;
        if suppression.expires_ms.is_some_and(|end| end <= now) {
            self.so_far.ended += 1;
            return Ok(());
        }
        self.bytes += size_of_entry(&suppression);
        self.items.push(Item { at: line, addition: command::Addition { number, registry, suppression } });
        if self.items.len() >= ROUND || self.bytes >= ROUND_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    async fn registry_of(&mut self, line: u64, name: String) -> Result<RegistryId, Error> {
        if let Some(id) = self.registries.get(&name) {
            return Ok(*id);
        }
        let known = self.rooms.catalog(&[&name]).await.map_err(|why| self.stopped(why.to_string()))?;
        let found = open(&known, self.tenant, &name).map(|registry| registry.id);
        let id = found.map_err(|why| self.bad(line, format!("registry: {why}")))?;
        self.registries.insert(name, id);
        Ok(id)
    }

    /// Writes what was read.
    async fn write(&mut self) -> Result<(), Error> {
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        if items.is_empty() {
            return Ok(());
        }
        // A request of its own each time: the same text that is sent again after a removal is no repetition.
        let request = new_request();
        let written = self.rooms.write_items(self.tenant, request, items, Instant::now() + PATIENCE).await;
        let mut open = 0_u64;
        let mut acknowledged = 0;
        let mut refused = Vec::new();
        for (line, outcome) in written.outcomes {
            match outcome {
                Outcome::Acknowledged => acknowledged += 1,
                Outcome::Refused(why) => refused.push((line, why)),
                Outcome::NotDone(_) | Outcome::Unknown => open += 1,
            }
        }
        refused.sort_unstable();
        let done = &mut self.so_far;
        done.added += written.added;
        done.unchanged += acknowledged - written.added.min(acknowledged);
        done.refused += refused.len() as u64;
        let room = MAX_TOLD - done.refused_lines.len();
        done.refused_lines.extend(refused.into_iter().take(room));
        if open > 0 {
            return Err(self.stopped(format!("{open} entries were not confirmed in time")));
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.so_far.added + self.so_far.unchanged
    }

    fn stopped(&self, why: impl Into<String>) -> Error {
        Error::Stopped { why: why.into(), done: self.done() }
    }

    fn bad(&self, line: u64, detail: impl Into<String>) -> Error {
        Error::BadLine { line, detail: detail.into(), done: self.done() }
    }

    fn invalid(&self, line: u64, why: &Invalid) -> Error {
        self.bad(line, why.to_string())
    }
}
