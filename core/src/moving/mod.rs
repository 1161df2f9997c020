//! Moving replicas between nodes, as far as it can be decided without I/O: which moves a cluster needs
//! ([`plan`]), and what the next safe step of one move is ([`step`]).

pub mod plan;
pub mod step;
