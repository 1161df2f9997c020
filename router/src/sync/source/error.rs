//! Why a source did not give what was asked for. Says what is wrong, never a key, a user's name or a query.

use std::time::Duration;

/// Why a source did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SourceError {
    /// What is wrong.
    pub what: String,
    /// Whether to try again.
    pub again: Again,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It will be wrong again.
    Never,
    /// After a pause.
    Later,
    /// After the time that the source asked for.
    After(Duration),
}

// === impl SourceError ===

impl SourceError {
    /// What will be wrong again.
    pub fn never(what: impl Into<String>) -> Self {
        Self { what: what.into(), again: Again::Never }
    }

    /// What may go well after a pause.
    pub fn later(what: impl Into<String>) -> Self {
        Self { what: what.into(), again: Again::Later }
    }

    /// What went wrong, with what was being done.
    pub fn while_doing(self, doing: &str) -> Self {
        Self { what: format!("{doing}: {}", self.what), again: self.again }
    }
}
