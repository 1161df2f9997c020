//! What groups must not do, whoever asks them to: seen from what is applied, and from who says that it leads alone.

use std::collections::{BTreeMap, BTreeSet};

use dnc_consensus::{GroupId, LogPosition, Membership, NodeId};
use parking_lot::Mutex;

use crate::note;
use crate::plan::REPLICATION;
use crate::trace::Trace;

/// Looks at every membership that is applied.
pub struct Watch {
    trace: Trace,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    applied: BTreeMap<GroupId, BTreeMap<u64, Membership>>,
    /// The newest term in which an entry is committed.
    terms: BTreeMap<GroupId, u64>,
    violations: Vec<String>,
}

// === impl Watch ===

impl Watch {
    /// Nothing was seen yet.
    pub fn new(trace: Trace) -> Watch {
        Watch { trace, inner: Mutex::default() }
    }

    /// A replica has applied a membership: it is committed.
    pub fn membership(&self, group: GroupId, at: LogPosition, membership: &Membership) {
        let mut inner = self.inner.lock();
        let known = inner.applied.entry(group).or_default();
        if let Some(same) = known.get(&at.index) {
            if same != membership {
                inner.violations.push(format!("group {group} has two memberships at {}", at.index));
            }
            return;
        }
        let last = known.last_key_value();
        // Who installs a snapshot may apply an older one later than others did.
        let wrong = match last {
            Some((index, before)) if *index < at.index => step(before, membership),
            Some(_) => Ok(()),
            None => sized(membership),
        };
        note!(self.trace, "watch", "group {group} at {at}: {:?} {:?}", membership.configs, membership.learners);
        if let Err(why) = wrong {
            inner.violations.push(format!("group {group} at {at}: {why}: {membership:?}"));
        }
        inner.applied.entry(group).or_default().insert(at.index, membership.clone());
    }

    /// A replica has applied an entry of this term: it is committed.
    pub fn committed(&self, group: GroupId, term: u64) {
        let mut inner = self.inner.lock();
        let newest = inner.terms.entry(group).or_default();
        *newest = term.max(*newest);
    }

    /// A replica says that it leads in this term and that nobody else can.
    pub fn leased(&self, group: GroupId, node: NodeId, term: u64) {
        let newest = self.inner.lock().terms.get(&group).copied().unwrap_or(0);
        if term < newest {
            self.broken(format!(
                "node {node} leads group {group} alone in term {term}, and it has committed in {newest}"
            ));
        }
    }

    /// Something is broken that must not break.
    pub fn broken(&self, what: String) {
        note!(self.trace, "watch", "VIOLATION: {what}");
        self.inner.lock().violations.push(what);
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<String> {
        self.inner.lock().violations.clone()
    }
}

/// Whether one membership may come after another: one change at a time, of one voter.
fn step(before: &Membership, after: &Membership) -> Result<(), &'static str> {
    sized(after)?;
    let differ = |a: &BTreeSet<NodeId>, b: &BTreeSet<NodeId>| a.symmetric_difference(b).count();
    match (before.configs.as_slice(), after.configs.as_slice()) {
        ([old], [new]) if differ(old, new) == 0 => Ok(()),
        ([old], [left, new]) if old == left && differ(old, new) <= 2 => Ok(()),
        ([_, goal], [new]) if goal == new => Ok(()),
        ([_, _], _) => Err("a change began before the one before it had ended"),
        _ => Err("more than one voter changed, or one without a joint membership"),
    }
}

/// No set of voters is ever smaller than it was founded.
fn sized(membership: &Membership) -> Result<(), &'static str> {
    let small = membership.configs.iter().any(|voters| voters.len() < REPLICATION as usize);
    if small || membership.configs.is_empty() { Err("too few voters") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(configs: &[&[NodeId]]) -> Membership {
        let configs = configs.iter().map(|voters| voters.iter().copied().collect()).collect();
        Membership { configs, learners: BTreeSet::new() }
    }

    #[test]
    fn one_change_at_a_time_is_right_and_two_are_not() {
        let (old, new) = (of(&[&[1, 2, 3]]), of(&[&[1, 2, 4]]));
        let joint = of(&[&[1, 2, 3], &[1, 2, 4]]);
        assert!(step(&old, &joint).is_ok() && step(&joint, &new).is_ok());
        assert!(step(&old, &new).is_err());
        assert!(step(&joint, &of(&[&[1, 2, 4], &[1, 2, 5]])).is_err());
        assert!(step(&old, &of(&[&[1, 2, 3], &[1, 4, 5]])).is_err());
        assert!(step(&old, &of(&[&[1, 2]])).is_err());
    }
}
