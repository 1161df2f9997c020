//! The test kit: starts real clusters, does them harm, writes down what callers saw, and judges it.
//!
//! Nothing of the product is stood in for: a [`cluster::Cluster`] is processes of the `dnc` binary on
//! loopback, [`workload`] speaks to them as any caller does, and [`history::check`] decides
//! afterwards whether the promises were kept. The tests themselves are in `tests/`; the chaos
//! program uses the same kit. Start at [`cluster::Cluster::start`].

pub mod binary;
pub mod cluster;
pub mod grpc;
pub mod history;
pub mod http;
pub mod lists;
pub mod numbers;
pub mod ports;
pub mod process;
pub mod wait;
pub mod workload;
