//! Consensus: openraft on RocksDB and gRPC, for any state machine.
//!
//! A process opens one [`Store`], starts one [`Host`] on it, and runs any number of Raft groups
//! there, each around a [`Machine`] of the caller's. What is acknowledged by [`Group::write`] is on
//! the disks of a majority, and survives whatever happens to the rest.
//!
//! This crate knows nothing of numbers, registries or catalogs: commands, replies, keys and values
//! are bytes. It never decides who belongs to a group, never looks at a clock to answer a read, and
//! lets no type of the Raft library out. It is the only user of that library's traits.
//!
//! Start reading at [`machine`](Machine), the caller's side; then `host` (how a process runs its
//! groups), `group` (what can be done with one), `log_store` and `state_machine` (what Raft
//! writes, and when that is on disk), `snapshot` and `keyspace` (how a replica is brought up to date
//! without its log), `network` (what replicas say to each other).
//!
//! What must hold here, and where it is seen to:
//!
//! - Acknowledged means synced: `wal_sync` calls back only after fsync, and never again after one
//!   has failed.
//! - The state and the applied position are written as one: [`Transition::commit`].
//! - Readers never see half a snapshot: `keyspace`'s epochs.
//! - A replica that has just started owes its lease: `network::service` refuses votes, `host` keeps
//!   it from campaigning.
//! - The leader's lease ends before anybody else can lead: `lease`.
//! - Damage is noted once, by whoever meets with it: `damage`.
//! - Nobody takes a call that is meant for somebody else: `network::identity`.
//! - A group that was recovered from one replica never hears of its former members again: `recover`.

mod codec;
mod config;
mod damage;
mod db;
mod discard;
mod error;
mod group;
mod handover;
mod host;
mod housekeeping;
mod keyspace;
mod lease;
mod log;
mod log_store;
mod machine;
mod membership;
mod network;
mod raft_types;
mod recover;
mod replica;
mod scrub;
mod snapshot;
mod state_machine;
mod store;
mod tail;
#[cfg(test)]
mod testing;
mod types;
mod wal_sync;
mod workbench;

pub use codec::CodecError;
pub use config::{COMMAND_BYTES_MAX, HostOptions, PAIR_BYTES_MAX, StoreOptions};
pub use error::{GroupError, HostError, MachineError, ReadError, StoreError, WriteError};
pub use group::{Brief, Group, GroupStatus};
pub use host::Host;
pub use keyspace::Keyspace;
pub use lease::{Claim, Lease, Moment};
pub use machine::{Machine, Transition};
pub use membership::MembershipChange;
pub use network::pool::Peers;
pub use recover::RecoverError;
pub use store::{Closing, DiskState, Hold, Store, StoreStats};
pub use tail::TailCell;
pub use types::{ClusterId, GroupId, LogPosition, Membership, NodeId, ParseClusterIdError, Role, Tail};
pub use wal_sync::SyncCounters;
pub use workbench::Workbench;
