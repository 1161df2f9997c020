//! Reports: what was checked in a period, what is held now, and how the nodes hold it.
//!
//! Routers count ([`counting`]) and the shards keep the sums by day and tenant, so a report is the same on all routers and
//! survives them. [`compliance`] is the period, [`stats`] is now, [`filters`] is for operators. A tenant is told of its own
//! checks and of the lists that it holds; only the default tenant may ask for all.

mod compliance;
pub mod counting;
mod filters;
mod lists;
mod period;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::counts::Counts;
use dnc_core::ids::{ShardId, TenantId};
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::tenant::DEFAULT_TENANT_ID;
use futures::{StreamExt, TryStreamExt};
use jiff::civil::{Date, date};
use tokio::time::Instant;

use self::counting::Counting;
pub use self::filters::WARM;
pub use self::period::Period;
use crate::cluster::{Cluster, can_answer};
use crate::failure::{Failure, Invalid, Kind};
use crate::route::QueryError;

/// Shards that are asked at a time.
const SHARDS_AT_ONCE: usize = 16;

/// Makes reports.
#[derive(Clone)]
pub struct Reports<C> {
    cluster: C,
    counting: Counting,
    /// Time for one report.
    limit: Duration,
}

/// Of whom a report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One tenant.
    Tenant(TenantId),
    /// All of them together.
    All,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A date or another field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// All tenants, asked for by one that may not.
    #[error("only the default tenant may ask for all tenants")]
    NotTheirs,
    /// The cluster is not known yet.
    #[error("this router does not know the cluster yet")]
    NotReady,
    /// A shard did not answer. A sum without it would be wrong, so there is none.
    #[error("the report is not complete: {0}")]
    Incomplete(#[from] QueryError),
    /// A shard answered what it was not asked.
    #[error("shard {0} gave an unexpected answer")]
    Unexpected(ShardId),
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::NotTheirs => Kind::Precondition,
            Error::NotReady | Error::Incomplete(_) => Kind::Unavailable,
            Error::Unexpected(_) => Kind::Internal,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

// === impl Whose ===

impl Whose {
    /// Of whom a caller asks to be told.
    pub fn asked(tenant: TenantId, all: bool) -> Result<Whose, Error> {
        match all {
            false => Ok(Whose::Tenant(tenant)),
            true if tenant == DEFAULT_TENANT_ID => Ok(Whose::All),
            true => Err(Error::NotTheirs),
        }
    }

    fn tenant(self) -> Option<TenantId> {
        match self {
            Whose::Tenant(tenant) => Some(tenant),
            Whose::All => None,
        }
    }

    /// The name in a report.
    fn name(self, catalog: &Catalog) -> String {
        match self {
            Whose::All => "all".into(),
            Whose::Tenant(id) => catalog.tenants.get(&id).map_or_else(String::new, |tenant| tenant.name.clone()),
        }
    }
}

// === impl Reports ===

impl<C: Cluster> Reports<C> {
    /// Reports on this cluster. What `counting` has not written yet is written before a sum is made.
    pub fn new(cluster: C, counting: Counting, limit: Duration) -> Self {
        Self { cluster, counting, limit }
    }

    /// What was counted in a period, by day.
    async fn counts(&self, whose: Whose, period: Period, deadline: Instant) -> Result<BTreeMap<Date, Counts>, Error> {
        let known = self.cluster.known();
        if !can_answer(&known.catalog) {
            return Err(Error::NotReady);
        }
        // So that callers find what they asked this router a moment ago. What cannot be written now is in a later report.
        self.counting.write(&self.cluster, Instant::now() + (self.limit / 2)).await;
        let shards = known.catalog.shard_map.shards();
        let mut asked: Vec<ShardId> = period.days().map(|day| shard_of(day, shards)).collect();
        asked.sort_unstable();
        asked.dedup();
        let query = ShardQuery::Counts { tenant: whose.tenant(), first: period.first(), last: period.last() };
        let mut days: BTreeMap<Date, Counts> = BTreeMap::new();
        let mut answers = self.ask(asked, &query, deadline);
        while let Some((shard, answer)) = answers.try_next().await? {
            let ShardAnswer::Counts(counted) = answer else {
                return Err(Error::Unexpected(shard));
            };
            // A day's record is in one shard; another one has no say in it.
            for (_, day, counts) in counted.iter().filter(|(_, day, _)| shard_of(*day, shards) == shard) {
                days.entry(*day).or_default().add(counts);
            }
        }
        Ok(days)
    }

    /// Live suppressions.
    async fn live(&self, whose: Whose, deadline: Instant) -> Result<u64, Error> {
        let shards = (0..self.cluster.known().catalog.shard_map.shards()).map(ShardId).collect();
        let counts = |tenant| whose == Whose::All || whose == Whose::Tenant(tenant);
        let mut live = 0;
        let mut answers = self.ask(shards, &ShardQuery::Live, deadline);
        while let Some((shard, answer)) = answers.try_next().await? {
            let ShardAnswer::Live(registries) = answer else {
                return Err(Error::Unexpected(shard));
            };
            live += registries.iter().filter(|(_, tenant, _)| counts(*tenant)).map(|(_, _, count)| count).sum::<u64>();
        }
        Ok(live)
    }

    fn ask<'a>(
        &'a self,
        shards: Vec<ShardId>,
        query: &'a ShardQuery,
        deadline: Instant,
    ) -> impl futures::Stream<Item = Result<(ShardId, ShardAnswer), Error>> + Send + Unpin + 'a {
        let ask = move |shard| async move {
            self.cluster.query(shard, query, deadline).await.map(|answer| (shard, answer)).map_err(Error::from)
        };
        Box::pin(futures::stream::iter(shards).map(ask).buffer_unordered(SHARDS_AT_ONCE))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }
}

/// The shard that keeps the counters of a day.
pub fn shard_of(day: Date, shards: u32) -> ShardId {
    let number = day.since(date(1970, 1, 1)).map_or(0, |span| i64::from(span.get_days()));
    let shard = number.rem_euclid(i64::from(shards.max(1)));
    ShardId(u32::try_from(shard).expect("less than the shards there are"))
}

/// A part of a whole, if there is a whole.
fn share(part: u64, whole: u64) -> Option<f64> {
    // Counts are far below 2^53, so the conversions are exact.
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Mean time of a request in milliseconds.
fn mean_ms(counts: &Counts) -> Option<f64> {
    share(counts.micros, counts.requests).map(|micros| micros / 1_000.0)
}
