//! Why a node cannot run.

use dnc_core::ids::NodeId;

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is missing or makes no sense.
    #[error("{0}")]
    Options(String),
    /// The store cannot be opened, read or written.
    #[error("use the data folder")]
    Store(#[from] dnc_consensus::StoreError),
    /// What the store holds is not what this program writes.
    #[error("decode what the data folder holds")]
    Decode(#[from] dnc_core::codec::CodecError),
    /// The card beside the store cannot be read or written, or the data cannot be moved aside.
    #[error("use the card beside the store")]
    Card(#[source] std::io::Error),
    /// The store is damaged, and has been let go of too late to be moved aside now.
    #[error("the damaged store does not close; start the node again")]
    NotClosed,
    /// Consensus cannot start.
    #[error("start consensus")]
    Host(#[from] dnc_consensus::HostError),
    /// The data folder belongs to another cluster than the meta group.
    #[error("this data folder belongs to another cluster: {0}")]
    OtherCluster(String),
    /// The meta group knows this data folder as another node.
    #[error("this data folder is node {ours}, but the meta group knows it as node {theirs}")]
    OtherIdentity {
        /// What the folder says.
        ours: NodeId,
        /// What the meta group says.
        theirs: NodeId,
    },
    /// A socket cannot be used.
    #[error("use a listening socket")]
    Socket(#[from] std::io::Error),
    /// The gRPC server failed.
    #[error("serve routers")]
    Serve(#[from] tonic::transport::Error),
    /// A part of it ended before it was told to stop.
    #[error("{what} ended unexpectedly: {why}")]
    Ended {
        /// Which part.
        what: &'static str,
        /// How.
        why: String,
    },
    /// Told to stop before it ran.
    #[error("stopped before it was ready")]
    Stopped,
}
