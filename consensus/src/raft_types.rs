//! The Raft library's types as this crate uses them, and the way to and from our own.
//! Nothing of this module leaves the crate.

use std::fmt;
use std::sync::Arc;

use openraft::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder};
use openraft::vote::RaftLeaderId;
use openraft::{EmptyNode, OptionalSend, RaftTypeConfig};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::{LogPosition, Membership, NodeId};

/// The one type configuration, for all groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

/// A command as the machine's caller wrote it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub Vec<u8>);

/// What the machine answered.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Reply(pub Vec<u8>);

pub(crate) type LogId = LogIdOf<Types>;
pub(crate) type Entry = EntryOf<Types>;
pub(crate) type Payload = openraft::EntryPayload<Command, NodeId, EmptyNode>;
pub(crate) type Vote = VoteOf<Types>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<Types>;
pub(crate) type Snapshot = SnapshotOf<Types, crate::snapshot::SnapshotData>;
pub(crate) type Raft = openraft::Raft<Types, crate::state_machine::StateMachine>;

impl RaftTypeConfig for Types {
    type D = Command;
    type R = Reply;
    type NodeId = NodeId;
    // Addresses are not part of the membership: `Peers` knows them.
    type Node = EmptyNode;
    type Term = u64;
    // One leader per term at most, so that (term, index) names an entry.
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = Payload;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Payload>;
    // The library deprecates this path only because its runtime has a crate of its own now.
    #[allow(deprecated)]
    type AsyncRuntime = openraft::impls::TokioRuntime;
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
pub(crate) fn position(log_id: &LogId) -> LogPosition {
    LogPosition { term: log_id.leader_id.term, index: log_id.index }
}

/// The log id of our position.
pub(crate) fn log_id(at: LogPosition) -> LogId {
    LogId::new(CommittedLeaderIdOf::<Types>::from(at.term), at.index)
}

/// Our membership of the library's.
pub(crate) fn membership(of: &openraft::Membership<NodeId, EmptyNode>) -> Arc<Membership> {
    Arc::new(Membership { configs: of.get_joint_config().clone(), learners: of.learner_ids().collect() })
}

// === impl Command, Reply ===

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

macro_rules! as_bytes {
    ($name:ident) => {
        // Serialized as one run of bytes: a list would be encoded number by number.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_byte_buf(BytesVisitor).map($name)
            }
        }

        // A command may hold personal data, so only its size is ever printed.
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
    };
}

as_bytes!(Command);
as_bytes!(Reply);
