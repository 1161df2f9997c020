//! The words of the cluster and its pure logic: numbers, blocks, registries, the catalog, the read
//! rule, verdicts, placement.
//!
//! This crate does no I/O, reads no clock and starts no task: whoever calls it brings time and
//! bytes along. That is what lets tests and simulation drive it. Start at [`verdict::judge`] for
//! what a check means, at [`read_rule::settle`] for when an answer counts, and at
//! [`catalog::Catalog::apply`] for what the cluster decides together.

pub mod area;
pub mod bits;
pub mod block;
pub mod catalog;
pub mod codec;
pub mod command;
pub mod counts;
pub mod exemption;
pub mod generate;
pub mod ids;
pub mod listfile;
pub mod log_key;
pub mod moving;
pub mod number;
pub mod placement;
pub mod query;
pub mod read_rule;
pub mod record;
pub mod registry;
pub mod rule;
pub mod suppression;
pub mod tenant;
pub mod verdict;
pub mod view;
