//! Why something about opt-outs was not done, or not answered.

use dnc_core::command::ShardRefusal;
use dnc_core::ids::RequestId;
use dnc_core::registry::RegistryKind;

use crate::failure::{Failure, Invalid, Kind};
use crate::route::QueryError;

/// Why an opt-out was not added, removed, verified or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Items of a bulk are wrong; nothing was written.
    #[error("{} of the items are wrong, the first at position {}: nothing was written", .0.len(), .0.first().map_or(0, |fault| fault.position))]
    Malformed(Vec<Fault>),
    /// No such registry, or that of another tenant.
    #[error("there is no registry of this name")]
    UnknownRegistry,
    /// A registry that comes as lists.
    #[error("a registry of type {0} is loaded from lists, its entries are not changed one by one")]
    BulkRegistry(RegistryKind),
    /// A registry that takes no more entries; those that it has still list.
    #[error("this registry is {0}: it takes no new entries; those that it has still list their numbers")]
    Closed(&'static str),
    /// The shard says no.
    #[error(transparent)]
    Refused(ShardRefusal),
    /// Nothing was written.
    #[error("{why}; nothing was changed, try again (request_id {request_id})")]
    NotDone {
        /// What it failed of.
        why: String,
        /// Names the request.
        request_id: RequestId,
    },
    /// It may have been written.
    #[error(
        "not confirmed in time: it may have been done; \
         repeating the request with request_id {request_id} is safe"
    )]
    Unknown {
        /// Names the request.
        request_id: RequestId,
    },
    /// The catalog is not here yet.
    #[error("this router does not know the cluster yet; nothing was changed, try again")]
    NotReady,
    /// A question that was not answered.
    #[error("{0}; try again")]
    Unanswered(#[from] QueryError),
    /// Too many exports and imports at a time.
    #[error("{0} exports and imports are under way, no more are taken; try again later")]
    Busy(usize),
    /// A line of an import that cannot be read.
    #[error("line {line}: {detail}; {done} entries before it were taken in, and importing them again is safe")]
    BadLine {
        /// Counts from 1.
        line: u64,
        /// What is wrong. Never repeats what stands there.
        detail: String,
        /// Entries that are in.
        done: u64,
    },
    /// An import that could not go on.
    #[error("{why}; {done} entries were taken in, and importing all of them again is safe")]
    Stopped {
        /// What it failed of.
        why: String,
        /// Entries that are in.
        done: u64,
    },
    /// An export that could not go on: what was sent is not all.
    #[error("the export ended early: {0}")]
    Cut(String),
    /// The shard answered what it should not have.
    #[error("the shard gave an unexpected answer")]
    Unexpected,
}

/// One item of a bulk that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands among the items, from 0.
    pub position: usize,
    /// What is wrong with it.
    pub why: Invalid,
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) | Error::Malformed(_) | Error::BadLine { .. } => Kind::Invalid,
            Error::UnknownRegistry => Kind::NotFound,
            Error::BulkRegistry(_) | Error::Closed(_) => Kind::Precondition,
            Error::Refused(ShardRefusal::WrongShard | ShardRefusal::BadBatch(_) | ShardRefusal::BadRun)
            | Error::Unexpected => Kind::Internal,
            Error::Refused(_) => Kind::Precondition,
            Error::Busy(_) => Kind::Exhausted,
            Error::NotDone { .. }
            | Error::Unknown { .. }
            | Error::NotReady
            | Error::Unanswered(_)
            | Error::Stopped { .. }
            | Error::Cut(_) => Kind::Unavailable,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}
