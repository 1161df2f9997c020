//! The entries of several shards in the order of one index, a page of each shard at a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use dnc_core::ids::ShardId;
use dnc_core::query::{Entry, MAX_PAGE, Search, ShardAnswer, ShardQuery};
use futures::StreamExt;
use tokio::time::Instant;

use super::Error;
use crate::cluster::Cluster;

/// Shards that are asked at once.
const AT_ONCE: usize = 16;

/// Entries of all shards together that are read ahead, at most.
const READ_AHEAD: usize = 8_192;

/// Walks the shards' answers to one search.
pub struct Walk<C> {
    cluster: C,
    search: Search,
    /// When the last answer must be here; none gives each of them `limit`.
    deadline: Option<Instant>,
    limit: Duration,
    lanes: Vec<Lane>,
    /// The lanes that have an entry, by the place of their first.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    /// The lanes that have none now but may have more.
    empty: Vec<usize>,
}

/// One shard's part.
struct Lane {
    shard: ShardId,
    entries: VecDeque<Entry>,
    after: Option<Vec<u8>>,
}

// === impl Walk ===

impl<C: Cluster> Walk<C> {
    /// Walks what these shards answer to a search, of which about `wanted` entries will be taken.
    pub fn new(
        cluster: C,
        search: Search,
        shards: Vec<ShardId>,
        wanted: usize,
        limit: Duration,
        deadline: Option<Instant>,
    ) -> Self {
        let count = shards.len().max(1);
        // Numbers are spread by hash, so a shard's share of a page is about even; twice that seldom needs a second question.
        let share = (wanted / count * 2 + 8).min(READ_AHEAD / count).max(1);
        let page = u32::try_from(share).unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let after = search.after.clone();
        let lanes: Vec<Lane> =
            shards.into_iter().map(|shard| Lane { shard, entries: VecDeque::new(), after: after.clone() }).collect();
        let empty = (0..lanes.len()).collect();
        let search = Search { limit: page, ..search };
        Self { cluster, search, deadline, limit, lanes, heads: BinaryHeap::new(), empty }
    }

    /// The next entry of all shards together.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.fill().await?;
        let Some(Reverse((_, at))) = self.heads.pop() else {
            return Ok(None);
        };
        let lane = &mut self.lanes[at];
        let entry = lane.entries.pop_front().ok_or(Error::Unexpected)?;
        match lane.entries.front() {
            Some(head) => self.heads.push(Reverse((head.place.clone(), at))),
            None if lane.after.is_some() => self.empty.push(at),
            None => {}
        }
        Ok(Some(entry))
    }

    /// Whether there is a next one.
    pub async fn has_more(&mut self) -> Result<bool, Error> {
        self.fill().await?;
        Ok(!self.heads.is_empty())
    }

    /// Asks the shards of which nothing is left: until they have answered, any of them may hold the next entry.
    async fn fill(&mut self) -> Result<(), Error> {
        let empty = std::mem::take(&mut self.empty);
        let questions: Vec<_> = empty
            .into_iter()
            .map(|at| {
                let lane = &self.lanes[at];
                (at, lane.shard, Search { after: lane.after.clone(), ..self.search.clone() })
            })
            .collect();
        let cluster = &self.cluster;
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + self.limit);
        let mut answers = futures::stream::iter(questions)
            .map(|(at, shard, search)| async move {
                (at, cluster.query(shard, &ShardQuery::Search(search), deadline).await)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((at, answer)) = answers.next().await {
            let ShardAnswer::Entries { entries, more } = answer? else {
                return Err(Error::Unexpected);
            };
            let lane = &mut self.lanes[at];
            let last = entries.last().map(|entry| entry.place.clone());
            // What is out of order could be left out or shown twice.
            let ascends = entries.is_sorted_by(|one, next| one.place < next.place);
            let goes_on =
                entries.first().is_none_or(|first| lane.after.as_ref().is_none_or(|after| *after < first.place));
            if !ascends || !goes_on || (more && last.is_none()) {
                return Err(Error::Unexpected);
            }
            lane.after = last.filter(|_| more);
            lane.entries = entries.into();
            if let Some(head) = lane.entries.front() {
                self.heads.push(Reverse((head.place.clone(), at)));
            }
        }
        Ok(())
    }
}
