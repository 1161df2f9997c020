//! From numbers to what the replicas know of them, and from commands to the logs of shards.
//!
//! A check takes one catalog snapshot, groups its numbers by shard, asks a majority of each shard's
//! replicas ([`ask`]), counts their answers by the read rule ([`gather`]) and judges by the snapshot's
//! view. Whoever turns out to be behind, this router or a node, gets the newer catalog before the
//! check goes on ([`gossip`]). [`write`] finds the leader of a shard. Nothing here parses requests
//! or words answers.

mod ask;
mod gather;
pub mod gossip;
mod judging;
mod nodes;
mod outbox;
mod plan;
mod query;
mod status;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Asker, Now};
use dnc_core::view::View;
use dnc_meta::nodes::Dial;
use dnc_meta::{CatalogCache, Known, MetaClient};
use dnc_planted::Bug;
use jiff::civil::Date;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::gather::Gather;
use self::judging::Book;
pub use self::judging::Judgements;
use self::nodes::Nodes;
pub use self::query::QueryError;
pub use self::status::{NodeReplicas, NodeVersionStatus, NodeWarmed};
pub use self::write::{BarrierError, WriteError};

/// The way to the shards. Clones share it.
#[derive(Clone)]
pub struct Route {
    inner: Arc<Inner>,
}

/// What a route takes from the world around it.
pub struct World {
    /// How nodes are reached.
    pub dial: Dial,
    /// What time it is, for judging.
    pub now: fn() -> Now,
}

/// How replicas are asked.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// After so long a further one is.
    pub hedge: Duration,
    /// Whether a leader's answer suffices while it is under its lease.
    pub leases: bool,
}

struct Inner {
    meta: MetaClient,
    cache: CatalogCache,
    nodes: Nodes,
    now: fn() -> Now,
    reading: Reading,
    /// Checks that may ask nodes for a newer catalog at a time; the others wait for what these bring.
    pulls: Semaphore,
    /// The catalog as it was last encoded, with its revision.
    encoded: Mutex<(u64, Vec<u8>)>,
    /// What was judged by the view that judged last.
    book: ArcSwapOption<Book>,
}

/// Judged numbers.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The view that judged all of them.
    pub view: Arc<View>,
    /// One for each number, in their order.
    pub judgements: Judgements,
}

/// What a round of questions came to.
enum Round {
    /// This view judges; the gathers hold what was found, as far as it was settled.
    Settled(Arc<Known>, Vec<Gather>),
    /// A newer catalog must judge: ask again by it.
    Behind,
}

// === impl Route ===

impl Route {
    /// A way to the shards.
    pub fn new(meta: MetaClient, cache: CatalogCache, reading: Reading) -> Route {
        Route::within(World { dial: nodes::tcp(), now: crate::clock::now }, meta, cache, reading)
    }

    /// The same in another world than this one.
    pub fn within(world: World, meta: MetaClient, cache: CatalogCache, reading: Reading) -> Route {
        Route {
            inner: Arc::new(Inner {
                meta,
                cache,
                nodes: Nodes::new(world.dial),
                now: world.now,
                reading,
                pulls: Semaphore::new(gossip::CHECKS_AT_ONCE),
                encoded: Mutex::default(),
                book: ArcSwapOption::empty(),
            }),
        }
    }

    /// The catalog as this router knows it.
    pub fn known(&self) -> Arc<Known> {
        self.inner.cache.get()
    }

    /// The meta group.
    pub fn meta(&self) -> &MetaClient {
        &self.inner.meta
    }

    /// The catalog's cache.
    pub fn cache(&self) -> &CatalogCache {
        &self.inner.cache
    }

    /// Judges numbers for one asker, all by one view. Never fails: what cannot be known by the deadline is UNKNOWN.
    pub async fn check(&self, numbers: &[PhoneNumber], asker: &Asker, request_id: &str, deadline: Instant) -> Checked {
        loop {
            match self.round(numbers, request_id, deadline).await {
                Round::Settled(known, gathers) => {
                    return self.judge_all(numbers, asker, &known.view, &gathers);
                }
                Round::Behind if Instant::now() < deadline => {}
                Round::Behind => return self.judge_all(numbers, asker, &self.known().view, &[]),
            }
        }
    }

    /// Asks once around, by the catalog as it is known now.
    async fn round(&self, numbers: &[PhoneNumber], request_id: &str, deadline: Instant) -> Round {
        let known = self.known();
        let mut gathers = plan::by_shard(numbers, &known.catalog);
        let named = self.ask(&mut gathers, &known, true, request_id, deadline).await;
        let barrier = gathers.iter().filter_map(Gather::barrier).max();
        let needed = barrier.unwrap_or(0).max(named.revision);
        if needed <= known.catalog.revision || dnc_planted::is(Bug::JudgeByOldCatalog) {
            return Round::Settled(known, gathers);
        }
        // A replica knows of a newer catalog: what it lists may not be missed.
        self.catch_up(needed, named.by, deadline).await;
        Round::Behind
    }

    fn judge_all(&self, numbers: &[PhoneNumber], asker: &Asker, view: &Arc<View>, gathers: &[Gather]) -> Checked {
        let now = (self.inner.now)();
        let book = self.book(view, now.today);
        Checked { view: Arc::clone(view), judgements: judging::judge_all(numbers, asker, &book, gathers, now) }
    }

    /// The book of a view and a day; a new one begins when either changes.
    fn book(&self, view: &Arc<View>, today: Date) -> Arc<Book> {
        match self.inner.book.load_full() {
            Some(book) if book.is_of(view, today) => book,
            _ => {
                let book = Arc::new(Book::new(Arc::clone(view), today));
                self.inner.book.store(Some(Arc::clone(&book)));
                book
            }
        }
    }
}
