//! Everything that is asked of a shard besides checks. The caller has made sure that this replica
//! leads and has applied what was acknowledged.
//!
//! A search walks an index from a place on, and is bounded: by entries, by bytes, and by how many
//! keys it looks at. If it stops early with entries at hand, it says that there may be more, and the
//! place of the last entry is where to go on. It never says that there is no more without having
//! looked: if it finds nothing for too long, that is an error.

use std::ops::ControlFlow;
use std::time::Instant;

use dnc_consensus::Keyspace;
use dnc_core::codec;
use dnc_core::counts::Counts;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Entry, MAX_PAGE, Search, ShardAnswer, ShardQuery};
use dnc_core::suppression::{Removal, Suppression};
use jiff::civil::Date;

use super::keys::{self, EntryName, Place};
use super::records::{Kept, Trace, hash};
use super::{Shard, ShardError, scan, scan_from, tables};

/// Bytes of records after which an answer ends.
const MAX_BYTES: usize = 4 << 20;

/// Index keys after which a page ends that has an entry at least.
const MAX_LOOKED: u64 = 20_000;

// === impl Shard ===

impl Shard {
    /// Answers a question, until the deadline. Blocks.
    pub fn query(&self, query: &ShardQuery, deadline: Instant) -> Result<ShardAnswer, ShardError> {
        let loaded = self.loaded()?;
        let state = &loaded.state;
        match query {
            ShardQuery::Search(search) => self::search(state, search, deadline),
            ShardQuery::Exemptions { tenant, number } if self.owns(*number) => exemptions(state, *tenant, *number),
            ShardQuery::Exemptions { .. } => Err(ShardError::Foreign),
            ShardQuery::Live => live(state),
            ShardQuery::Counts { tenant, first, last } => counts(state, *tenant, *first, *last),
            ShardQuery::Table { table, after } => tables::page(state, *table, after.as_deref()),
            ShardQuery::Blocks { registry, version, from } => {
                Ok(tables::blocks(&*self.versions.content(state, (*registry, *version))?, *from))
            }
        }
    }
}

/// An index, and the part of it that a search walks.
struct Walk<'a> {
    /// Prefix of the index's keys.
    prefix: Vec<u8>,
    /// The first and the last place, each as far as it matters.
    first: Vec<u8>,
    last: Vec<u8>,
    /// Where whole suppressions are.
    table: u8,
    /// What an entry must have in common with the search, because the index knows only its hash.
    same: Same<'a>,
}

enum Same<'a> {
    Anything,
    Reason(&'a str),
    AddedBy(&'a str),
}

// === impl Walk ===

impl Walk<'_> {
    fn of(search: &Search) -> Option<Walk<'_>> {
        let Search { tenant, by, .. } = search;
        let range = |table, text: Option<&str>, from: u64, until: u64| {
            let prefix = keys::index(table, *tenant, text.map(hash));
            (prefix, from.to_be_bytes().to_vec(), until.to_be_bytes().to_vec())
        };
        let ((prefix, first, last), table, same) = match by {
            By::Number { first, last } => (range(keys::ENTRY, None, *first, *last), keys::ENTRY, Same::Anything),
            By::Added { from_ms, until_ms } => {
                (range(keys::ADDED, None, *from_ms, *until_ms), keys::ENTRY, Same::Anything)
            }
            By::Reason { reason, from_ms, until_ms } => {
                (range(keys::WHY, Some(reason), *from_ms, *until_ms), keys::ENTRY, Same::Reason(reason))
            }
            By::AddedBy { added_by, from_ms, until_ms } => {
                (range(keys::WHO, Some(added_by), *from_ms, *until_ms), keys::ENTRY, Same::AddedBy(added_by))
            }
            By::NotVerifiedSince { since_ms } => {
                let until = since_ms.checked_sub(1)?;
                (range(keys::VERIFIED, None, 0, until), keys::ENTRY, Same::Anything)
            }
            By::Removed { from_ms, until_ms } => {
                (range(keys::REMOVED, None, *from_ms, *until_ms), keys::TRACE, Same::Anything)
            }
        };
        Some(Walk { prefix, first, last, table, same })
    }

    /// The key to begin with.
    fn start(&self, by: &By, after: Option<&[u8]>) -> Result<Vec<u8>, ShardError> {
        let place = match after {
            None => self.first.clone(),
            Some(after) => {
                let place = Place::parse(after).map_err(|_| ShardError::BadPlace)?;
                if place.ms.is_none() != matches!(by, By::Number { .. }) {
                    return Err(ShardError::BadPlace);
                }
                // The next one at the earliest.
                let next = [after, &[0]].concat();
                next.max(self.first.clone())
            }
        };
        Ok([self.prefix.as_slice(), &place].concat())
    }
}

// === impl Same ===

impl Same<'_> {
    fn holds(&self, suppression: &Suppression) -> bool {
        match self {
            Same::Anything => true,
            Same::Reason(reason) => suppression.reason == *reason,
            Same::AddedBy(who) => suppression.added_by == *who,
        }
    }
}

fn search(state: &Keyspace, search: &Search, deadline: Instant) -> Result<ShardAnswer, ShardError> {
    let limit = search.limit.clamp(1, MAX_PAGE) as usize;
    let mut entries: Vec<Entry> = Vec::new();
    let mut more = false;
    let Some(walk) = Walk::of(search) else {
        return Ok(ShardAnswer::Entries { entries, more });
    };
    let start = walk.start(&search.by, search.after.as_deref())?;
    let (mut looked, mut bytes) = (0, 0);
    scan_from(state, &walk.prefix, &start, |key, _| {
        let place = &key[walk.prefix.len()..];
        if place.get(..walk.last.len()).is_none_or(|begin| begin > walk.last.as_slice()) {
            return Ok(ControlFlow::Break(()));
        }
        looked += 1;
        if looked % MAX_LOOKED == 0 {
            if !entries.is_empty() {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            if Instant::now() >= deadline {
                return Err(ShardError::TooLong(looked));
            }
        }
        let Place { number, registry, id, ms: _ } = Place::parse(place)?;
        if search.registry.is_some_and(|only| only != registry) {
            return Ok(ControlFlow::Continue(()));
        }
        if entries.len() == limit || bytes >= MAX_BYTES {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        let name = EntryName { number, registry, tenant: search.tenant, id };
        // It may have been removed since the walk began.
        if let Some((suppression, removal, size)) = whole(state, name, walk.table)?
            && walk.same.holds(&suppression)
        {
            bytes += size;
            entries.push(Entry { place: place.to_vec(), number, registry, suppression, removal });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ShardAnswer::Entries { entries, more })
}

/// A suppression, how it was removed if it was, and how many bytes that takes.
fn whole(
    state: &Keyspace,
    name: EntryName,
    table: u8,
) -> Result<Option<(Suppression, Option<Removal>, usize)>, ShardError> {
    let Some(bytes) = state.get(&name.whole(table))? else {
        return Ok(None);
    };
    if table == keys::ENTRY {
        return Ok(Some((codec::decode(&bytes)?, None, bytes.len())));
    }
    let (suppression, removal): Trace = codec::decode(&bytes)?;
    Ok(Some((suppression, Some(removal), bytes.len())))
}

/// All exemptions of a number: those that stand first, then as many of the ended ones as there is room for.
fn exemptions(state: &Keyspace, tenant: TenantId, number: PhoneNumber) -> Result<ShardAnswer, ShardError> {
    let (mut standing, mut ended): (Vec<(Exemption, Option<Removal>)>, Vec<_>) = Default::default();
    let mut bytes = 0;
    scan(state, &keys::exemptions(tenant, number), |_, value| {
        let (exemption, removal): Kept = codec::decode(value)?;
        match removal {
            None => standing.push((exemption, None)),
            Some(removal) if bytes < MAX_BYTES => {
                bytes += value.len();
                ended.push((exemption, Some(removal)));
            }
            Some(_) => {}
        }
        Ok(())
    })?;
    standing.append(&mut ended);
    Ok(ShardAnswer::Exemptions(standing))
}

fn live(state: &Keyspace) -> Result<ShardAnswer, ShardError> {
    let mut live: Vec<(RegistryId, TenantId, u64)> = Vec::new();
    scan(state, &[keys::LIVE], |key, value| {
        let (registry, tenant) = keys::parse_live(key)?;
        live.push((registry, tenant, codec::decode(value)?));
        Ok(())
    })?;
    live.retain(|(_, _, count)| *count > 0);
    Ok(ShardAnswer::Live(live))
}

fn counts(state: &Keyspace, tenant: Option<TenantId>, first: Date, last: Date) -> Result<ShardAnswer, ShardError> {
    let mut counts: Vec<(TenantId, Date, Counts)> = Vec::new();
    let mut bytes = 0;
    let start = keys::counts(first, TenantId(0));
    scan_from(state, &[keys::COUNTS], &start, |key, value| {
        let (day, of) = keys::parse_counts(key)?;
        if day > last {
            return Ok(ControlFlow::Break(()));
        }
        if tenant.is_none_or(|only| only == of) {
            bytes += value.len();
            if bytes > MAX_BYTES {
                return Err(ShardError::TooMuch(MAX_BYTES));
            }
            counts.push((of, day, codec::decode(value)?));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ShardAnswer::Counts(counts))
}
