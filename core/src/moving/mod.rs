//! Moving replicas between nodes, as far as it can be decided without I/O: which moves a cluster needs
//! ([`plan`]), what the next safe step of one move is ([`step`]), and who should lead ([`lead`]).

pub mod lead;
pub mod plan;
pub mod step;
