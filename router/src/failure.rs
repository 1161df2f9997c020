//! What can go wrong with a request, sorted by what its caller can do about it.
//!
//! Each room has its own errors; this is the one property that they share, and `api` turns it into
//! a gRPC status or an HTTP one.

use std::time::Duration;

/// What a failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong, and will be wrong again.
    Invalid,
    /// It names something that does not exist.
    NotFound,
    /// It cannot be done with the thing that it names.
    Precondition,
    /// It wants to make what exists already, and is another one.
    Exists,
    /// Somebody else was faster; the whole of it can be tried again.
    Aborted,
    /// Too much of it at once; later it can be tried again.
    Exhausted,
    /// It could not be done now, or it is not known whether it was; the same request can be tried again.
    Unavailable,
    /// A fault of the cluster.
    Internal,
}

/// A failure whose message may be shown to the caller.
pub trait Failure: std::error::Error {
    /// What it means to the caller.
    fn kind(&self) -> Kind;

    /// When it is worth trying again, if that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The part of the request that is wrong, if it is that.
    fn invalid(&self) -> Option<&Invalid> {
        None
    }
}

/// A part of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Invalid {
    /// The field, as the request names it.
    pub field: &'static str,
    /// What is wrong. Never repeats what stands in the field.
    pub detail: String,
}

// === impl Invalid ===

impl Invalid {
    /// What is wrong with a field.
    pub fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }

    /// Refuses a text that is too long.
    pub fn limit(field: &'static str, text: &str, max: usize) -> Result<(), Self> {
        if text.len() > max {
            return Err(Self::new(field, format!("longer than {max} bytes")));
        }
        Ok(())
    }

    /// Refuses an empty text, and one that is too long.
    pub fn require(field: &'static str, text: &str, max: usize) -> Result<(), Self> {
        if text.trim().is_empty() {
            return Err(Self::new(field, "must not be empty"));
        }
        Self::limit(field, text, max)
    }
}

impl Failure for Invalid {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn invalid(&self) -> Option<&Invalid> {
        Some(self)
    }
}
