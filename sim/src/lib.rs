//! Deterministic simulation: a whole cluster in one thread, in simulated time, decided by one seed.
//!
//! Meta voters, storage nodes, routers and clients are hosts of a `turmoil` simulation. Latency, loss, partitions, power
//! cuts and restarts are drawn from the seed, and so are Raft's election timeouts, what the disks take, and what the
//! clients do. The same seed is to give the same trace, to the byte of every message. What was promised is checked while it
//! runs and after all is healed ([`model`], [`watch`]).
//!
//! **The product's own code** decides: the shard's state machine with its overlay, filter and resident versions
//! (`dnc_node::shard`), the catalog and its machine (`dnc_core`, `dnc_meta`), the reconciler as a whole
//! (`dnc_meta::carry_out`, `reconcile`), the way of a check and of a write as a whole (`dnc_router::route`: plan, ask, hedge,
//! gather, gossip, write, barrier), what an activation waits for (`dnc_router::ready`), openraft itself.
//!
//! **The simulation's own code** is the shell around them: the network and how calls cross it ([`net`], [`rpc`]), disks
//! that forget what was not synced ([`disk`]), openraft's log and state machine on them ([`raft`]), starting and stopping
//! replicas ([`node`]), following the catalog ([`follow`]). Nothing of `dnc_consensus` runs here but its words, its tail
//! and the place where machines keep their state: its log, its snapshots and its network are for the chaos suite.
//!
//! Start at [`run::one`].

pub mod client;
pub mod disk;
pub mod faults;
pub mod follow;
pub mod lists;
pub mod meta;
pub mod model;
pub mod net;
pub mod node;
pub mod operator;
pub mod plan;
pub mod raft;
pub mod router;
pub mod rpc;
pub mod run;
pub mod service;
pub mod trace;
pub mod watch;
pub mod world;
