//! How replicas speak to each other: one gRPC service for all groups of a process.
//!
//! - [`identity`]: who calls whom, on every call, and what is refused.
//! - [`pool`]: one connection per peer and purpose, opened when needed, resolved anew after a failure.
//! - [`client`]: Raft's outgoing messages; [`append`] and [`send_snapshot`] are its streams.
//! - [`throttle`]: how fast snapshots may leave.
//! - [`service`]: the incoming ones; [`receive_snapshot`] is the long one.

pub(crate) mod append;
pub(crate) mod client;
pub(crate) mod identity;
pub(crate) mod pool;
pub(crate) mod receive_snapshot;
pub(crate) mod send_snapshot;
pub(crate) mod service;
#[cfg(test)]
mod tests;
pub(crate) mod throttle;

/// The generated code of `dnc.raft.v1`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub(crate) mod wire {
    tonic::include_proto!("dnc.raft.v1");
}
