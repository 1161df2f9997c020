//! Live entries of a number, and the requests that changed them. Pure.

use std::collections::{HashMap, VecDeque};

use dnc_core::command::{ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, RequestId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Suppression;
use serde::{Deserialize, Serialize};

/// Most entries of one number in one registry.
pub const MAX_ENTRIES: usize = 64;

/// Requests remembered in a shard, so that a repeated one is recognised.
pub const MAX_REQUESTS: usize = 65_536;

/// The entries of one number in one registry, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries(pub Vec<Suppression>);

/// What a request was about. The same id with anything else is another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: RegistryId,
    /// Whether it added or released.
    pub added: bool,
}

/// A request that was applied, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// What it was about.
    pub subject: Subject,
    /// Its answer.
    pub reply: ShardReply,
}

/// The requests applied lately, in the order of the log.
#[derive(Default)]
pub struct Requests {
    order: VecDeque<(u64, RequestId)>,
    replies: HashMap<RequestId, (Subject, ShardReply)>,
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
    /// What this request was answered, if it was applied lately; a refusal, if its id named another one.
    pub fn reply(&self, request: RequestId, subject: Subject) -> Option<ShardReply> {
        let (known, reply) = self.replies.get(&request)?;
        Some(if *known == subject { reply.clone() } else { ShardReply::Refused(ShardRefusal::RequestReused) })
    }

    /// Remembers a request; the log index of one to be forgotten for it, if there are too many.
    pub fn remember(&mut self, index: u64, answered: Answered) -> Option<u64> {
        self.order.push_back((index, answered.request));
        self.replies.insert(answered.request, (answered.subject, answered.reply));
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

    fn subject(number: u64) -> Subject {
        let number = PhoneNumber::from_u64(number).expect("a number");
        Subject { number, registry: RegistryId(1), added: true }
    }

    #[test]
    fn the_oldest_request_is_forgotten_first() {
        let mut requests = Requests::default();
        let about = subject(12_015_550_100);
        let answered = |id| Answered { request: RequestId(id), subject: about, reply: ShardReply::Done };
        for index in 0..MAX_REQUESTS as u64 {
            assert_eq!(requests.remember(index, answered(index.into())), None);
        }
        assert_eq!(requests.remember(1 << 40, answered(1 << 40)), Some(0));
        assert_eq!(requests.reply(RequestId(0), about), None);
        assert_eq!(requests.reply(RequestId(1), about), Some(ShardReply::Done));
    }

    #[test]
    fn a_request_id_that_named_another_request_is_refused_and_not_taken_for_a_repetition() {
        let mut requests = Requests::default();
        let about = subject(12_015_550_100);
        let reply = ShardReply::Suppressed { id: RequestId(7) };
        requests.remember(1, Answered { request: RequestId(7), subject: about, reply: reply.clone() });
        assert_eq!(requests.reply(RequestId(7), about), Some(reply));
        let refused = Some(ShardReply::Refused(ShardRefusal::RequestReused));
        assert_eq!(requests.reply(RequestId(7), subject(12_015_550_101)), refused);
        assert_eq!(requests.reply(RequestId(7), Subject { added: false, ..about }), refused);
        assert_eq!(requests.reply(RequestId(7), Subject { registry: RegistryId(2), ..about }), refused);
    }
}
