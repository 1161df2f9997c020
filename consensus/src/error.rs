//! What can go wrong, by who has to act on it.

use std::path::PathBuf;

use crate::codec::CodecError;
use crate::recover::RecoverError;
use crate::types::{GroupId, LogPosition, NodeId};

/// The RocksDB of this process, or what it holds.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened: locked by another process, unreadable, or damaged anywhere but at the
    /// torn end of its write-ahead log (see [`Self::is_damage`]). A damaged store must not be
    /// repaired in place, because it may have forgotten what it acknowledged: its node comes back
    /// empty under a new id.
    #[error("open the store at {path}")]
    Open {
        /// The folder of the store.
        path: PathBuf,
        /// RocksDB's reason.
        #[source]
        source: rocksdb::Error,
    },
    /// Written by a release with another layout.
    #[error("the store at {path} has format {found:?}, this release reads format {expected:?}")]
    Format {
        /// The folder of the store.
        path: PathBuf,
        /// What the store says.
        found: String,
        /// What this release knows.
        expected: &'static str,
    },
    /// A read failed.
    #[error("read the store")]
    Read(#[source] rocksdb::Error),
    /// A write failed.
    #[error("write the store")]
    Write(#[source] rocksdb::Error),
    /// An earlier fsync failed. What the kernel still holds cannot be known after that, so nothing
    /// is acknowledged until the process starts again.
    #[error("fsync failed earlier, the store takes no writes until a restart: {0}")]
    SyncFailed(String),
    /// A record cannot be read.
    #[error("decode {what}")]
    Decode {
        /// Which record.
        what: &'static str,
        /// Why not.
        #[source]
        source: CodecError,
    },
    /// Two records contradict each other.
    #[error("damaged store: {0}")]
    Damaged(String),
    /// The store's own thread is gone.
    #[error("the store is closed")]
    Closed,
    /// A thread that worked on the store panicked or was stopped.
    #[error("a task on the store did not finish")]
    Interrupted,
}

impl StoreError {
    /// It says that what is on disk is not what was written there. (A record that cannot be decoded was read as it was
    /// written: by another release, perhaps.)
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read(source) | Self::Write(source) => {
                is_corruption(source) || lacks_a_file(source)
            }
            Self::Damaged(_) => true,
            Self::Format { .. } | Self::SyncFailed(_) | Self::Decode { .. } | Self::Closed | Self::Interrupted => false,
        }
    }
}

fn is_corruption(error: &rocksdb::Error) -> bool {
    error.kind() == rocksdb::ErrorKind::Corruption
}

/// RocksDB has written down that a file is there, and it is not.
fn lacks_a_file(error: &rocksdb::Error) -> bool {
    error.kind() == rocksdb::ErrorKind::IOError && error.as_ref().contains("No such file or directory")
}

/// A machine could not do what the log says. Its replica stops: going on without the command would
/// make it differ from the others.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct MachineError(Box<dyn std::error::Error + Send + Sync>);

/// Starting or stopping groups.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The options contradict each other.
    #[error("host options: {0}")]
    Options(String),
    /// The Raft runtime's threads could not be started.
    #[error("start the raft runtime")]
    Runtime(#[source] std::io::Error),
    /// The listener cannot be served.
    #[error("serve the raft listener")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The group runs already.
    #[error("group {0} runs already")]
    Running(GroupId),
    /// The group does not run here.
    #[error("group {0} does not run here")]
    Unknown(GroupId),
    /// The group is neither here nor gone yet.
    #[error("group {0} is starting, stopping or being discarded")]
    Busy(GroupId),
    /// The store failed while the group was started or discarded.
    #[error("start or discard group {group}")]
    Store {
        /// The group.
        group: GroupId,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The replica cannot go on as the generation of its group that it should be of.
    #[error("bring a replica to its group's generation")]
    Recover(#[source] RecoverError),
    /// The machine failed while the group started.
    #[error("start group {group}")]
    Machine {
        /// The group.
        group: GroupId,
        /// The cause.
        #[source]
        source: MachineError,
    },
    /// Raft refused the stored state.
    #[error("start group {group}: {reason}")]
    Raft {
        /// The group.
        group: GroupId,
        /// The library's reason.
        reason: String,
    },
    /// The host was shut down.
    #[error("the host is shut down")]
    Stopped,
}

/// A write that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Surely not written. Ask the leader, if one is known.
    #[error("not the leader, it is {leader:?}")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<NodeId>,
    },
    /// Surely not written.
    #[error("the command has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the command.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The outcome is unknown: the command may be applied, now or later, or never.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
    /// Surely not written: the replica had stopped before.
    #[error("the replica has stopped")]
    Stopped,
    /// Surely not written: nothing new is to be written here for now, see [`Hold`](crate::Hold).
    #[error("takes no writes now: {0}")]
    Held(String),
}

/// A linearizable read that could not be allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Only a leader can tell. Ask it, if one is known.
    #[error("not the leader, it is {leader:?}")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<NodeId>,
    },
    /// No majority confirmed the leader.
    #[error("no majority confirmed the leader: {0}")]
    NoMajority(String),
    /// The limit passed.
    #[error("timed out")]
    TimedOut,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// An act of administration on a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Only the leader can do this. Ask it, if one is known.
    #[error("not the leader, it is {leader:?}")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<NodeId>,
    },
    /// The newest membership is not the one that the caller saw.
    #[error("the membership has changed since: expected the one at {expected:?}, it is at {found:?}")]
    MembershipChanged {
        /// Where the caller saw the newest membership.
        expected: Option<LogPosition>,
        /// Where it is.
        found: Option<LogPosition>,
    },
    /// Raft's rules do not allow it now.
    #[error("refused: {0}")]
    Refused(String),
    /// The outcome is unknown.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// The limit passed and it has not happened (yet).
    #[error("timed out")]
    TimedOut,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

// === impl MachineError ===

impl MachineError {
    /// Wraps the machine's own error.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl From<StoreError> for MachineError {
    fn from(source: StoreError) -> Self {
        Self(source.into())
    }
}
