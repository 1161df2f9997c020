//! Moving replicas between nodes, as far as it can be decided without I/O: which moves a cluster needs
//! ([`plan`]), what the next safe step of one move is ([`step`]), who should lead ([`lead`]), and when a damaged node may
//! give its data up ([`repair`]), and from what a shard goes on that lost its majority for good ([`recover`]). Which moves
//! are made at a time says [`turn`].

pub mod lead;
pub mod plan;
pub mod recover;
pub mod repair;
pub mod step;
pub mod turn;

/// Moves under way at a time: each sends a replica's whole state.
pub const MOVES_AT_ONCE: usize = 4;

/// The lowest throttle, bytes a second: below it a transfer would be taken for stuck.
const THROTTLE_MIN: u64 = 512 << 10;

/// The throttle that a plan gets if this one is asked for; 0 stands for none.
pub fn throttle(asked: u64) -> u64 {
    if asked == 0 { 0 } else { asked.max(THROTTLE_MIN) }
}
