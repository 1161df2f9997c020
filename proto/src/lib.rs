//! The messages that processes exchange: the .proto files in `proto/`, and the code generated from them.
//!
//! Nothing is written by hand here but names. `v1` is what callers see and stays compatible;
//! `internal` is between the cluster's own processes.

mod secret;

/// The public API, `dnc.v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("dnc.v1");

    /// Descriptors of `dnc.v1`, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dnc_v1.bin"));
}

/// Between the cluster's own processes, `dnc.internal.v1`.
#[allow(missing_docs, clippy::all)]
pub mod internal {
    tonic::include_proto!("dnc.internal.v1");
}

/// Metadata key under which every call between the cluster's own processes names its cluster.
pub const CLUSTER_KEY: &str = "dnc-cluster";
