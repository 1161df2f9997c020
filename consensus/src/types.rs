//! The words of this crate's interface: ids, log positions, memberships.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One process of the cluster. Ids are given out once and never used again.
pub type NodeId = u64;

/// One Raft group: 0 is the meta group, a shard's group is 1 + its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct GroupId(pub u64);

/// A whole cluster. Processes of different clusters refuse to speak to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ClusterId(pub u128);

/// A Raft log id. A term has one leader at most, so term and index name one entry for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct LogPosition {
    /// The term of the leader that proposed the entry.
    pub term: u64,
    /// The place of the entry in the log, from 0.
    pub index: u64,
}

/// Who belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Membership {
    /// The sets of voters: one, or two while the membership changes. A decision needs a majority
    /// of each.
    pub configs: Vec<BTreeSet<NodeId>>,
    /// Replicas that receive the log and have no vote.
    pub learners: BTreeSet<NodeId>,
}

/// The end of a replica's log, applied or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// The newest entry.
    pub last: Option<LogPosition>,
    /// The newest membership.
    pub membership: Option<Arc<Membership>>,
    /// The entry that holds the newest membership.
    pub membership_at: Option<LogPosition>,
}

/// What a replica does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Receives the log, has no vote.
    Learner,
    /// Receives the log from the leader, and votes.
    Follower,
    /// Asks the others for their votes.
    Candidate,
    /// Writes the log.
    Leader,
    /// Does nothing any more.
    Stopped,
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cluster id has 32 hexadecimal digits, this is {0:?}")]
pub struct ParseClusterIdError(String);

// === impl GroupId ===

impl GroupId {
    /// The group that decides the catalog.
    pub const META: Self = Self(0);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl ClusterId ===

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ClusterId {
    type Err = ParseClusterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseClusterIdError(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

// === impl LogPosition ===

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.index)
    }
}

// === impl Membership ===

impl Membership {
    /// All voters, of both sets while the membership changes.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.configs.iter().flatten().copied().collect()
    }

    /// A change of voters has begun and is not finished.
    pub fn is_joint(&self) -> bool {
        self.configs.len() > 1
    }

    /// `nodes` are a majority of the voters, in both sets while the membership changes.
    /// Without any voter there is no majority.
    pub fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        !self.configs.is_empty()
            && self.configs.iter().all(|config| config.intersection(nodes).count() > config.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_survives_its_text() {
        let id = ClusterId(0x00ff_0000_0000_0000_0000_0000_0000_0a1b);
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("1".parse::<ClusterId>().is_err());
        assert!("+0000000000000000000000000000001".parse::<ClusterId>().is_err());
    }

    #[test]
    fn log_positions_order_by_term_first() {
        let older = LogPosition { term: 1, index: 9 };
        let newer = LogPosition { term: 2, index: 3 };
        assert!(older < newer);
    }

    #[test]
    fn a_joint_majority_needs_both_halves() {
        let joint = Membership {
            configs: vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5])],
            learners: BTreeSet::new(),
        };
        assert!(joint.is_majority(&BTreeSet::from([2, 3, 4])));
        assert!(!joint.is_majority(&BTreeSet::from([1, 2, 3])));
        assert!(!Membership::default().is_majority(&BTreeSet::from([1])));
        assert_eq!(joint.voters(), BTreeSet::from([1, 2, 3, 4, 5]));
    }
}
