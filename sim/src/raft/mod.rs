//! openraft on the simulation's disks and network, with its random numbers from the seed.
//!
//! What the product does in `dnc_consensus` is done here in few lines, and by the same rules: the machine hears of an
//! entry before anybody else can, the tail is kept for readers, a restarted replica owes its lease, changes of
//! membership name the membership that they were decided on.

mod group;
mod leadership;
mod log;
mod machine;
mod network;
mod runtime;

use std::fmt;
use std::sync::Arc;

use dnc_consensus::{LogPosition, Membership, NodeId};
use openraft::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder};
use openraft::vote::RaftLeaderId;
use openraft::{EmptyNode, OptionalSend, RaftTypeConfig};
use openraft_rt::deterministic_rng::DeterministicRng;
use serde::{Deserialize, Serialize};

pub use self::group::{Group, Host, Peers, Refused, WriteError};

/// Tokio in simulated time, with random numbers from a seed.
pub type Rt = DeterministicRng<runtime::Ordered>;

/// The one type configuration, as in the product but for the runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

/// A command as the machine's caller wrote it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command(pub Vec<u8>);

/// What the machine answered.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reply(pub Vec<u8>);

/// A log id.
pub type LogId = LogIdOf<Types>;
/// An entry.
pub type Entry = EntryOf<Types>;
/// A vote.
pub type Vote = VoteOf<Types>;
/// A membership and where it is.
pub type StoredMembership = StoredMembershipOf<Types>;
/// Where a snapshot is.
pub type SnapshotMeta = SnapshotMetaOf<Types>;
/// Keys and values, in order.
pub type Pairs = Arc<Vec<(Vec<u8>, Vec<u8>)>>;

type Payload = openraft::EntryPayload<Command, NodeId, EmptyNode>;
type Snapshot = SnapshotOf<Types, Pairs>;
type Raft = openraft::Raft<Types, machine::StateMachine>;

impl RaftTypeConfig for Types {
    type D = Command;
    type R = Reply;
    type NodeId = NodeId;
    type Node = EmptyNode;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = Payload;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Payload>;
    type AsyncRuntime = Rt;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// Our position of a log id.
pub fn position(log_id: &LogId) -> LogPosition {
    LogPosition { term: log_id.leader_id.term, index: log_id.index }
}

fn log_id(at: LogPosition) -> LogId {
    LogId::new(CommittedLeaderIdOf::<Types>::from(at.term), at.index)
}

fn membership(of: &openraft::Membership<NodeId, EmptyNode>) -> Arc<Membership> {
    Arc::new(Membership { configs: of.get_joint_config().clone(), learners: of.learner_ids().collect() })
}

macro_rules! shown_by_size {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} bytes", self.0.len())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} bytes", self.0.len())
            }
        }
    )*};
}

shown_by_size!(Command, Reply);
