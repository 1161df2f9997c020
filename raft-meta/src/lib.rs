//! The meta group: the voters that decide the catalog together, and how everybody else hears of it.
//!
//! The catalog itself and its changes are in `dnc_core::catalog`; replication is in
//! `dnc_consensus`. This crate joins the two and puts them on the network. It never answers a
//! check and never carries a phone number: with the meta group down, checks go on.
//!
//! A voter: start at [`run`], which reads like a table of contents. [`bootstrap`] settles who the
//! voters are, once; `machine` applies changes; `board` and `feed` tell watchers of them;
//! `service` is what the network sees; `reconcile` is what the leader does by itself, and `carry_out` how it moves replicas.
//!
//! The caller's side, for nodes and routers: [`MetaClient`] proposes, [`CatalogCache`] is the
//! catalog as a process knows it, and [`follow`] keeps it fresh.

mod backoff;
mod board;
pub mod bootstrap;
mod cache;
pub mod carry_out;
mod client;
mod error;
mod feed;
mod follow;
mod gathered;
mod line;
mod machine;
pub mod nodes;
mod options;
pub mod reconcile;
mod run;
mod service;

pub use self::board::Board;
pub use self::cache::{CatalogCache, Known, OtherCluster, TimedOut};
pub use self::client::{MetaClient, ProposeError};
pub use self::error::Error;
pub use self::follow::follow;
pub use self::gathered::Gathered;
pub use self::machine::CatalogMachine;
pub use self::options::{BadOptions, BadVoter, Options, Voter};
pub use self::run::{Listeners, run};

/// Largest encoded catalog or change that crosses the network, in bytes: as much as the codec reads.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
