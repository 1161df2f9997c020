//! Finds entries by what they say, through the shards' indexes, a page at a time.

use dnc_core::codec;
use dnc_core::ids::{RegistryId, ShardId, TenantId};
use dnc_core::query::{By, MAX_PAGE, Search};
use dnc_core::suppression::MAX_TEXT;
use dnc_meta::Known;
use tokio::time::Instant;

use super::cursor::Cursor;
use super::target::live;
use super::walk::Walk;
use super::{Error, Suppressions, entry, prefix};
use crate::cluster::Cluster;
use crate::entries::SuppressionShown;
use crate::failure::Invalid;
use crate::options::MAX_ID_BYTES;

/// Entries in a page where the caller does not say how many.
const USUAL_PAGE: u32 = 100;

/// Numbers in one block: what lies in one block lies in one shard.
const BLOCK: u64 = 10_000;

/// What to find, as the caller wrote it. What is empty does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Entries of this number.
    pub number: String,
    /// Entries of numbers that begin so.
    pub prefix: String,
    /// Entries with this very reason.
    pub reason: String,
    /// Entries that this person entered.
    pub added_by: String,
    /// Added, or removed, at this time or later, RFC 3339.
    pub from: String,
    /// At this time or earlier.
    pub until: String,
    /// Entries last verified before this time.
    pub not_verified_since: String,
    /// Entries that were removed.
    pub removed: bool,
    /// Only entries of this registry.
    pub registry: String,
    /// Entries in the page; 0 for the usual.
    pub limit: u32,
    /// Where to go on.
    pub cursor: String,
}

/// Some of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the order of the index.
    pub entries: Vec<SuppressionShown>,
    /// Where to go on; empty at the end.
    pub cursor: String,
}

// === impl Question ===

impl Question {
    /// The indexes to walk, one after the other.
    fn indexes(&self) -> Result<Vec<By>, Invalid> {
        let given = [
            !self.number.is_empty(),
            !self.prefix.is_empty(),
            !self.reason.is_empty(),
            !self.added_by.is_empty(),
            !self.not_verified_since.is_empty(),
            self.removed,
        ];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err(Invalid::new(
                "search",
                "one of number, prefix, reason, added_by, not_verified_since and removed at most",
            ));
        }
        let timed = !self.from.is_empty() || !self.until.is_empty();
        if timed && (given[0] || given[1] || given[4]) {
            return Err(Invalid::new("from", "from and until go with reason, added_by and removed, or stand alone"));
        }
        let from_ms = if self.from.is_empty() { 0 } else { entry::time("from", &self.from)? };
        let until_ms = if self.until.is_empty() { u64::MAX } else { entry::time("until", &self.until)? };
        if from_ms > until_ms {
            return Err(Invalid::new("from", "must not be later than until"));
        }
        let by = if !self.number.is_empty() {
            let number = entry::number(&self.number).map_err(|why| Invalid::new("number", why.detail))?.to_u64();
            By::Number { first: number, last: number }
        } else if !self.prefix.is_empty() {
            let ranges = prefix::ranges(&self.prefix)?;
            return Ok(ranges.into_iter().map(|(first, last)| By::Number { first, last }).collect());
        } else if !self.reason.is_empty() {
            Invalid::limit("reason", &self.reason, MAX_TEXT)?;
            By::Reason { reason: self.reason.clone(), from_ms, until_ms }
        } else if !self.added_by.is_empty() {
            Invalid::limit("added_by", &self.added_by, MAX_ID_BYTES)?;
            By::AddedBy { added_by: self.added_by.clone(), from_ms, until_ms }
        } else if !self.not_verified_since.is_empty() {
            By::NotVerifiedSince { since_ms: entry::time("not_verified_since", &self.not_verified_since)? }
        } else if self.removed {
            By::Removed { from_ms, until_ms }
        } else if timed {
            By::Added { from_ms, until_ms }
        } else {
            By::Number { first: 0, last: u64::MAX }
        };
        Ok(vec![by])
    }

    fn page(&self) -> Result<usize, Invalid> {
        match self.limit {
            0 => Ok(USUAL_PAGE as usize),
            limit if limit <= MAX_PAGE => Ok(limit as usize),
            _ => Err(Invalid::new("limit", format!("must be 1 to {MAX_PAGE}"))),
        }
    }
}

/// The shards that can hold entries of an index.
pub fn shards(by: &By, count: u32) -> Vec<ShardId> {
    if let By::Number { first, last } = by {
        let blocks = first / BLOCK..=last / BLOCK;
        if blocks.end() - blocks.start() < u64::from(count) {
            let mut some: Vec<ShardId> =
                blocks.map(|block| ShardId(dnc_core::block::BlockId(block).shard(count))).collect();
            some.sort_unstable();
            some.dedup();
            return some;
        }
    }
    (0..count).map(ShardId).collect()
}

/// The name of a registry, of which entries can outlive what this router knows.
pub fn name(known: &Known, id: RegistryId) -> String {
    known.catalog.registries.get(&id).map_or_else(|| format!("registry {id}"), |registry| registry.name.clone())
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// A page of what is to be found.
    pub async fn search(&self, tenant: TenantId, question: &Question) -> Result<Page, Error> {
        let deadline = Instant::now() + self.limit;
        let indexes = question.indexes()?;
        let wanted = question.page()?;
        let known = self.catalog(&[]).await?;
        let registry = match question.registry.as_str() {
            "" => None,
            name => Some(live(&known, tenant, name)?.id),
        };
        let key = known.catalog.founding.as_ref().ok_or(Error::NotReady)?.log_key;
        let search = codec::encode(&(tenant, &indexes, registry));
        let from = match question.cursor.as_str() {
            "" => None,
            text => Some(Cursor::read(text, &key, &search)?),
        };

        let count = known.catalog.shard_map.shards();
        let first = from.as_ref().map_or(0, |cursor| usize::from(cursor.range));
        let mut page = Page { entries: Vec::new(), cursor: String::new() };
        let mut last = None;
        for (at, by) in indexes.into_iter().enumerate().skip(first) {
            let shards = shards(&by, count);
            let after = from.as_ref().filter(|_| at == first).map(|cursor| cursor.place.clone());
            let walked = Search { tenant, by, registry, after, limit: MAX_PAGE };
            // One more than wanted tells whether there is a next page.
            let missing = wanted + 1 - page.entries.len();
            let mut walk = Walk::new(self.cluster.clone(), walked, shards, missing, self.limit, Some(deadline));
            while let Some(entry) = walk.next().await? {
                if page.entries.len() == wanted {
                    page.cursor = last.take().map_or_else(String::new, |last: Cursor| last.write(&key, &search));
                    return Ok(page);
                }
                let range = u8::try_from(at).map_err(|_| Error::Unexpected)?;
                last = Some(Cursor { range, place: entry.place.clone() });
                let registry = name(&known, entry.registry);
                page.entries.push(SuppressionShown::of(entry, &registry));
            }
        }
        Ok(page)
    }
}
