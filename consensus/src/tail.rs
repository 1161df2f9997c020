//! The end of a replica's log, kept in memory for readers on other threads.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::types::{LogPosition, Membership, Tail};

/// A membership and the entry that holds it.
type Placed = (LogPosition, Arc<Membership>);

/// What [`Tail`] is read from.
#[derive(Default)]
pub struct TailCell {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    last: Option<LogPosition>,
    /// The newest applied membership, then those of later entries, which may leave the log again.
    memberships: Vec<Placed>,
}

impl TailCell {
    /// The end of the log as it is now.
    pub fn read(&self) -> Tail {
        let state = self.state.read();
        let (membership_at, membership) = match state.memberships.last() {
            Some((at, membership)) => (Some(*at), Some(membership.clone())),
            None => (None, None),
        };
        Tail { last: state.last, membership, membership_at }
    }

    /// The replica starts with this.
    pub fn reset(&self, last: Option<LogPosition>, memberships: Vec<Placed>) {
        *self.state.write() = State { last, memberships };
    }

    /// Entries were appended.
    pub fn appended(&self, last: LogPosition, memberships: Vec<Placed>) {
        let mut state = self.state.write();
        state.last = Some(last);
        state.memberships.extend(memberships);
    }

    /// The entries after this one left the log.
    pub fn truncated(&self, after: Option<LogPosition>) {
        let mut state = self.state.write();
        state.last = after;
        state.memberships.retain(|(at, _)| after.is_some_and(|after| at.index <= after.index));
    }

    /// An entry with a membership was applied: it cannot leave the log any more, and those before
    /// it are history.
    pub fn membership_applied(&self, at: LogPosition) {
        self.state.write().memberships.retain(|(placed, _)| placed.index >= at.index);
    }

    /// A snapshot up to `at` took the place of the log's beginning.
    pub fn installed(&self, at: LogPosition, membership: Option<Placed>) {
        let mut state = self.state.write();
        state.memberships.retain(|(placed, _)| placed.index > at.index);
        if let Some(membership) = membership {
            state.memberships.insert(0, membership);
        }
        if state.last.is_none_or(|last| last.index < at.index) {
            state.last = Some(at);
        }
    }

    /// The log was cut up to `at`, which may be all of it.
    pub fn purged(&self, at: LogPosition) {
        let mut state = self.state.write();
        if state.last.is_none_or(|last| last.index < at.index) {
            state.last = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(term: u64, index: u64) -> LogPosition {
        LogPosition { term, index }
    }

    fn of(voter: u64) -> Arc<Membership> {
        Arc::new(Membership { configs: vec![BTreeSet::from([voter])], learners: BTreeSet::new() })
    }

    #[test]
    fn a_truncated_membership_gives_way_to_the_one_before() {
        let tail = TailCell::default();
        tail.appended(at(1, 0), vec![(at(1, 0), of(1))]);
        tail.membership_applied(at(1, 0));
        tail.appended(at(1, 5), vec![(at(1, 4), of(2))]);
        assert_eq!(tail.read().membership_at, Some(at(1, 4)));
        tail.truncated(Some(at(1, 3)));
        let read = tail.read();
        assert_eq!(read.last, Some(at(1, 3)));
        assert_eq!(read.membership_at, Some(at(1, 0)));
        assert_eq!(read.membership, Some(of(1)));
    }

    #[test]
    fn an_applied_membership_makes_earlier_ones_history() {
        let tail = TailCell::default();
        tail.appended(at(1, 9), vec![(at(1, 0), of(1)), (at(1, 4), of(2)), (at(1, 7), of(3))]);
        tail.membership_applied(at(1, 4));
        tail.truncated(Some(at(1, 5)));
        assert_eq!(tail.read().membership, Some(of(2)));
    }

    #[test]
    fn a_snapshot_moves_the_tail_forward_and_never_back() {
        let tail = TailCell::default();
        tail.appended(at(1, 3), vec![(at(1, 0), of(1))]);
        tail.installed(at(2, 9), Some((at(2, 6), of(2))));
        assert_eq!(tail.read().last, Some(at(2, 9)));
        assert_eq!(tail.read().membership, Some(of(2)));
        tail.purged(at(2, 9));
        tail.appended(at(2, 12), vec![]);
        tail.installed(at(2, 10), Some((at(2, 6), of(2))));
        assert_eq!(tail.read().last, Some(at(2, 12)));
    }
}
