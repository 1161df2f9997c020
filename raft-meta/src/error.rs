//! Why a voter stopped, other than by being told to.

use dnc_consensus::{GroupError, HostError, StoreError};

use crate::bootstrap::BootstrapError;
use crate::options::BadOptions;

/// A voter could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options contradict each other.
    #[error("read the options of the meta voter")]
    Options(#[from] BadOptions),
    /// The store cannot be used.
    #[error("open the meta voter's store")]
    Store(#[from] StoreError),
    /// It is not, or may not be, part of the meta group.
    #[error("join the meta group")]
    Bootstrap(#[from] BootstrapError),
    /// A listener cannot be used.
    #[error("listen for {what}")]
    Listen {
        /// Whose calls.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The service broke.
    #[error("serve the meta service")]
    Serve(#[source] tonic::transport::Error),
    /// Replication cannot be started.
    #[error("host the meta group")]
    Host(#[from] HostError),
    /// The group cannot be started.
    #[error("initialize the meta group")]
    Initialize(#[source] GroupError),
    /// The replica gave up: its store or its state machine failed.
    #[error("the replica of the meta group has stopped: {0}")]
    ReplicaStopped(String),
    /// A task of the voter panicked.
    #[error("a task of the meta voter failed")]
    Task(#[from] tokio::task::JoinError),
}
