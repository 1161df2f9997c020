//! The overlay: what is in the log but not applied yet, as far as it can list a number.
//!
//! A replica answers from what it has applied plus this, so that an entry that a majority holds is
//! seen on any of them: suppressions that are added, and exemptions that are revoked. A release or a
//! grant takes effect when it is applied, which errs on the safe side. An entry that this program
//! cannot read may be anything, so while the log holds one there is no answer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dnc_core::ids::{RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::LiveFinding;
use parking_lot::RwLock;

/// What the log's tail says, by log index and by number.
pub struct Overlay {
    tail: RwLock<Tail>,
    /// Log entries in the tail: nearly always none, and then a check takes no lock.
    len: AtomicUsize,
    /// The lowest index that cannot be read; [`READABLE`] if there is none.
    unreadable: AtomicU64,
}

#[derive(Default)]
struct Tail {
    /// The log indexes, ascending, each with its numbers.
    order: VecDeque<(u64, Vec<PhoneNumber>)>,
    by_number: HashMap<PhoneNumber, Vec<(u64, Pending)>>,
    /// The highest index that cannot be read.
    unreadable_to: u64,
}

/// What an entry of the log will do to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Lists it.
    Listed(LiveFinding),
    /// Ends these exemptions of a tenant.
    Revoked(TenantId, HashSet<RequestId>),
}

/// The index that stands for: everything can be read.
const READABLE: u64 = u64::MAX;

// === impl Overlay ===

impl Default for Overlay {
    fn default() -> Self {
        Overlay { tail: RwLock::default(), len: AtomicUsize::new(0), unreadable: AtomicU64::new(READABLE) }
    }
}

impl Overlay {
    /// The log holds an entry from now on that will do this.
    pub fn add(&self, index: u64, pending: Vec<(PhoneNumber, Pending)>) {
        let mut tail = self.tail.write();
        tail.truncate(index.saturating_sub(1));
        let numbers = pending.iter().map(|(number, _)| *number).collect();
        tail.order.push_back((index, numbers));
        for (number, pending) in pending {
            tail.by_number.entry(number).or_default().push((index, pending));
        }
        self.len.store(tail.order.len(), Ordering::Release);
    }

    /// The log holds an entry from now on that cannot be read.
    pub fn add_unreadable(&self, index: u64) {
        let mut tail = self.tail.write();
        tail.unreadable_to = tail.unreadable_to.max(index);
        self.unreadable.fetch_min(index, Ordering::AcqRel);
    }

    /// Entries above this index left the log.
    pub fn truncate(&self, after_index: u64) {
        let mut tail = self.tail.write();
        tail.truncate(after_index);
        self.len.store(tail.order.len(), Ordering::Release);
        if after_index < self.unreadable.load(Ordering::Acquire) {
            tail.unreadable_to = 0;
            self.unreadable.store(READABLE, Ordering::Release);
        } else {
            tail.unreadable_to = tail.unreadable_to.min(after_index);
        }
    }

    /// Everything up to this index is applied and can be read from the state.
    pub fn drop_applied(&self, index: u64) {
        if self.is_empty() && self.unreadable().is_none() {
            return;
        }
        let mut tail = self.tail.write();
        tail.drop_applied(index);
        self.len.store(tail.order.len(), Ordering::Release);
        // Only a snapshot can bring a state that is newer than what cannot be read.
        if tail.unreadable_to <= index {
            tail.unreadable_to = 0;
            self.unreadable.store(READABLE, Ordering::Release);
        }
    }

    /// The lowest index of the log that cannot be read.
    pub fn unreadable(&self) -> Option<u64> {
        Some(self.unreadable.load(Ordering::Acquire)).filter(|index| *index != READABLE)
    }

    /// Whether the tail does nothing to any number.
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// Calls `each` with everything that the tail does to these numbers, by their position.
    pub fn find(&self, numbers: &[PhoneNumber], mut each: impl FnMut(usize, &Pending)) {
        if self.is_empty() {
            return;
        }
        let tail = self.tail.read();
        for (at, number) in numbers.iter().enumerate() {
            for (_, pending) in tail.by_number.get(number).into_iter().flatten() {
                each(at, pending);
            }
        }
    }
}

// === impl Tail ===

impl Tail {
    fn truncate(&mut self, after_index: u64) {
        while let Some((index, numbers)) = self.order.pop_back_if(|(index, _)| *index > after_index) {
            self.forget(index, &numbers);
        }
    }

    fn drop_applied(&mut self, upto: u64) {
        while let Some((index, numbers)) = self.order.pop_front_if(|(index, _)| *index <= upto) {
            self.forget(index, &numbers);
        }
        if self.order.is_empty() {
            // After a burst, what it took is given back.
            self.order.shrink_to(64);
            self.by_number.shrink_to(64);
        }
    }

    fn forget(&mut self, index: u64, numbers: &[PhoneNumber]) {
        for number in numbers {
            if let Some(pending) = self.by_number.get_mut(number) {
                pending.retain(|(of, _)| *of != index);
                if pending.is_empty() {
                    self.by_number.remove(number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::ids::RegistryId;
    use dnc_core::suppression::{Origin, Scope};
    use proptest::prelude::*;

    use super::*;

    fn number(line: u64) -> PhoneNumber {
        PhoneNumber::from_u64(12_015_550_000 + line).expect("a number")
    }

    fn listed(id: u64) -> Pending {
        Pending::Listed(LiveFinding {
            registry: RegistryId(1),
            id: RequestId(id.into()),
            tenant: TenantId(1),
            scope: Scope::Tenant,
            origin: Origin::Consumer,
        })
    }

    fn found(overlay: &Overlay) -> Vec<(usize, Pending)> {
        let numbers: Vec<_> = (0..6).map(number).collect();
        let mut found = Vec::new();
        overlay.find(&numbers, |at, pending| found.push((at, pending.clone())));
        found
    }

    #[test]
    fn what_is_in_the_tail_is_found_until_it_is_applied_or_truncated() {
        let overlay = Overlay::default();
        let revoked = Pending::Revoked(TenantId(1), HashSet::from([RequestId(9)]));
        overlay.add(1, vec![(number(1), listed(1)), (number(2), listed(2))]);
        overlay.add(4, vec![(number(1), revoked.clone())]);
        overlay.add(5, vec![(number(1), listed(5))]);
        assert_eq!(found(&overlay), [(1, listed(1)), (1, revoked.clone()), (1, listed(5)), (2, listed(2))]);
        overlay.truncate(4);
        assert_eq!(found(&overlay), [(1, listed(1)), (1, revoked.clone()), (2, listed(2))]);
        overlay.drop_applied(1);
        assert_eq!(found(&overlay), [(1, revoked)]);
        overlay.drop_applied(9);
        assert!(overlay.is_empty());
        assert!(overlay.tail.read().by_number.is_empty());
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_remembered_until_it_is_truncated() {
        let overlay = Overlay::default();
        assert_eq!(overlay.unreadable(), None);
        overlay.add_unreadable(7);
        overlay.add_unreadable(9);
        overlay.drop_applied(7);
        assert_eq!(overlay.unreadable(), Some(7), "9 is not applied");
        overlay.truncate(8);
        assert_eq!(overlay.unreadable(), Some(7));
        overlay.truncate(6);
        assert_eq!(overlay.unreadable(), None);
        overlay.add_unreadable(7);
        overlay.drop_applied(8);
        assert_eq!(overlay.unreadable(), None, "a snapshot went past it");
    }

    proptest! {
        #[test]
        fn the_tail_is_what_was_appended_and_neither_applied_nor_truncated(
            steps in proptest::collection::vec((0u8..10, 0u64..6, 0u64..6), 0..60),
        ) {
            let overlay = Overlay::default();
            let mut model: Vec<(u64, u64)> = Vec::new();
            let (mut last, mut applied) = (0, 0);
            for (what, number_at, by) in steps {
                match what {
                    0..6 => {
                        last += 1;
                        overlay.add(last, vec![(number(number_at), listed(last))]);
                        model.push((last, number_at));
                    }
                    6..8 => {
                        applied = (applied + by).min(last);
                        overlay.drop_applied(applied);
                        model.retain(|(index, _)| *index > applied);
                    }
                    _ => {
                        last = last.saturating_sub(by).max(applied);
                        overlay.truncate(last);
                        model.retain(|(index, _)| *index <= last);
                    }
                }
                let mut expected: Vec<_> = model.iter().map(|(index, n)| (*n as usize, listed(*index))).collect();
                expected.sort_by_key(|(at, _)| *at);
                prop_assert_eq!(found(&overlay), expected);
                prop_assert_eq!(overlay.is_empty(), model.is_empty());
            }
        }
    }
}
