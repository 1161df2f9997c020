//! Numbers out of a live registry.
//!
//! A removal that is repeated late must not take away an opt-out that came in between. The shard
//! recognises a repetition of what it has done; what it has not seen yet is bounded here: a removal
//! takes the entries that its caller named, or those that are no newer than the time in its own id.

use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{BadRequestId, RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::{By, MAX_PAGE, Search, ShardAnswer, ShardQuery};
use dnc_core::suppression::{self, MAX_TEXT, Suppression};

use super::target::Target;
use super::{Error, Suppressions, entry, ids, outcome_of};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::options::MAX_ID_BYTES;
use crate::telemetry;

/// How far ahead of this router's clock the time in a removal's id may be. Beyond that it bounds nothing.
const MAX_AHEAD_MS: u64 = 60_000;

/// A number to be listed no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// A live registry; [`super::DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Why. Required.
    pub reason: String,
    /// Who removes it; may be empty.
    pub removed_by: String,
    /// Names the request; made here if empty.
    pub request_id: String,
    /// The entries to remove; if none is named, those that stand and are no newer than the request.
    pub entry_ids: Vec<String>,
}

/// A number whose entries are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many entries there were.
    pub removed: u64,
    /// How many stand, because they are newer than the request.
    pub kept: u64,
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: String,
}

/// Which entries a removal takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These.
    Named(Vec<RequestId>),
    /// Those that stand and were added no later than this; none means all that stand.
    Until(Option<u64>),
}

/// Who removes, and why.
#[derive(Clone, Debug)]
pub struct Why {
    pub reason: String,
    pub removed_by: String,
}

// === impl Why ===

impl Why {
    /// A reason, and who gives it.
    pub fn new(reason: String, removed_by: String) -> Result<Why, Invalid> {
        Invalid::require("reason", &reason, MAX_TEXT)?;
        Invalid::limit("removed_by", &removed_by, MAX_ID_BYTES)?;
        Ok(Why { reason, removed_by })
    }
}

/// Which entries a removal under this id takes that names none. An id that came with the request may be a repeated one.
pub fn bounded(given: &str, request: RequestId, now_ms: u64) -> Result<Which, Invalid> {
    if given.is_empty() {
        return Ok(Which::Until(None));
    }
    match ids::time_ms(request) {
        // Such as the id that an Idempotency-Key stands for. What it removed once it does not remove again: the shard
        // recognises it. If it was never carried out it takes what stands now, as its caller asks now.
        None => Ok(Which::Until(Some(now_ms))),
        Some(time) if time > now_ms + MAX_AHEAD_MS => {
            Err(Invalid::new("request_id", "its time is ahead of this router's clock"))
        }
        Some(time) => Ok(Which::Until(Some(time))),
    }
}

/// The entries that a caller named.
fn named(entry_ids: &[String]) -> Result<Vec<RequestId>, Invalid> {
    if entry_ids.len() > MAX_PAGE as usize {
        return Err(Invalid::new("entry_ids", format!("more than {MAX_PAGE}")));
    }
    let read = |text: &String| text.parse().map_err(|why: BadRequestId| Invalid::new("entry_ids", why.to_string()));
    entry_ids.iter().map(read).collect()
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Removes entries of a number.
    pub async fn remove(&self, tenant: TenantId, removal: Removal) -> Result<Removed, Error> {
        let outcome = self.try_remove(tenant, removal).await;
        telemetry::suppression("remove", outcome_of(&outcome));
        self.counting.suppressions(tenant, 0, outcome.as_ref().map_or(0, |removed| removed.removed));
        outcome
    }

    async fn try_remove(&self, tenant: TenantId, removal: Removal) -> Result<Removed, Error> {
        let why = Why::new(removal.reason, removal.removed_by)?;
        let request = entry::request_id(&removal.request_id)?;
        let which = match named(&removal.entry_ids)? {
            entries if entries.is_empty() => bounded(&removal.request_id, request, now_ms())?,
            entries => Which::Named(entries),
        };
        let number = entry::number(&removal.phone_number)?;
        let target = self.target(tenant, number, &removal.registry, request).await?;
        self.release(tenant, &target, which, &why).await
    }

    /// Removes what is to be removed of one number.
    pub(super) async fn release(
        &self,
        tenant: TenantId,
        target: &Target,
        which: Which,
        why: &Why,
    ) -> Result<Removed, Error> {
        let may_be_repeated = which != Which::Until(None);
        let (entries, kept) = match which {
            Which::Named(entries) => (entries, 0),
            Which::Until(until) => {
                let standing = self.entries(tenant, target).await?;
                let is_older = |entry: &Suppression| until.is_none_or(|until| entry.added_ms <= until);
                let entries: Vec<_> = standing.iter().filter(|entry| is_older(entry)).map(|entry| entry.id).collect();
                let kept = (standing.len() - entries.len()) as u64;
                (entries, kept)
            }
        };
        // With nothing to remove there is nothing to write, unless the caller may be repeating
        // itself: then the shard knows what the first time removed, or remembers this as the first
        // time, so that a still later repetition takes away no entry made in between.
        let removed = if entries.is_empty() && !may_be_repeated {
            0
        } else {
            let command = ShardCommand::Release {
                request: target.request,
                number: target.number,
                registry: target.registry,
                tenant,
                entries,
                removal: suppression::Removal {
                    request: Some(target.request),
                    reason: why.reason.clone(),
                    removed_by: why.removed_by.clone(),
                    removed_ms: now_ms(),
                },
            };
            match self.write(target, &command).await? {
                ShardReply::Released { removed } => removed,
                _ => return Err(Error::Unexpected),
            }
        };
        self.log(target, "suppressions removed");
        Ok(Removed { removed, kept, number: target.number, registry: target.registry_name.clone() })
    }

    /// The entries that the tenant has for a number.
    async fn entries(&self, tenant: TenantId, target: &Target) -> Result<Vec<Suppression>, Error> {
        let number = target.number.to_u64();
        let search = Search {
            tenant,
            by: By::Number { first: number, last: number },
            registry: Some(target.registry),
            after: None,
            limit: MAX_PAGE,
        };
        let answer = self.cluster.query(target.shard, &ShardQuery::Search(search), target.deadline).await;
        match answer.map_err(|why| Error::NotDone { why: why.to_string(), request_id: target.request })? {
            ShardAnswer::Entries { entries, .. } => Ok(entries.into_iter().map(|entry| entry.suppression).collect()),
            _ => Err(Error::Unexpected),
        }
    }
}
