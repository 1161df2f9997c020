//! The router: the stateless process that callers talk to.
//!
//! It holds nothing that could be lost: the catalog that it judges by is a copy, and what is being
//! imported is spooled and thrown away. Routers and nodes meet in `dnc_proto` and `dnc_core` only.
//!
//! [`run`] starts it and reads like a table of contents. A check comes in through `api`, goes down
//! through `route` to the shards, and its judgement goes back up through `api::answer`. `suppress`
//! writes and finds opt-outs, `exempt` exemptions, `import` loads lists, `operate` is for the cluster's operators. What these need of the cluster below is the trait in
//! `cluster`, so that tests can stand in for it. [`client`] is the other end: what a caller uses.
//! [`shown`] and [`entries`] are what both ends show answers as.

mod admission;
mod api;
mod backup;
pub mod client;
mod clock;
mod cluster;
mod decide;
mod details;
pub mod entries;
mod exempt;
mod failure;
mod import;
mod judgement;
mod operate;
mod options;
mod privacy;
mod registries;
mod report;
pub mod route;
mod rules;
mod run;
mod schedule;
mod secrets;
mod serve;
pub mod shown;
mod suppress;
mod sweep;
mod sync;
mod telemetry;
mod tenants;
#[cfg(test)]
mod testing;

pub use self::cluster::Cluster;
pub use self::decide::{Undecided, confirm, propose};
pub use self::import::ready;
pub use self::options::{BadOptions, ImportOptions, Options};
pub use self::run::{Error, Listeners, run};
pub use self::secrets::random_secret_key;
pub use self::sync::SyncOptions;
