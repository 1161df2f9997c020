//! A cluster: meta voters, nodes and a router, each its own process.

mod asks;
mod lean;
mod life;

pub use self::life::Taken;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use dnc_proto::v1;
use dnc_tests::cluster::{Cluster, Loopback, Place, Places, Size, Victim};
use dnc_tests::process::Role;

use crate::drawn::Drawn;
use crate::measure::Rate;

/// Replicas of each number, where there are as many nodes.
const REPLICAS: usize = 3;

/// How numbers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `PackedCheck`, of so many numbers.
    Packed(usize),
    /// `CheckStream`, so many numbers on their way on each stream.
    Stream(usize),
    /// `Check`, so many at a time on each connection.
    Unary(usize),
    /// `Check`, one after the other.
    Idle,
    /// REST, of so many numbers.
    Json(usize),
}

/// A running cluster with the numbers in it.
pub struct Ours {
    cluster: Cluster,
}

/// Loopback, and how the meta voter founds a cluster of so many nodes.
struct Small {
    nodes: usize,
}

// === impl Places for Small ===

impl Places for Small {
    fn place(&mut self, process: Victim, data: &Path) -> Result<Place> {
        let mut place = Loopback.place(process, data)?;
        if process.role == Role::Meta {
            place.around.variables.push(("DNC_INITIAL_NODES".into(), self.nodes.to_string()));
            place.around.variables.push(("DNC_REPLICATION".into(), self.nodes.min(REPLICAS).to_string()));
        }
        Ok(place)
    }
}

// === impl Ours ===

impl Ours {
    /// Starts one of a meta voter, so many nodes, and a router.
    pub async fn start(nodes: usize) -> Result<Self> {
        Self::of(Size { meta: 1, nodes, routers: 1 }).await
    }

    /// Starts one of this size; each number is on all nodes up to three.
    pub async fn of(size: Size) -> Result<Self> {
        Ok(Self { cluster: Cluster::start_in(size, &mut Small { nodes: size.nodes }).await? })
    }

    /// Imports a list file that is all there is; how long it took until it was acknowledged.
    pub async fn load(&self, file: &Path) -> Result<Duration> {
        self.import(v1::ImportHeader { covers_everywhere: true, ..v1::ImportHeader::default() }, file).await
    }

    /// Resident memory of all processes, bytes.
    pub fn memory(&self) -> Result<u64> {
        let all = self.cluster.meta.iter().chain(&self.cluster.nodes).chain(&self.cluster.routers);
        all.map(|process| Ok(process.memory()?.0)).sum()
    }

    /// Asks as fast as answers come.
    pub async fn ask(&self, how: How, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
        let router = &self.cluster.routers[0];
        match how {
            How::Packed(size) => asks::packed(router.grpc, size, drawn, window).await,
            How::Stream(size) => asks::stream(router.grpc, size, drawn, window).await,
            How::Unary(size) => asks::unary(router.grpc, asks::CONNECTIONS, size, drawn, window).await,
            How::Idle => asks::unary(router.grpc, 1, 1, drawn, window).await,
            How::Json(size) => asks::json(router.http, size, drawn, window).await,
        }
    }

    /// Stops all processes where they are.
    pub fn pause(&mut self) -> Result<()> {
        self.cluster.processes().try_for_each(|process| process.pause())
    }

    /// Lets them go on, and waits until the cluster is ready.
    pub async fn resume(&mut self) -> Result<()> {
        self.cluster.processes().try_for_each(|process| process.resume())?;
        self.cluster.wait_ready(Duration::from_secs(30)).await
    }

    /// Ends it and deletes what it kept.
    pub fn end(self) -> Result<()> {
        self.cluster.passed()
    }
}
