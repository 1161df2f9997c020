//! Live entries of a number, and the requests that changed them. Pure.

use std::collections::{HashMap, VecDeque};

use dnc_core::command::{ShardRefusal, ShardReply, Suppression};
use dnc_core::ids::RequestId;
use serde::{Deserialize, Serialize};

/// Most entries of one number in one registry.
pub const MAX_ENTRIES: usize = 64;

/// Requests remembered in a shard, so that a repeated one is recognised.
pub const MAX_REQUESTS: usize = 65_536;

/// The entries of one number in one registry, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries(pub Vec<Suppression>);

/// A request that was applied, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// Its answer.
    pub reply: ShardReply,
}

/// The requests applied lately, in the order of the log.
#[derive(Default)]
pub struct Requests {
    order: VecDeque<(u64, RequestId)>,
    replies: HashMap<RequestId, ShardReply>,
}

// === impl Entries ===

impl Entries {
    /// Adds one; an entry that is there already stays as it is.
    pub fn suppress(&mut self, suppression: Suppression) -> ShardReply {
        let id = suppression.id;
        if self.0.iter().any(|known| known.id == id) {
            return ShardReply::Suppressed { id };
        }
        if self.0.len() >= MAX_ENTRIES {
            let limit = u32::try_from(MAX_ENTRIES).expect("a small constant");
            return ShardReply::Refused(ShardRefusal::TooManyEntries(limit));
        }
        self.0.push(suppression);
        ShardReply::Suppressed { id }
    }

    /// Removes those named, and no others.
    pub fn release(&mut self, named: &[RequestId]) -> ShardReply {
        let before = self.0.len();
        self.0.retain(|known| !named.contains(&known.id));
        ShardReply::Released { removed: (before - self.0.len()) as u64 }
    }
}

// === impl Requests ===

impl Requests {
    /// What this request was answered, if it was applied lately.
    pub fn reply(&self, request: RequestId) -> Option<&ShardReply> {
        self.replies.get(&request)
    }

    /// Remembers a request; the log index of one to be forgotten for it, if there are too many.
    pub fn remember(&mut self, index: u64, answered: Answered) -> Option<u64> {
        self.order.push_back((index, answered.request));
        self.replies.insert(answered.request, answered.reply);
        if self.order.len() <= MAX_REQUESTS {
            return None;
        }
        let (index, request) = self.order.pop_front()?;
        self.replies.remove(&request);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::command::Origin;

    fn suppression(id: u128) -> Suppression {
        Suppression {
            id: RequestId(id),
            origin: Origin::Consumer,
            reason: "asked".into(),
            added_by: "agent".into(),
            added_ms: 5,
        }
    }

    #[test]
    fn a_repeated_entry_stands_once() {
        let mut entries = Entries::default();
        entries.suppress(suppression(1));
        assert_eq!(entries.suppress(suppression(1)), ShardReply::Suppressed { id: RequestId(1) });
        assert_eq!(entries.0.len(), 1);
    }

    #[test]
    fn a_late_release_does_not_remove_a_newer_entry() {
        let mut entries = Entries::default();
        entries.suppress(suppression(1));
        entries.suppress(suppression(2));
        assert_eq!(entries.release(&[RequestId(1)]), ShardReply::Released { removed: 1 });
        assert_eq!(entries.release(&[RequestId(1)]), ShardReply::Released { removed: 0 });
        assert_eq!(entries.0, [suppression(2)]);
    }

    #[test]
    fn entries_of_a_number_are_bounded_and_the_refused_one_is_still_listed_by_the_others() {
        let mut entries = Entries::default();
        for id in 0..MAX_ENTRIES as u128 {
            entries.suppress(suppression(id));
        }
        assert!(matches!(entries.suppress(suppression(1_000)), ShardReply::Refused(ShardRefusal::TooManyEntries(64))));
        assert_eq!(entries.0.len(), MAX_ENTRIES);
    }

    #[test]
    fn the_oldest_request_is_forgotten_first() {
        let mut requests = Requests::default();
        let answered = |id| Answered { request: RequestId(id), reply: ShardReply::Done };
        for index in 0..MAX_REQUESTS as u64 {
            assert_eq!(requests.remember(index, answered(index.into())), None);
        }
        assert_eq!(requests.remember(1 << 40, answered(1 << 40)), Some(0));
        assert_eq!(requests.reply(RequestId(0)), None);
        assert!(requests.reply(RequestId(1)).is_some());
    }
}
