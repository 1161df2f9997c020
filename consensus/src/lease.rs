//! The leader's lease: for how long nobody else can have been elected, so that this replica alone knows all that was
//! acknowledged.
//!
//! A follower that hears its leader votes for nobody else for [`HostOptions::owed_ms`](crate::HostOptions) at least. So a
//! leader that sent something at a time `t` which a majority has answered leads alone until `t` plus that, by a clock
//! that runs as fast as theirs; a fifth is taken off for clocks that do not quite. What could break this, and what is done:
//!
//! - *The leadership is handed over*: the others then vote at once, whatever they owe. The lease is barred before the
//!   order is given, and stays so for every term up to the one in which it was carried out.
//! - *A follower restarts* and forgets what it owes: it takes part in no election until that time is over
//!   (`network::service`, `host`).
//! - *The machine is suspended*: the clock that Raft reads stands still then, the others' do not. A second clock that goes
//!   on tells ([`Moment`]); nothing that was sent before counts any more.
//! - *The leader is new*: what its predecessors committed shows here once an entry of its own term is applied.
//! - *Members change*: whoever may elect is a majority of each half, and so is who answered the leader. A leader that is
//!   no voter of every half has no lease.
//!
//! Pure but for [`Moment::now`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dnc_planted::Bug;
use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::types::NodeId;

/// Of what followers owe, as much is not relied on.
const MARGIN: u32 = 5;

/// By so much the clock that goes on through a suspension may run ahead of the other before that is one.
const SUSPENDED: Duration = Duration::from_millis(1);

/// The lease of one replica, while it leads.
pub struct Lease {
    /// How long what was sent counts.
    length: Duration,
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
    /// The newest time at which it sent something that a majority has answered.
    pub acked: Option<Instant>,
    /// The voters of the newest membership in its log.
    pub voters: &'a [BTreeSet<NodeId>],
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
            barred: AtomicU64::new(0),
            handing_over: AtomicUsize::new(0),
            made: now.awake,
            not_before: AtomicU64::new(0),
            apart: AtomicU64::new(now.always.map_or(0, nanoseconds)),
        }
    }

    /// Whether what this replica knows, read from now on, is all that was acknowledged before now.
    pub fn holds(&self, claim: &Claim<'_>, now: Moment) -> bool {
        let (Some(term), Some(acked), Some(always)) = (claim.leads_in, claim.acked, now.always) else { return false };
        let is_voter = claim.voters.iter().all(|voters| voters.contains(&claim.node));
        is_voter
            && !claim.voters.is_empty()
            && claim.applied_term == Some(term)
            && self.is_free(term)
            && (now.awake < acked + self.length || dnc_planted::is(Bug::LeaseNeverEnds))
            && nanoseconds(acked.saturating_duration_since(self.made)) > self.awake_since(now.awake, always)
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
    /// When something was that is so long ago by now, which is this moment or later.
    pub fn before(self, ago: Duration) -> Option<Instant> {
        self.awake.checked_sub(ago)
    }

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

        /// Node 1 leads in term 4 and a majority has answered what it sent at this time.
        fn claim(&self, acked_ms: u64) -> Claim<'_> {
            Claim {
                node: 1,
                leads_in: Some(4),
                applied_term: Some(4),
                acked: Some(self.begun + Duration::from_millis(acked_ms)),
                voters: &self.voters,
            }
        }

        fn holds(&self, acked_ms: u64, now_ms: u64, suspended_ms: u64) -> bool {
            self.lease.holds(&self.claim(acked_ms), moment(self.begun, now_ms, suspended_ms))
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
        for claim in [
            Claim { leads_in: None, ..world.claim(100) },
            Claim { applied_term: Some(3), ..world.claim(100) },
            Claim { applied_term: None, ..world.claim(100) },
            Claim { acked: None, ..world.claim(100) },
            Claim { node: 9, ..world.claim(100) },
            Claim { voters: &[], ..world.claim(100) },
        ] {
            assert!(!world.lease.holds(&claim, now), "{claim:?}");
        }
    }

    #[test]
    fn while_members_change_the_leader_must_belong_to_both_halves() {
        let world = World::new();
        let (in_both, in_one) = ([[1, 2, 3], [1, 4, 5]], [[1, 2, 3], [4, 5, 6]]);
        for (voters, holds) in [(in_both, true), (in_one, false)] {
            let voters = voters.map(BTreeSet::from);
            let claim = Claim { voters: &voters, ..world.claim(100) };
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
        let later = Claim { leads_in: Some(6), applied_term: Some(6), ..world.claim(100) };
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
        let now = Moment { awake: world.begun + Duration::from_millis(150), always: None };
        assert!(!world.lease.holds(&world.claim(100), now));
    }
}
