//! Why a sync was not started, or a number not looked up.

use dnc_core::catalog::Refusal;

use crate::failure::{Failure, Invalid, Kind};

/// Why a sync was not started, or a number not looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such registry.
    #[error("there is no such registry")]
    UnknownRegistry,
    /// None of this type and jurisdiction that could be synced.
    #[error("there is no {0} that has a source")]
    NoneOfThem(String),
    /// It has no source.
    #[error("registry {0} has no source to fetch its lists from")]
    NoSource(String),
    /// It changes entry by entry.
    #[error("registry {0} changes entry by entry, it is not synced")]
    Live(String),
    /// It is not consulted.
    #[error("registry {0} is not active, it is not synced")]
    Inactive(String),
    /// Another router syncs it.
    #[error("router {0} is syncing this registry; wait until that has ended")]
    Syncing(String),
    /// As many syncs run here as may.
    #[error("{max} syncs are running on this router, and no more are run at a time; try again later")]
    TooMany {
        /// How many may run.
        max: usize,
    },
    /// The meta group refused.
    #[error("{0}")]
    Refused(Refusal),
    /// It is not known whether the claim was made.
    #[error("the meta group did not confirm in time; see whether the sync runs before you start it again")]
    Unconfirmed,
    /// The meta group answered what it should not have.
    #[error("the meta group gave an unexpected answer")]
    Unexpected,
    /// This router stops.
    #[error("this router stops")]
    Stopping,
    /// It has nowhere to look a number up.
    #[error("registry {0} has no URL to look a number up at")]
    NoLookup(String),
    /// As many numbers are looked up as may be.
    #[error("more numbers are looked up in registry {0} than its rate limit allows; try again later")]
    LimitReached(String),
    /// The place where the list comes from did not answer.
    #[error("{0}")]
    NoAnswer(String),
    /// The stored key does not open, or there is none to open it with.
    #[error("{0}")]
    Key(String),
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::UnknownRegistry | Error::NoneOfThem(_) => Kind::NotFound,
            Error::Refused(Refusal::UnknownRegistry) => Kind::NotFound,
            Error::Refused(Refusal::NotFounded) => Kind::Unavailable,
            Error::NoSource(_) | Error::Live(_) | Error::Inactive(_) | Error::Syncing(_) | Error::Refused(_) => {
                Kind::Precondition
            }
            Error::NoLookup(_) | Error::Key(_) => Kind::Precondition,
            Error::TooMany { .. } | Error::LimitReached(_) => Kind::Exhausted,
            Error::Unconfirmed | Error::Stopping | Error::NoAnswer(_) => Kind::Unavailable,
            Error::Unexpected => Kind::Internal,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}
