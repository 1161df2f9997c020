//! Live entries and exemptions of the fake: the commands and the indexes of all shards, as plain lists.

use std::collections::{BTreeMap, HashMap};

use dnc_core::command::{Addition, MAX_BATCH, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, ShardId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, Entry, Search, ShardAnswer, ShardQuery};
use dnc_core::suppression::Removal;

use super::SHARDS;

/// Most entries of one number in one registry.
pub const MAX_ENTRIES: usize = 64;

/// What the shards hold besides versions.
#[derive(Default)]
pub struct Live {
    standing: Vec<Entry>,
    removed: Vec<Entry>,
    exemptions: HashMap<PhoneNumber, Vec<(Exemption, Option<Removal>)>>,
}

fn shard_of(number: PhoneNumber) -> ShardId {
    ShardId(number.block().shard(SHARDS))
}

/// Where an entry stands in an index.
fn place(by: &By, entry: &Entry) -> Vec<u8> {
    let time = match by {
        By::Number { .. } => 0,
        By::Added { .. } | By::Reason { .. } | By::AddedBy { .. } => entry.suppression.added_ms,
        By::NotVerifiedSince { .. } => entry.suppression.verified_ms,
        By::Removed { .. } => entry.removal.as_ref().map_or(0, |removal| removal.removed_ms),
    };
    let mut place = time.to_be_bytes().to_vec();
    place.extend(entry.number.to_u64().to_be_bytes());
    place.extend(entry.registry.0.to_be_bytes());
    place.extend(entry.suppression.id.0.to_be_bytes());
    place
}

/// Whether an entry is in the asked part of an index.
fn is_asked(by: &By, entry: &Entry) -> bool {
    let suppression = &entry.suppression;
    let is_in = |from: &u64, until: &u64, at: u64| (*from..=*until).contains(&at);
    match by {
        By::Number { first, last } => is_in(first, last, entry.number.to_u64()),
        By::Added { from_ms, until_ms } => is_in(from_ms, until_ms, suppression.added_ms),
        By::Reason { reason, from_ms, until_ms } => {
            suppression.reason == *reason && is_in(from_ms, until_ms, suppression.added_ms)
        }
        By::AddedBy { added_by, from_ms, until_ms } => {
            suppression.added_by == *added_by && is_in(from_ms, until_ms, suppression.added_ms)
        }
        By::NotVerifiedSince { since_ms } => suppression.verified_ms < *since_ms,
        By::Removed { from_ms, until_ms } => {
            entry.removal.as_ref().is_some_and(|removal| is_in(from_ms, until_ms, removal.removed_ms))
        }
    }
}

// === impl Live ===

impl Live {
    /// How many entries of each tenant each registry has in a shard.
    pub fn counts(&self, shard: ShardId) -> Vec<(RegistryId, TenantId, u64)> {
        let mut counts = BTreeMap::new();
        for entry in self.standing.iter().filter(|entry| shard_of(entry.number) == shard) {
            *counts.entry((entry.registry, entry.suppression.tenant)).or_insert(0) += 1;
        }
        counts.into_iter().map(|((registry, tenant), count)| (registry, tenant, count)).collect()
    }

    /// Does a command; none if it is about something else.
    pub fn apply(&mut self, shard: ShardId, command: &ShardCommand) -> Option<ShardReply> {
        Some(match command {
            ShardCommand::Suppress(addition) => match self.add(shard, std::slice::from_ref(addition)) {
                Ok(_) => ShardReply::Suppressed { id: addition.suppression.id },
                Err(why) => ShardReply::Refused(why),
            },
            ShardCommand::SuppressMany { additions, .. } => match self.add(shard, additions) {
                Ok(added) => ShardReply::SuppressedMany { added },
                Err(why) => ShardReply::Refused(why),
            },
            ShardCommand::Release { number, registry, tenant, entries, removal, .. } => {
                let is_named = |entry: &mut Entry| {
                    (entry.number, entry.registry, entry.suppression.tenant) == (*number, *registry, *tenant)
                        && entries.contains(&entry.suppression.id)
                };
                let named: Vec<Entry> = self.standing.extract_if(.., is_named).collect();
                let removed = named.len() as u64;
                self.removed.extend(named.into_iter().map(|entry| Entry { removal: Some(removal.clone()), ..entry }));
                ShardReply::Released { removed }
            }
            ShardCommand::Verify { number, registry, tenant, verified_ms, .. } => {
                let mut entries = 0;
                for entry in &mut self.standing {
                    if (entry.number, entry.registry, entry.suppression.tenant) == (*number, *registry, *tenant) {
                        entry.suppression.verified_ms = *verified_ms;
                        entries += 1;
                    }
                }
                ShardReply::Verified { entries }
            }
            ShardCommand::Grant { number, exemption } => {
                let exemptions = self.exemptions.entry(*number).or_default();
                if exemptions.iter().all(|(known, _)| known.id != exemption.id) {
                    exemptions.push((exemption.clone(), None));
                }
                ShardReply::Granted { id: exemption.id }
            }
            ShardCommand::Revoke { number, tenant, exemptions: named, removal, .. } => {
                let mut removed = 0;
                for (exemption, ended) in self.exemptions.entry(*number).or_default() {
                    if exemption.tenant == *tenant && named.contains(&exemption.id) && ended.is_none() {
                        *ended = Some(removal.clone());
                        removed += 1;
                    }
                }
                ShardReply::Revoked { removed }
            }
            _ => return None,
        })
    }

    /// Adds all or none; how many were new.
    fn add(&mut self, shard: ShardId, additions: &[Addition]) -> Result<u64, ShardRefusal> {
        if additions.is_empty() || additions.len() > MAX_BATCH {
            return Err(ShardRefusal::BadBatch(MAX_BATCH as u32));
        }
        if additions.iter().any(|addition| shard_of(addition.number) != shard) {
            return Err(ShardRefusal::WrongShard);
        }
        let before = self.standing.len();
        for Addition { number, registry, suppression } in additions {
            let of_number = |entry: &&Entry| (entry.number, entry.registry) == (*number, *registry);
            let same = |entry: &Entry| {
                (entry.suppression.id, entry.suppression.tenant) == (suppression.id, suppression.tenant)
            };
            if self.standing.iter().filter(of_number).any(same) {
                continue;
            }
            if self.standing.iter().filter(of_number).count() >= MAX_ENTRIES {
                self.standing.truncate(before);
                return Err(ShardRefusal::TooManyEntries(MAX_ENTRIES as u32));
            }
            let suppression = suppression.clone();
            let entry = Entry { place: Vec::new(), number: *number, registry: *registry, suppression, removal: None };
            self.standing.push(entry);
        }
        Ok((self.standing.len() - before) as u64)
    }

    /// Answers a question; none if it is about something else.
    pub fn answer(&self, shard: ShardId, query: &ShardQuery) -> Option<ShardAnswer> {
        match query {
            ShardQuery::Search(search) => Some(self.search(shard, search)),
            ShardQuery::Exemptions { tenant, number } => {
                let found = self.exemptions.get(number).into_iter().flatten();
                Some(ShardAnswer::Exemptions(found.filter(|(e, _)| e.tenant == *tenant).cloned().collect()))
            }
            _ => None,
        }
    }

    fn search(&self, shard: ShardId, search: &Search) -> ShardAnswer {
        let from = if matches!(search.by, By::Removed { .. }) { &self.removed } else { &self.standing };
        let only = |registry: RegistryId| search.registry.is_none_or(|only| only == registry);
        let mut found: Vec<Entry> = from
            .iter()
            .filter(|entry| shard_of(entry.number) == shard && entry.suppression.tenant == search.tenant)
            .filter(|entry| only(entry.registry) && is_asked(&search.by, entry))
            .map(|entry| Entry { place: place(&search.by, entry), ..entry.clone() })
            .filter(|entry| search.after.as_ref().is_none_or(|after| *after < entry.place))
            .collect();
        found.sort_by(|one, other| one.place.cmp(&other.place));
        let more = found.len() > search.limit as usize;
        found.truncate(search.limit as usize);
        ShardAnswer::Entries { entries: found, more }
    }
}
