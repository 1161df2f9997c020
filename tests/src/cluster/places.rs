//! Where the processes of a cluster live: on loopback, or wherever a [`Places`] puts them.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::Victim;
use crate::ports;
use crate::process::Around;

/// Where one process lives.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where it speaks gRPC.
    pub grpc: SocketAddr,
    /// Where it serves `/metrics`, `/healthz` and `/readyz`.
    pub http: SocketAddr,
    /// Where it speaks Raft; of no use to a router.
    pub raft: SocketAddr,
    /// What is around it.
    pub around: Around,
}

/// Finds a place for each process, before any is started.
pub trait Places {
    /// A place for this process, which will keep its data in `data`.
    fn place(&mut self, process: Victim, data: &Path) -> Result<Place>;
}

/// All on loopback, each at ports of its own.
#[derive(Clone, Copy, Debug)]
pub struct Loopback;

// === impl Loopback ===

impl Places for Loopback {
    fn place(&mut self, _: Victim, _: &Path) -> Result<Place> {
        Ok(Place { grpc: ports::free()?, http: ports::free()?, raft: ports::free()?, around: Around::default() })
    }
}
