//! The messages that processes exchange: the .proto files in `proto/`, and the code generated from them.
//!
//! Nothing is written by hand here but names, how packed messages are read, and how single answers are sent.
//! `v1` is what callers see and stays compatible;
//! `internal` is between the cluster's own processes.

mod packed;
mod packed_request;
mod prepared;
mod question;
mod secret;

pub use self::packed_request::PackedRequest;
pub use self::prepared::PreparedResponse;
pub use self::question::NotWhole;

/// The public API, `dnc.v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("dnc.v1");

    /// Descriptors of `dnc.v1`, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dnc_v1.bin"));
}

/// The server's side of `CheckService`: it reads packed requests as [`PackedRequest`] and sends its
/// answers as [`PreparedResponse`].
#[allow(missing_docs, clippy::all)]
pub mod served {
    include!(concat!(env!("OUT_DIR"), "/served/dnc.v1.rs"));
}

/// Between the cluster's own processes, `dnc.internal.v1`.
#[allow(missing_docs, clippy::all)]
pub mod internal {
    tonic::include_proto!("dnc.internal.v1");
}

/// Metadata key under which every call between the cluster's own processes names its cluster.
pub const CLUSTER_KEY: &str = "dnc-cluster";

/// Metadata key under which a call to a node names the node that it is meant for, in decimal digits.
///
/// Addresses are used again: whoever listens at one now need not be the node that did. A node refuses what is meant for
/// another one, and says who it is in its answers; else one process could count as two replicas of a shard.
pub const NODE_KEY: &str = "dnc-node";
