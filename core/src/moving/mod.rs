//! Moving replicas between nodes, as far as it can be decided without I/O: which moves a cluster needs
//! ([`plan`]), what the next safe step of one move is ([`step`]), who should lead ([`lead`]), and when a damaged node may
//! give its data up ([`repair`]).

pub mod lead;
pub mod plan;
pub mod repair;
pub mod step;
