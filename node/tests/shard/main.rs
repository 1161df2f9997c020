//! A replica of one shard, with its log and its state on disk, against a plain model of what it should
//! be; and where its tasks meet.

#[path = "../common/mod.rs"]
mod common;
mod making;
mod model;
mod pruning;
mod races;
mod random;
mod refusals;
mod restarts;
mod restoring;
mod searches;
