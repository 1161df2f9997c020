//! The leader's lease: for how long nobody else can have been elected, so that this replica alone knows all that was
//! acknowledged.
//!
//! A follower that hears its leader votes for nobody else for [`HostOptions::owed_ms`](crate::HostOptions) at least. So a
//! leader whose heartbeats of a time `t` a majority has answered leads alone until `t` plus that, by a clock that runs as
//! fast as theirs; a fifth is taken off for clocks that do not quite. The time is that of the very heartbeat that is answered:
//! Raft's own figure also counts messages that nobody may have received. What could break this, and what is done:
//!
//! - *The leadership is handed over*: the others then vote at once, whatever they owe. The lease is barred before the
//!   order is given, and stays so for every term up to the one in which it was carried out.
//! - *The leader itself votes for another*: it counts among those who promise. The lease is barred before anybody learns of
//!   the vote.
//! - *A follower restarts* and forgets what it owes: it takes part in no election until that time is over
//!   (`network::service`, `host`).
//! - *The machine is suspended*: the clock that is read here stands still then, the others' do not. A second clock that goes
//!   on tells ([`Moment`]); nothing that was sent before counts any more.
//! - *The leader is new*: what its predecessors committed shows here once an entry of its own term is applied.
//! - *Members change*: whoever may elect is a majority of each half, and so is who answered the leader. A leader that is
//!   no voter of every half has no lease.
//!
//! Pure but for [`Moment::now`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dnc_planted::Bug;
use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::types::NodeId;

/// Of what followers owe, as much is not relied on.
const MARGIN: u32 = 5;

/// By so much the clock that goes on through a suspension may run ahead of the other before that is one.
const SUSPENDED: Duration = Duration::from_millis(1);

/// The lease of one replica, while it leads.
pub struct Lease {
    /// How long a heartbeat that was answered counts.
    length: Duration,
    /// The newest heartbeat that each other member has answered.
    answered: Mutex<BTreeMap<NodeId, Heartbeat>>,
    /// Leaderships up to this term have none.
    barred: AtomicU64,
    /// Orders to hand the leadership over whose term is not known yet.
    handing_over: AtomicUsize,
    /// When this was made: the two below are counted from here, by the clock that Raft reads.
    made: Instant,
    /// What was sent up to here does not count: the machine was suspended since, nanoseconds.
    not_before: AtomicU64,
    /// How far the clocks are apart, nanoseconds.
    apart: AtomicU64,
}

/// What a replica says of its leadership.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who it is.
    pub node: NodeId,
    /// The term in which it leads; `None` if it does not.
    pub leads_in: Option<u64>,
    /// The term of the newest entry that is part of its state.
    pub applied_term: Option<u64>,
    /// The voters of the newest membership in its log.
    pub voters: &'a [BTreeSet<NodeId>],
}

/// A heartbeat: the leader's term, and when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Heartbeat {
    term: u64,
    sent: Instant,
}

/// A moment by two clocks: one that stands still while the machine is suspended, and one that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that Raft reads.
    pub awake: Instant,
    /// By the other, since some beginning; without it nothing is known of suspensions, and no lease holds.
    pub always: Option<Duration>,
}

// === impl Lease ===

impl Lease {
    /// Followers owe `owed`.
    pub fn new(owed: Duration, now: Moment) -> Self {
        Self {
            length: owed - owed / MARGIN,
            answered: Mutex::default(),
            barred: AtomicU64::new(0),
            handing_over: AtomicUsize::new(0),
            made: now.awake,
            not_before: AtomicU64::new(0),
            apart: AtomicU64::new(now.always.map_or(0, nanoseconds)),
        }
    }

    /// Whether what this replica knows, read from now on, is all that was acknowledged before now.
    pub fn holds(&self, claim: &Claim<'_>, now: Moment) -> bool {
        let (Some(term), Some(always)) = (claim.leads_in, now.always) else { return false };
        claim.applied_term == Some(term)
            && !claim.voters.is_empty()
            && self.is_free(term)
            && self.has_majorities(claim, term, now.awake, self.awake_since(now.awake, always))
    }

    /// A member has answered a heartbeat as its leader's, which was sent then in this term.
    pub fn answered(&self, node: NodeId, term: u64, sent: Instant) {
        let heartbeat = Heartbeat { term, sent };
        let mut answered = self.answered.lock();
        let newest = answered.entry(node).or_insert(heartbeat);
        *newest = heartbeat.max(*newest);
    }

    /// This replica has voted for another one in this term. Before that one learns of it.
    pub fn voted(&self, term: u64) {
        self.barred.fetch_max(term.saturating_sub(1), Ordering::SeqCst);
    }

    /// An order to hand the leadership over is about to be given: there is no lease until [`Self::handed_over`].
    pub fn hand_over(&self) {
        self.handing_over.fetch_add(1, Ordering::SeqCst);
    }

    /// The order was carried out in this term or before.
    pub fn handed_over(&self, term: u64) {
        self.barred.fetch_max(term, Ordering::SeqCst);
        self.handing_over.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether of each half of the voters a majority has promised and this replica is one.
    fn has_majorities(&self, claim: &Claim<'_>, term: u64, now: Instant, awake_since: u64) -> bool {
        let answered = self.answered.lock();
        let counts = |heartbeat: &&Heartbeat| {
            let is_fresh = now < heartbeat.sent + self.length || dnc_planted::is(Bug::LeaseNeverEnds);
            let sent = nanoseconds(heartbeat.sent.saturating_duration_since(self.made));
            heartbeat.term == term && is_fresh && sent > awake_since
        };
        let promises = |node: &&NodeId| **node == claim.node || answered.get(node).filter(counts).is_some();
        let is_majority = |voters: &BTreeSet<NodeId>| {
            voters.contains(&claim.node) && voters.iter().filter(promises).count() * 2 > voters.len()
        };
        claim.voters.iter().all(is_majority)
    }

    /// Whether no order was given that lets others vote in this term.
    fn is_free(&self, term: u64) -> bool {
        let free = self.handing_over.load(Ordering::SeqCst) == 0 && term > self.barred.load(Ordering::SeqCst);
        free || dnc_planted::is(Bug::LeaseAcrossHandover)
    }

    /// When the machine was last found to have been suspended; nanoseconds.
    fn awake_since(&self, awake: Instant, always: Duration) -> u64 {
        let awake = nanoseconds(awake.saturating_duration_since(self.made));
        let apart = nanoseconds(always).saturating_sub(awake);
        if apart > self.apart.load(Ordering::SeqCst).saturating_add(nanoseconds(SUSPENDED)) {
            // In this order: whoever reads that the clocks are so far apart knows since when.
            self.not_before.fetch_max(awake, Ordering::SeqCst);
            self.apart.fetch_max(apart, Ordering::SeqCst);
        }
        self.not_before.load(Ordering::SeqCst)
    }
}

// === impl Moment ===

impl Moment {
    /// Now. The clock that goes on is read first: who is held up between the two sees them nearer to each other, never further.
    pub fn now() -> Self {
        let always = clock_gettime(ClockId::CLOCK_BOOTTIME).ok().map(Duration::from);
        Self { awake: Instant::now(), always }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWED: Duration = Duration::from_millis(1_000);

    struct World {
        lease: Lease,
        begun: Instant,
        voters: Vec<BTreeSet<NodeId>>,
    }

    impl World {
        fn new() -> Self {
            let begun = Instant::now();
            Self { lease: Lease::new(OWED, moment(begun, 0, 0)), begun, voters: vec![BTreeSet::from([1, 2, 3])] }
        }

        /// Node 1 leads in term 4.
        fn claim(&self) -> Claim<'_> {
            Claim { node: 1, leads_in: Some(4), applied_term: Some(4), voters: &self.voters }
        }

        /// Node 2 has answered what was sent at this time, and perhaps it was answered before.
        fn answered(&self, sent_ms: u64) {
            self.lease.answered(2, 4, self.begun + Duration::from_millis(sent_ms));
        }

        fn holds(&self, sent_ms: u64, now_ms: u64, suspended_ms: u64) -> bool {
            self.answered(sent_ms);
            self.lease.holds(&self.claim(), moment(self.begun, now_ms, suspended_ms))
        }
    }

    fn moment(begun: Instant, awake_ms: u64, suspended_ms: u64) -> Moment {
        Moment {
            awake: begun + Duration::from_millis(awake_ms),
            always: Some(Duration::from_millis(9_000 + awake_ms + suspended_ms)),
        }
    }

    #[test]
    fn it_ends_before_what_followers_owe_ends() {
        let world = World::new();
        assert!(world.holds(100, 100, 0));
        assert!(world.holds(100, 899, 0));
        assert!(!world.holds(100, 900, 0));
    }

    #[test]
    fn who_does_not_lead_or_has_applied_nothing_of_its_own_term_has_none() {
        let world = World::new();
        let now = moment(world.begun, 150, 0);
        assert!(!world.lease.holds(&world.claim(), now), "nobody has answered");
        assert!(world.holds(100, 150, 0));
        for claim in [
            Claim { leads_in: None, ..world.claim() },
            Claim { applied_term: Some(3), ..world.claim() },
            Claim { applied_term: None, ..world.claim() },
            Claim { leads_in: Some(5), applied_term: Some(5), ..world.claim() },
            Claim { node: 9, ..world.claim() },
            Claim { voters: &[], ..world.claim() },
            Claim { voters: &[BTreeSet::from([1, 2, 3, 4, 5])], ..world.claim() },
        ] {
            assert!(!world.lease.holds(&claim, now), "{claim:?}");
        }
        // Whoever is the only voter cannot be succeeded without its own vote.
        assert!(world.lease.holds(&Claim { voters: &[BTreeSet::from([1])], ..world.claim() }, now));
    }

    #[test]
    fn the_newest_heartbeat_of_the_newest_term_counts() {
        let world = World::new();
        world.answered(300);
        assert!(world.holds(100, 1_050, 0), "an answer that comes late makes nothing older");
        world.lease.answered(2, 5, world.begun + Duration::from_millis(900));
        assert!(!world.holds(950, 1_000, 0), "who has heard a later leader promises nothing to an earlier one");
    }

    #[test]
    fn a_vote_ends_it_for_the_terms_before() {
        let world = World::new();
        world.lease.voted(4);
        assert!(world.holds(100, 150, 0));
        world.lease.voted(5);
        assert!(!world.holds(100, 150, 0));
    }

    #[test]
    fn while_members_change_the_leader_must_belong_to_both_halves() {
        let world = World::new();
        world.answered(100);
        let (in_both, in_one, unheard) = ([[1, 2, 3], [1, 2, 4]], [[1, 2, 3], [2, 4, 5]], [[1, 2, 3], [1, 4, 5]]);
        for (voters, holds) in [(in_both, true), (in_one, false), (unheard, false)] {
            let voters = voters.map(BTreeSet::from);
            let claim = Claim { voters: &voters, ..world.claim() };
            assert_eq!(world.lease.holds(&claim, moment(world.begun, 150, 0)), holds);
        }
    }

    #[test]
    fn a_handover_ends_it_for_its_term_and_not_for_later_ones() {
        let world = World::new();
        world.lease.hand_over();
        assert!(!world.holds(100, 150, 0));
        world.lease.hand_over();
        world.lease.handed_over(4);
        // The other order may be carried out in any term yet.
        world.lease.answered(3, 6, world.begun + Duration::from_millis(100));
        let later = Claim { leads_in: Some(6), applied_term: Some(6), ..world.claim() };
        assert!(!world.lease.holds(&later, moment(world.begun, 150, 0)));
        world.lease.handed_over(5);
        assert!(!world.holds(100, 150, 0));
        assert!(world.lease.holds(&later, moment(world.begun, 150, 0)));
    }

    #[test]
    fn what_was_sent_before_a_suspension_does_not_count_after_it() {
        let world = World::new();
        assert!(world.holds(100, 150, 0));
        // For Raft's clock no time has passed.
        assert!(!world.holds(100, 151, 5_000));
        assert!(!world.holds(100, 152, 5_000));
        assert!(!world.holds(151, 153, 5_000));
        assert!(world.holds(160, 170, 5_000));
        // Whoever is held up between the two clocks sees less of a distance.
        assert!(world.holds(160, 171, 4_990));
        assert!(!world.holds(160, 172, 5_002));
    }

    #[test]
    fn a_kernel_without_the_second_clock_has_no_leases() {
        let world = World::new();
        world.answered(100);
        let now = Moment { awake: world.begun + Duration::from_millis(150), always: None };
        assert!(!world.lease.holds(&world.claim(), now));
    }
}
