//! The read rule: when may a check count on what replicas said?
//!
//! A check asks a majority of a shard's replicas. Each answers from what it has applied, plus the
//! suppressions in its log that it has not applied yet, and names the last entry of its log and
//! the newest membership in it. Once the answers are a majority of the newest membership that any
//! of them names, the answer of the replica with the newest log counts. As in a Raft election
//! (Ongaro and Ousterhout 2014, section 5.4.1), that replica holds every committed entry: the
//! majority that committed an entry and the majority that answered share a replica, and a log at
//! least as new as that replica's holds the entry too. No clock is involved.
//!
//! A leader under its lease knows all of that alone, and its answer suffices: nobody else can have been elected, so nobody else
//! can have committed anything. Whether it is under its lease it says itself (`dnc_consensus::Lease`), by clocks.
//!
//! Pure: no I/O, no time. docs/adr/0002 has the argument in full.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::{NodeId, Position};

/// What a replica says of itself along with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who answers.
    pub node: NodeId,
    /// Last entry of its log, read before anything else was.
    pub last: Option<Position>,
    /// Last entry that it has applied: what is listed in the log beyond it shows already, what is released there does not.
    pub applied: Option<Position>,
    /// Newest membership in its log, applied or not: one set of voters, or two while it changes.
    pub membership: Arc<Vec<BTreeSet<NodeId>>>,
    /// Where that membership stands in the log.
    pub membership_at: Option<Position>,
    /// Newest catalog revision that a barrier in its log names.
    pub barrier: u64,
    /// When it was asked it led, and nobody else could.
    pub leased: bool,
}

/// Whether the answers suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// They do.
    Settled {
        /// Index, among the answers, of the one that counts.
        newest: usize,
        /// The catalog revision that a judgement must at least know.
        barrier: u64,
    },
    /// More answers are needed.
    Waiting,
}

/// Decides whether these answers suffice, and which of them counts. A node that answered twice counts once.
pub fn settle(answers: &[Standing]) -> Settlement {
    let barrier = answers.iter().map(|a| a.barrier).max().unwrap_or(0);
    let leased = answers.iter().enumerate().filter(|(_, a)| a.leased);
    if let Some((newest, _)) = leased.max_by_key(|(_, a)| (a.last, a.applied)) {
        return Settlement::Settled { newest, barrier };
    }
    let Some(named) = answers.iter().filter(|a| a.membership_at.is_some()).max_by_key(|a| a.membership_at) else {
        return Settlement::Waiting;
    };
    let answered: BTreeSet<NodeId> = answers.iter().map(|a| a.node).collect();
    let majority_of =
        |voters: &BTreeSet<NodeId>| !voters.is_empty() && voters.intersection(&answered).count() * 2 > voters.len();
    if named.membership.is_empty() || !named.membership.iter().all(majority_of) {
        return Settlement::Waiting;
    }
    let voters: BTreeSet<NodeId> = named.membership.iter().flatten().copied().collect();
    let newest = answers
        .iter()
        .enumerate()
        .filter(|(_, a)| voters.contains(&a.node))
        // Of equal logs, the one that has applied most: there a release that was acknowledged shows first.
        .max_by_key(|(_, a)| (a.last, a.applied))
        .map(|(at, _)| at)
        .expect("a majority of the voters answered");
    Settlement::Settled { newest, barrier }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn standing(node: NodeId, term: u64, index: u64, voters: &[&[NodeId]], at: u64) -> Standing {
        Standing {
            node,
            last: Some(Position { term, index }),
            applied: None,
            membership: Arc::new(voters.iter().map(|v| v.iter().copied().collect()).collect()),
            membership_at: Some(Position { term: 1, index: at }),
            barrier: 0,
            leased: false,
        }
    }

    #[test]
    fn one_of_three_is_no_majority_and_two_are() {
        let a = standing(1, 1, 5, &[&[1, 2, 3]], 1);
        let b = standing(2, 1, 6, &[&[1, 2, 3]], 1);
        assert_eq!(settle(std::slice::from_ref(&a)), Settlement::Waiting);
        assert_eq!(settle(&[a, b]), Settlement::Settled { newest: 1, barrier: 0 });
    }

    #[test]
    fn a_newer_term_beats_a_longer_log() {
        let longer = standing(1, 1, 90, &[&[1, 2, 3]], 1);
        let newer = standing(2, 2, 40, &[&[1, 2, 3]], 1);
        assert!(matches!(settle(&[longer, newer]), Settlement::Settled { newest: 1, .. }));
    }

    #[test]
    fn a_node_that_answers_twice_counts_once() {
        let a = standing(1, 1, 5, &[&[1, 2, 3]], 1);
        assert_eq!(settle(&[a.clone(), a]), Settlement::Waiting);
    }

    #[test]
    fn of_equal_logs_the_one_that_has_applied_most_counts() {
        let applied = |node, index| Standing {
            applied: Some(Position { term: 1, index }),
            ..standing(node, 1, 9, &[&[1, 2, 3]], 1)
        };
        for (first, second, newest) in [(9, 8, 0), (8, 9, 1)] {
            let answers = [applied(1, first), applied(2, second)];
            assert_eq!(settle(&answers), Settlement::Settled { newest, barrier: 0 });
        }
        // A newer log counts, however little of it is applied.
        let behind = Standing { last: Some(Position { term: 1, index: 10 }), ..applied(2, 1) };
        assert!(matches!(settle(&[applied(1, 9), behind]), Settlement::Settled { newest: 1, .. }));
    }

    #[test]
    fn a_replica_that_is_no_voter_does_not_count() {
        let voter = standing(1, 1, 5, &[&[1, 2, 3]], 1);
        let learner = standing(9, 1, 9, &[&[1, 2, 3]], 1);
        assert_eq!(settle(&[voter.clone(), learner.clone()]), Settlement::Waiting);
        let second = standing(2, 1, 4, &[&[1, 2, 3]], 1);
        assert!(matches!(settle(&[voter, learner, second]), Settlement::Settled { newest: 0, .. }));
    }

    #[test]
    fn while_membership_changes_both_halves_need_a_majority() {
        let joint: &[&[NodeId]] = &[&[1, 2, 3], &[3, 4, 5]];
        let old = [standing(1, 1, 8, &[&[1, 2, 3]], 1), standing(2, 1, 9, joint, 9)];
        assert_eq!(settle(&old), Settlement::Waiting);
        let both = [standing(1, 1, 8, &[&[1, 2, 3]], 1), standing(3, 1, 9, joint, 9), standing(4, 1, 7, joint, 9)];
        assert!(matches!(settle(&both), Settlement::Settled { newest: 1, .. }));
    }

    #[test]
    fn an_empty_replica_counts_only_when_another_names_the_voters() {
        let empty = |node| Standing {
            node,
            last: None,
            applied: None,
            membership: Arc::new(vec![]),
            membership_at: None,
            barrier: 0,
            leased: false,
        };
        assert_eq!(settle(&[empty(1), empty(2)]), Settlement::Waiting);
        let full = standing(2, 1, 4, &[&[1, 2, 3]], 0);
        assert!(matches!(settle(&[empty(1), full]), Settlement::Settled { newest: 1, .. }));
    }

    #[test]
    fn the_newest_barrier_of_any_answer_counts() {
        let mut a = standing(1, 1, 5, &[&[1, 2, 3]], 1);
        a.barrier = 7;
        let b = standing(2, 1, 6, &[&[1, 2, 3]], 1);
        assert_eq!(settle(&[a, b]), Settlement::Settled { newest: 1, barrier: 7 });
    }

    #[test]
    fn the_answer_of_a_leader_under_its_lease_suffices() {
        let leader = Standing { leased: true, barrier: 4, ..standing(1, 3, 9, &[&[1, 2, 3]], 1) };
        assert_eq!(settle(std::slice::from_ref(&leader)), Settlement::Settled { newest: 0, barrier: 4 });
        // Whoever else answers has nothing that was acknowledged and that it has not, but may know of a newer catalog.
        let longer = Standing { barrier: 5, ..standing(2, 2, 90, &[&[1, 2, 3]], 1) };
        assert_eq!(settle(&[longer.clone(), leader.clone()]), Settlement::Settled { newest: 1, barrier: 5 });
        // Of two that led one after the other, the later.
        let later = Standing { leased: true, ..standing(3, 4, 8, &[&[1, 2, 3]], 1) };
        assert_eq!(settle(&[later, leader, longer]), Settlement::Settled { newest: 0, barrier: 5 });
    }

    /// A log is the terms of its entries; a replica's log is a prefix of some history.
    type Log = Vec<u64>;

    fn last(log: &Log) -> Option<Position> {
        log.last().map(|term| Position { term: *term, index: log.len() as u64 })
    }

    /// One term of a Raft group of five: the most eligible of the wishes leads, appends, and reaches each follower with as
    /// much of its log as `reached` says. Returns the prefix that is committed by then, if any entry of this term is.
    fn one_term(logs: &mut [Log; 5], term: u64, wish: usize, appended: usize, reached: &[usize; 5]) -> Option<Log> {
        let votes = |candidate: usize| logs.iter().filter(|log| last(log) <= last(&logs[candidate])).count();
        let leader = (0..5).map(|i| (wish + i) % 5).find(|candidate| votes(*candidate) >= 3)?;
        let mut log = logs[leader].clone();
        log.extend(std::iter::repeat_n(term, appended));
        logs[leader] = log.clone();
        for follower in (0..5).filter(|follower| *follower != leader) {
            let sent = &log[..reached[follower].min(log.len())];
            let mine = &mut logs[follower];
            let common = mine.iter().zip(sent).take_while(|(a, b)| a == b).count();
            // A follower cuts its log only where it contradicts the leader's.
            if common < sent.len() {
                *mine = sent.to_vec();
            }
        }
        let held = |len: usize| logs.iter().filter(|l| l.len() >= len && l[..len] == log[..len]).count();
        // Only entries of the leader's own term are committed by counting replicas (Raft, section 5.4.2).
        (1..=log.len()).rev().find(|len| log[len - 1] == term && held(*len) >= 3).map(|len| log[..len].to_vec())
    }

    proptest! {
        /// Whatever majority answers, after whatever elections and half-sent logs: the one that counts holds every
        /// entry that was ever committed.
        #[test]
        fn the_answer_that_counts_holds_every_committed_entry(
            terms in proptest::collection::vec((0usize..5, 0usize..4, any::<[u8; 5]>()), 1..12),
            picks in proptest::sample::subsequence(vec![0usize, 1, 2, 3, 4], 3..=5),
        ) {
            let voters: &[&[NodeId]] = &[&[0, 1, 2, 3, 4]];
            let mut logs: [Log; 5] = Default::default();
            let mut committed = Log::new();
            for (term, (wish, appended, reached)) in (1u64..).zip(&terms) {
                let reached = reached.map(|r| usize::from(r) % 40);
                if let Some(prefix) = one_term(&mut logs, term, *wish, *appended, &reached) {
                    prop_assert!(prefix.starts_with(&committed), "the model breaks Raft");
                    committed = prefix;
                }
            }
            let answers: Vec<Standing> = picks
                .iter()
                .map(|i| Standing { last: last(&logs[*i]), ..standing(*i as NodeId, 0, 0, voters, 0) })
                .collect();
            let Settlement::Settled { newest, .. } = settle(&answers) else {
                return Err(TestCaseError::fail("three of five are a majority"));
            };
            prop_assert!(logs[picks[newest]].starts_with(&committed));
        }
    }
}
