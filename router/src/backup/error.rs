//! Why a backup was not made, or not restored.

use dnc_core::command::ShardRefusal;
use dnc_core::ids::ShardId;

use crate::decide::Undecided;
use crate::failure::{Failure, Invalid, Kind};
use crate::import;
use crate::route::{QueryError, WriteError};
use crate::sync::SourceError;

/// Why a backup was not made, verified or restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The place of backups cannot be opened.
    #[error("open the place of backups: {0}")]
    Place(#[from] SourceError),
    /// The place of backups does not do what it is asked.
    #[error("{doing} {file}: {why}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// No such backup.
    #[error("there is no backup {0} in this place")]
    Unknown(String),
    /// It has no manifest.
    #[error("backup {0} is not complete: it has no manifest, for it is being made or its making was interrupted")]
    Incomplete(String),
    /// A backup of another release.
    #[error("the backup has format {0}, which this release does not read")]
    Format(u32),
    /// A file is not what was written.
    #[error("file {file} of the backup is damaged: {why}; nothing more was changed")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something else is under way.
    #[error("this router is making, verifying or restoring a backup already")]
    Busy,
    /// The catalog is not here yet.
    #[error("this router does not know the cluster yet, or its shards are not placed; try again")]
    NotReady,
    /// There is nothing to make a backup of.
    #[error("the cluster is being restored from a backup; what it holds is not whole until that is finished")]
    Restoring,
    /// Something is there already.
    #[error("the cluster is not empty: {0}; a backup is restored into a newly founded cluster")]
    NotEmpty(String),
    /// A shard did not answer.
    #[error("{0}")]
    Unanswered(#[from] QueryError),
    /// A shard did not take what it was given.
    #[error("{0}; repeating the restore is safe")]
    NotWritten(#[from] WriteError),
    /// A shard refused what it was given.
    #[error("shard {shard} refused a part of the backup: {why}")]
    Refused {
        /// Which shard.
        shard: ShardId,
        /// Why.
        why: ShardRefusal,
    },
    /// The catalog was not changed.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// The replicas do not have what was sealed.
    #[error(transparent)]
    NotReadyYet(#[from] import::Error),
    /// A version was replaced twice while it was read.
    #[error("the version of {0} that was active when the backup began is no longer kept; begin again")]
    VersionGone(String),
    /// What the shards hold of a version is not what was sealed.
    #[error("what the shards hold of the active version of {0} is not what was sealed")]
    OtherVersion(String),
    /// The caller left.
    #[error("the caller left")]
    CallerLeft,
    /// The router stops.
    #[error("the router stops")]
    Stopping,
    /// The time is up.
    #[error("it took longer than a day")]
    TooSlow,
    /// A shard or the meta group answered what it should not have.
    #[error("the cluster gave an unexpected answer")]
    Unexpected,
}

// === impl Error ===

impl Error {
    /// A file of a backup that is not what was written.
    pub fn damaged(file: &str, why: impl Into<String>) -> Self {
        Error::Damaged { file: file.into(), why: why.into() }
    }
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) | Error::Place(_) => Kind::Invalid,
            Error::Unknown(_) => Kind::NotFound,
            Error::Incomplete(_)
            | Error::Format(_)
            | Error::Damaged { .. }
            | Error::Restoring
            | Error::NotEmpty(_)
            | Error::Refused { .. }
            | Error::Store { .. } => Kind::Precondition,
            Error::VersionGone(_) => Kind::Aborted,
            Error::Busy => Kind::Exhausted,
            Error::NotReady
            | Error::Unanswered(_)
            | Error::NotWritten(_)
            | Error::CallerLeft
            | Error::Stopping
            | Error::TooSlow => Kind::Unavailable,
            Error::Undecided(why) => why.kind(),
            Error::NotReadyYet(why) => why.kind(),
            Error::OtherVersion(_) | Error::Unexpected => Kind::Internal,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}
