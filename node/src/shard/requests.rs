//! The requests that were applied lately: a repeated one is recognised and answered as before. Pure.

use std::collections::{HashMap, VecDeque};

use dnc_core::codec;
use dnc_core::command::ShardReply;
use dnc_core::ids::RequestId;
use serde::{Deserialize, Serialize};

/// Requests remembered in a shard.
pub const MAX_REQUESTS: usize = 65_536;

/// What a request was about, as a hash: the same id with anything else is another request. What may
/// differ when a request is repeated (the time, the entries that its maker saw) is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject(u64);

/// What kind of request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    Suppress,
    SuppressMany,
    Release,
    Verify,
    Grant,
    Revoke,
    Count,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Suppressed,
    SuppressedMany(u64),
    Released(u64),
    Verified(u64),
    Granted,
    Revoked(u64),
    Counted,
}

/// A request that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub request: RequestId,
    pub subject: Subject,
    pub outcome: Outcome,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    New,
    /// It was applied.
    Before(Outcome),
    /// Its id named another one.
    Other,
}

/// The requests applied lately, in the order of the log.
#[derive(Default)]
pub struct Requests {
    order: VecDeque<(u64, RequestId)>,
    answered: HashMap<RequestId, (Subject, Outcome)>,
}

// === impl Subject ===

impl Subject {
    /// Of a request of this kind about this.
    pub fn of(kind: Kind, about: &impl Serialize) -> Subject {
        Subject(xxhash_rust::xxh3::xxh3_64(&codec::encode(&(kind, about))))
    }
}

// === impl Outcome ===

impl Outcome {
    /// The reply to the request.
    pub fn reply(self, request: RequestId) -> ShardReply {
        match self {
            Outcome::Suppressed => ShardReply::Suppressed { id: request },
            Outcome::SuppressedMany(added) => ShardReply::SuppressedMany { added },
            Outcome::Released(removed) => ShardReply::Released { removed },
            Outcome::Verified(entries) => ShardReply::Verified { entries },
            Outcome::Granted => ShardReply::Granted { id: request },
            Outcome::Revoked(removed) => ShardReply::Revoked { removed },
            Outcome::Counted => ShardReply::Done,
        }
    }
}

// === impl Requests ===

impl Requests {
    /// What is known of a request.
    pub fn look(&self, request: RequestId, subject: Subject) -> Seen {
        match self.answered.get(&request) {
            None => Seen::New,
            Some((known, outcome)) if *known == subject => Seen::Before(*outcome),
            Some(_) => Seen::Other,
        }
    }

    /// Remembers a request; the log index of one to be forgotten for it, if there are too many.
    pub fn remember(&mut self, index: u64, answered: Answered) -> Option<u64> {
        self.order.push_back((index, answered.request));
        self.answered.insert(answered.request, (answered.subject, answered.outcome));
        if self.order.len() <= MAX_REQUESTS {
            return None;
        }
        let (index, request) = self.order.pop_front()?;
        self.answered.remove(&request);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(id: u128) -> Answered {
        Answered { request: RequestId(id), subject: Subject::of(Kind::Release, &7), outcome: Outcome::Released(3) }
    }

    #[test]
    fn the_oldest_request_is_forgotten_first() {
        let mut requests = Requests::default();
        for index in 0..MAX_REQUESTS as u64 {
            assert_eq!(requests.remember(index, answered(index.into())), None);
        }
        assert_eq!(requests.remember(1 << 40, answered(1 << 40)), Some(0));
        let subject = answered(0).subject;
        assert_eq!(requests.look(RequestId(0), subject), Seen::New);
        assert_eq!(requests.look(RequestId(1), subject), Seen::Before(Outcome::Released(3)));
    }

    #[test]
    fn a_request_id_that_named_another_request_is_not_taken_for_a_repetition() {
        let mut requests = Requests::default();
        requests.remember(1, answered(7));
        let same = requests.look(RequestId(7), Subject::of(Kind::Release, &7));
        assert_eq!(same, Seen::Before(Outcome::Released(3)));
        assert_eq!(requests.look(RequestId(7), Subject::of(Kind::Release, &8)), Seen::Other);
        assert_eq!(requests.look(RequestId(7), Subject::of(Kind::Verify, &7)), Seen::Other);
    }
}
