//! A storage node: holds replicas of shards and answers what they know of numbers.
//!
//! Start at [`run`]: it opens the store, learns who this node is, starts a replica for each shard
//! that the catalog places here, and serves routers. [`shard`] is what a replica is; `service` is
//! what routers ask of it. A node never talks to another node but through consensus, never decides
//! what the catalog says, and never judges: verdicts are made by routers. When its data is damaged it gives it up and comes
//! back as another node: `repair`.

mod card;
mod catalog_copy;
mod clock;
mod disk;
mod error;
mod gauges;
mod hosting;
mod identity;
mod options;
mod peers;
mod repair;
mod run;
pub mod said;
mod scrub;
mod service;
pub mod shard;
#[cfg(test)]
mod testing;
mod threads;

pub use self::error::Error;
pub use self::hosting::{Hosting, wanted};
pub use self::options::{DiskOptions, Listeners, Options, ScrubOptions};
pub use self::run::run;
