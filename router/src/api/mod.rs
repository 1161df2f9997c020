//! What callers see: gRPC in `grpc`, REST in `rest`.
//!
//! Both say the same in two forms. What they share is here: [`checks`] judges numbers, [`answer`]
//! turns judgements into what both forms are made of and [`told`] what the catalog holds, [`caller`]
//! is who asks and how long they wait. The two folders hold forms and status codes, no decisions.
//! Opt-outs, registries, tenants, rules and imports are decided in rooms of their own, above this one.

pub mod answer;
pub mod caller;
pub mod checks;
pub mod grpc;
pub mod rest;
pub mod state;
pub mod syncs;
pub mod told;
