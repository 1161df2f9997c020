//! What a seed decides before a run begins, and which bug is planted in the shell.

use std::fmt;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A run before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of everything.
    pub seed: u64,
    /// Shards.
    pub shards: u32,
    /// Nodes that there are at first.
    pub nodes: u32,
    /// Nodes that join later.
    pub joining: u32,
    /// Clients.
    pub clients: u32,
    /// Numbers that are checked and suppressed.
    pub numbers: u64,
    /// Entries after which a state is saved and the log is cut.
    pub snapshot_entries: u64,
    /// How often something breaks, on average.
    pub fault_every: Duration,
    /// A message is lost, and the link with it for a while, this often.
    pub loss: f64,
    /// The longest that a message takes, when nothing is wrong.
    pub latency: Duration,
    /// The longest that a sync takes, when nothing is wrong.
    pub sync: Duration,
    /// The longest that a client rests.
    pub rest: Duration,
    /// How long things break.
    pub storm: Duration,
    /// What breaks is always the same: a node looks for another leader, and who could vote for it restarts meanwhile.
    pub votes_asked: bool,
}

/// Of so many seeds the last one has votes asked for.
const VOTES_ASKED: u64 = 8;
/// Voters of the meta group.
pub const VOTERS: u32 = 3;
/// Routers.
pub const ROUTERS: u32 = 2;
/// Replicas of each shard.
pub const REPLICATION: u32 = 3;

/// A bug planted in the simulation's shell, to see that it can find one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// A log entry counts as on disk before it is.
    AckBeforeSync,
    /// A replica claims to be all of its group, so that one answer is enough.
    AnswerFromOneReplica,
    /// A replica says where its log stands only after it has looked what it knows.
    StandingAfterAnswer,
    /// A leader answers alone after its lease has ended.
    LeaseNeverEnds,
    /// A leader answers alone though it is handing the leadership over.
    LeaseAcrossHandover,
    /// A replica that has just started votes, whatever it owes a leader from before.
    VotesTooSoon,
}

// === impl Plan ===

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut rng = SmallRng::seed_from_u64(seed);
        let rng = &mut rng;
        let votes_asked = seed % VOTES_ASKED == VOTES_ASKED - 1;
        Plan {
            seed,
            shards: rng.random_range(1..=3),
            nodes: rng.random_range(3..=4),
            joining: rng.random_range(1..=2),
            clients: 3,
            numbers: rng.random_range(8..=24),
            snapshot_entries: rng.random_range(20..=120),
            fault_every: Duration::from_millis(rng.random_range(500..=2_500)),
            loss: if rng.random_bool(0.5) { rng.random_range(0.0..0.01) } else { 0.0 },
            latency: Duration::from_millis(rng.random_range(3..=20)),
            // On slow disks a power cut finds what nobody has synced yet.
            sync: Duration::from_millis(if rng.random_bool(0.25) {
                rng.random_range(20..=120)
            } else {
                rng.random_range(1..=12)
            }),
            // With little to do, logs are often equal: then anybody can be elected.
            // Who writes next to nothing leaves logs equal for long.
            rest: Duration::from_millis(match (votes_asked, rng.random_bool(0.25)) {
                (true, _) => 10_000,
                (false, true) => 2_500,
                (false, false) => 60,
            }),
            storm: Duration::from_secs(12),
            votes_asked,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, shards, nodes, joining, numbers, loss, latency, .. } = self;
        write!(
            f,
            "seed {seed}: {shards} shards on {nodes} nodes and {joining} to come, {numbers} numbers, \
             latency up to {latency:?}, loss {loss:.4}, a fault every {:?}",
            self.fault_every
        )
    }
}
