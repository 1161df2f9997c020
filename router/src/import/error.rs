//! Why an import failed. Every message says, or its kind implies, whether anything changed.

use std::error::Error as _;
use std::fmt::Write;

use dnc_core::catalog::Refusal;
use dnc_core::command::ShardRefusal;
use dnc_core::ids::{ShardId, VersionId};
use dnc_core::listfile::{AmbiguousChange, ListFileError};
use dnc_core::registry::RegistryKind;
use dnc_proto::v1;

use super::areas::Change;
use super::show;
use crate::failure::{Failure, Invalid, Kind};
use crate::route::WriteError;

/// Areas that a message names when a guard stops a load; the others are in the details.
const STOPPED_NAMED: usize = 10;

/// Why an import failed. Nothing has changed, unless the message says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the header or of a file is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The parts came in another order than they must.
    #[error("{0}")]
    Protocol(&'static str),
    /// More than the limits allow.
    #[error("{0}")]
    TooLarge(String),
    /// A file cannot be read as a list.
    #[error("{}; nothing was changed", chain(.0))]
    List(#[from] ListFileError),
    /// Full lists and change lists in one load.
    #[error("{0}: full lists and change lists are not loaded together; nothing was changed")]
    MixedKinds(String),
    /// Changes whose order is not known.
    #[error("{0}; nothing was changed")]
    Ambiguous(#[from] AmbiguousChange),
    /// The files and what they are said to cover do not fit together.
    #[error("{0}; nothing was changed")]
    Coverage(String),
    /// What is loaded does not fit what is active.
    #[error("{0}; nothing was changed")]
    DoesNotFit(String),
    /// A version that changes more than its registry's guard lets pass.
    #[error(
        "version {version} is complete and does not answer checks: it takes {}, more than the guard of {registry} \
         lets pass; nothing was changed, activate it by force if this is right",
        list(.stopped)
    )]
    Held {
        /// The registry's name.
        registry: String,
        /// The version.
        version: VersionId,
        /// What the guard stops.
        stopped: Vec<Change>,
    },
    /// A version that was never active, and was made from one that is not active any more.
    #[error("version {0} was made from a version that does not answer checks any more; load it again")]
    Outdated(VersionId),
    /// There is nothing to go back to.
    #[error("{0}; nothing was changed")]
    NoWayBack(&'static str),
    /// No such registry.
    #[error("there is no registry of this name")]
    UnknownRegistry,
    /// A registry whose entries change one by one.
    #[error("a registry of type {0} changes entry by entry, lists are not loaded into it")]
    LiveRegistry(RegistryKind),
    /// As many imports as may run are running.
    #[error("{max} imports are running, and no more are taken at a time; try again later")]
    TooMany {
        /// How many may run.
        max: usize,
    },
    /// This router does not know the cluster yet.
    #[error("this router does not know the cluster yet; nothing was changed")]
    NotReady,
    /// The caller's stream ended with an error.
    #[error("the files did not arrive: {0}; nothing was changed")]
    NotReceived(String),
    /// The caller was silent for too long.
    #[error("nothing arrived for {0} seconds; nothing was changed")]
    Silent(u64),
    /// The caller left.
    #[error("the caller left; nothing was changed")]
    CallerLeft,
    /// The router stops.
    #[error("this router stops; nothing was changed, load it again")]
    Stopping,
    /// The time is up.
    #[error("the import took too long; nothing was changed")]
    TooSlow,
    /// The files cannot be kept on this machine.
    #[error("keep the files: {0}; nothing was changed")]
    Spool(#[from] std::io::Error),
    /// The meta group did not answer before anything was begun.
    #[error("the meta group did not answer; nothing was changed, load it again")]
    NoDecision,
    /// The meta group refused.
    #[error("{0}; nothing was changed")]
    Refused(Refusal),
    /// A shard did not take its part.
    #[error("{0}; nothing was changed, load it again")]
    Write(#[from] WriteError),
    /// A shard refused its part.
    #[error("shard {shard} refused its part: {why}; nothing was changed")]
    ShardRefused {
        /// The shard.
        shard: ShardId,
        /// Why.
        why: ShardRefusal,
    },
    /// Replicas did not become ready.
    #[error("{0}; nothing was changed, load it again")]
    NotVerified(String),
    /// It is not known whether the version became active.
    #[error(
        "it is not known whether version {0} became active, the meta group does not answer; \
         list the registries to see, and load it again if it did not"
    )]
    ActivationUnknown(VersionId),
    /// The version is active, but it is not sure that every router and node knows.
    #[error(
        "version {version} is active from revision {revision} on, but not every shard could be told in time: {why}; \
         a router cut off from the others could still answer from the version before"
    )]
    NotTold {
        /// The version.
        version: VersionId,
        /// The revision.
        revision: u64,
        /// What failed.
        why: String,
    },
    /// The shards hold another number of numbers than the lists make.
    #[error("the shards hold {found} numbers where {expected} were loaded; nothing was changed")]
    WrongSum {
        /// What the shards hold together.
        found: u64,
        /// What they should.
        expected: u64,
    },
    /// A reply that cannot be.
    #[error("the cluster gave an unexpected answer; nothing was changed")]
    Unexpected,
}

// === impl Error ===

impl Error {
    /// The word for it in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Error::ActivationUnknown(_) => "unknown",
            Error::NotTold { .. } => "not_told",
            Error::Held { .. } => "held",
            _ => match self.kind() {
                Kind::Invalid => "invalid",
                Kind::NotFound | Kind::Precondition | Kind::Exists => "refused",
                Kind::Aborted => "aborted",
                Kind::Exhausted => "exhausted",
                Kind::Unavailable => "unavailable",
                Kind::Internal => "failed",
            },
        }
    }
}

impl Error {
    /// What a program can read of it, if there is more than its message.
    pub fn details(&self) -> Option<v1::ImportFailure> {
        let bad_lines = match self {
            Error::List(ListFileError::TooManyBadLines { first, .. }) => first.iter().map(show::bad_line).collect(),
            Error::List(ListFileError::FatalLine(line)) => vec![show::bad_line(line)],
            Error::Held { registry, version, stopped } => {
                return Some(v1::ImportFailure {
                    registry: registry.clone(),
                    held_version: version.0,
                    stopped: stopped.iter().map(Change::message).collect(),
                    ..v1::ImportFailure::default()
                });
            }
            _ => return None,
        };
        Some(v1::ImportFailure { bad_lines, ..v1::ImportFailure::default() })
    }
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_)
            | Error::Protocol(_)
            | Error::TooLarge(_)
            | Error::Coverage(_)
            | Error::MixedKinds(_)
            | Error::Ambiguous(_)
            | Error::NotReceived(_)
            | Error::Silent(_) => Kind::Invalid,
            // Files are kept on this machine while they are read; if that fails it is not the list's fault.
            Error::List(ListFileError::Read { source, .. }) if source.raw_os_error().is_some() => Kind::Unavailable,
            Error::List(_) => Kind::Invalid,
            Error::UnknownRegistry | Error::Refused(Refusal::UnknownRegistry | Refusal::UnknownVersion) => {
                Kind::NotFound
            }
            Error::Refused(Refusal::Superseded | Refusal::IsDiscarded) | Error::CallerLeft => Kind::Aborted,
            Error::LiveRegistry(_)
            | Error::DoesNotFit(_)
            | Error::Held { .. }
            | Error::Outdated(_)
            | Error::NoWayBack(_)
            | Error::Refused(_) => Kind::Precondition,
            Error::TooMany { .. } => Kind::Exhausted,
            Error::NotReady
            | Error::Stopping
            | Error::TooSlow
            | Error::Spool(_)
            | Error::NoDecision
            | Error::Write(_)
            | Error::NotVerified(_)
            | Error::ActivationUnknown(_)
            | Error::NotTold { .. } => Kind::Unavailable,
            Error::ShardRefused { .. } | Error::WrongSum { .. } | Error::Unexpected => Kind::Internal,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

/// An error and what it comes from, as one sentence.
fn chain(error: &ListFileError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a String does not fail.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}

/// What a guard stops, as part of a sentence.
fn list(stopped: &[Change]) -> String {
    let named: Vec<String> = stopped.iter().take(STOPPED_NAMED).map(Change::to_string).collect();
    let more = match stopped.len().saturating_sub(STOPPED_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
