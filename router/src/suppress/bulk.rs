//! Many numbers in one request, each with an outcome of its own.
//!
//! Items are named by the request's id and their position, so whoever repeats the request names
//! the same entries. Without `partial`, one malformed item stops all before anything is written.

use std::collections::BTreeSet;

use dnc_core::command;
use dnc_core::ids::{RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use futures::StreamExt;
use tokio::time::Instant;

use super::batch::Item;
use super::remove::{Which, Why, bounded};
use super::target::{Target, live, named, open, shard};
use super::{Addition, Error, Fault, Outcome, Suppressions, entry, ids};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::telemetry;

/// Most items of one request.
pub const MAX_BULK: usize = 10_000;

/// Numbers that are removed at once.
const REMOVALS_AT_ONCE: usize = 32;

/// Numbers to be listed.
#[derive(Clone, Debug, Default)]
pub struct Bulk {
    /// Them.
    pub items: Vec<Addition>,
    /// Whether the items that are right are written even if others are malformed.
    pub partial: bool,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// Numbers to be listed no more.
#[derive(Clone, Debug, Default)]
pub struct BulkRemoval {
    /// Them, as the caller wrote them.
    pub phone_numbers: Vec<String>,
    /// A live registry; [`super::DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Why. Required.
    pub reason: String,
    /// Who removes them; may be empty.
    pub removed_by: String,
    /// Whether the numbers that are right are removed even if others are malformed.
    pub partial: bool,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// What became of a bulk.
#[derive(Clone, Debug)]
pub struct BulkAnswer {
    /// Names the request.
    pub request: RequestId,
    /// One for each item, in their order.
    pub items: Vec<BulkItem>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkItem {
    /// In one word.
    pub outcome: Outcome,
    /// The entry, if one was to be added.
    pub id: Option<RequestId>,
    /// The number, if it is one.
    pub number: Option<PhoneNumber>,
    /// Entries removed.
    pub removed: u64,
    /// Entries that stand because they are newer than the request.
    pub kept: u64,
}

// === impl BulkItem ===

impl BulkItem {
    fn malformed(why: &Invalid) -> BulkItem {
        BulkItem { outcome: Outcome::Refused(why.to_string()), id: None, number: None, removed: 0, kept: 0 }
    }
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Lists many numbers.
    pub async fn add_bulk(&self, tenant: TenantId, bulk: Bulk) -> Result<BulkAnswer, Error> {
        let deadline = Instant::now() + self.limit;
        let request = entry::request_id(&bulk.request_id)?;
        check_count("items", bulk.items.len())?;
        let names: BTreeSet<String> = bulk.items.iter().map(|item| named(&item.registry).to_owned()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = self.catalog(&names).await?;

        let now = now_ms();
        let mut answers = Vec::with_capacity(bulk.items.len());
        let (mut items, mut faults) = (Vec::with_capacity(bulk.items.len()), Vec::new());
        for (position, addition) in bulk.items.into_iter().enumerate() {
            let read = || -> Result<command::Addition, Invalid> {
                if !addition.request_id.is_empty() {
                    return Err(Invalid::new("request_id", "items are named by the request's own request_id"));
                }
                let registry = open(&known, tenant, named(&addition.registry));
                let registry = registry.map_err(|why| Invalid::new("registry", why.to_string()))?.id;
                let (number, suppression) = addition.read(ids::of_item(tenant, request, position), tenant, now)?;
                Ok(command::Addition { number, registry, suppression })
            };
            match read() {
                Ok(addition) => {
                    answers.push(BulkItem {
                        outcome: Outcome::Unknown,
                        id: Some(addition.suppression.id),
                        number: Some(addition.number),
                        removed: 0,
                        kept: 0,
                    });
                    items.push(Item { at: position as u64, addition });
                }
                Err(why) => {
                    answers.push(BulkItem::malformed(&why));
                    faults.push(Fault { position, why });
                }
            }
        }
        if !faults.is_empty() && !bulk.partial {
            return Err(Error::Malformed(faults));
        }
        let written = self.write_items(tenant, request, items, deadline).await;
        for (at, outcome) in written.outcomes {
            answers[usize::try_from(at).expect("a position")].outcome = outcome;
        }
        let answer = BulkAnswer { request, items: answers };
        answer.account("add");
        self.counting.suppressions(tenant, answer.acknowledged(), 0);
        Ok(answer)
    }

    /// Removes the entries of many numbers.
    pub async fn remove_bulk(&self, tenant: TenantId, bulk: BulkRemoval) -> Result<BulkAnswer, Error> {
        let deadline = Instant::now() + self.limit;
        let why = Why::new(bulk.reason, bulk.removed_by)?;
        let request = entry::request_id(&bulk.request_id)?;
        let which = bounded(&bulk.request_id, request, now_ms())?;
        check_count("phone_numbers", bulk.phone_numbers.len())?;
        let name = named(&bulk.registry);
        let known = self.catalog(&[name]).await?;
        let registry = live(&known, tenant, name)?;

        let numbers: Vec<_> = bulk.phone_numbers.iter().map(|text| entry::number(text)).collect();
        let faults: Vec<Fault> = numbers
            .iter()
            .enumerate()
            .filter_map(|(position, read)| Some(Fault { position, why: read.as_ref().err()?.clone() }))
            .collect();
        if !faults.is_empty() && !bulk.partial {
            return Err(Error::Malformed(faults));
        }
        let removals = numbers.into_iter().enumerate().map(|(position, number)| {
            let target = number.map(|number| Target {
                number,
                registry: registry.id,
                registry_name: registry.name.clone(),
                shard: shard(&known, number),
                request: ids::of_item(tenant, request, position),
                deadline,
            });
            let (which, why) = (which.clone(), &why);
            async move {
                match target {
                    Ok(target) => self.remove_item(tenant, &target, which, why).await,
                    Err(why) => BulkItem::malformed(&why),
                }
            }
        });
        let items = futures::stream::iter(removals).buffered(REMOVALS_AT_ONCE).collect().await;
        let answer = BulkAnswer { request, items };
        answer.account("remove");
        self.counting.suppressions(tenant, 0, answer.items.iter().map(|item| item.removed).sum());
        Ok(answer)
    }

    async fn remove_item(&self, tenant: TenantId, target: &Target, which: Which, why: &Why) -> BulkItem {
        let done = if Instant::now() < target.deadline {
            self.release(tenant, target, which, why).await
        } else {
            Err(Error::NotDone { why: "not begun in time".into(), request_id: target.request })
        };
        let number = Some(target.number);
        let item = |outcome| BulkItem { outcome, id: None, number, removed: 0, kept: 0 };
        match done {
            Ok(done) => BulkItem { removed: done.removed, kept: done.kept, ..item(Outcome::Acknowledged) },
            Err(Error::NotDone { why, .. }) => item(Outcome::NotDone(why)),
            Err(Error::Unknown { .. } | Error::Unexpected) => item(Outcome::Unknown),
            Err(why) => item(Outcome::Refused(why.to_string())),
        }
    }
}

// === impl BulkAnswer ===

impl BulkAnswer {
    /// How many items were done.
    fn acknowledged(&self) -> u64 {
        self.items.iter().filter(|item| item.outcome == Outcome::Acknowledged).count() as u64
    }

    /// Counts the outcomes in metrics and the log.
    fn account(&self, op: &'static str) {
        let mut not_done = 0_u64;
        for item in &self.items {
            let word = match item.outcome {
                Outcome::Acknowledged => "done",
                Outcome::Refused(_) => "refused",
                Outcome::NotDone(_) => "unavailable",
                Outcome::Unknown => "unknown",
            };
            not_done += u64::from(item.outcome != Outcome::Acknowledged);
            telemetry::suppression(op, word);
        }
        tracing::info!(op, write = %self.request, items = self.items.len(), not_done, "suppressions in bulk");
    }
}

fn check_count(field: &'static str, count: usize) -> Result<(), Invalid> {
    if (1..=MAX_BULK).contains(&count) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("must be 1 to {MAX_BULK}")))
}
