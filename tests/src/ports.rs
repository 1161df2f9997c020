//! Free loopback ports for the processes of a cluster.
//!
//! A port is found by binding it, and given away by letting it go, so another program may take it
//! in between: whoever starts processes must be ready to try again with others. Ports are taken
//! from below the range from which the kernel gives ports to outgoing connections: a process that
//! is down for a moment must find its port free when it comes back.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use anyhow::{Result, bail};

const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// Ports that this test program has given away.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A loopback address that nobody listens on, never given twice by this program.
pub fn free() -> Result<SocketAddr> {
    let mut given = GIVEN.lock().expect("nobody panics while holding it");
    let span = u32::from(LAST - FIRST) + 1;
    // Programs that run side by side begin in different places.
    let begin = std::process::id().wrapping_mul(7_919) % span;
    for step in 0..span {
        let port = FIRST + u16::try_from((begin + step) % span).expect("below the span");
        if given.contains(&port) {
            continue;
        }
        given.insert(port);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port from {FIRST} to {LAST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_and_each_can_be_bound() {
        let ports: Vec<SocketAddr> = (0..50).map(|_| free().expect("a free port")).collect();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), ports.len());
        for port in &ports {
            TcpListener::bind(port).expect("still free");
        }
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let taken = free().expect("a free port");
        let _held = TcpListener::bind(taken).expect("still free");
        GIVEN.lock().expect("not poisoned").remove(&taken.port());
        assert_ne!(free().expect("another port"), taken);
    }
}
