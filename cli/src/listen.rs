//! Listening sockets, bound before anything starts, so that a taken port is the first thing to be said.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};

use crate::config::Setting;

/// A bound socket and its address.
pub struct Bound {
    /// The socket, ready for tokio to take.
    pub listener: TcpListener,
    /// Its address, with the port that the system chose if it was asked to.
    pub address: SocketAddr,
}

/// Binds the address of a setting (`host:port`; port 0 lets the system choose).
pub fn bind(setting: Setting, address: &str) -> Result<Bound> {
    bind_plain(address).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
            _ => error.to_string(),
        };
        anyhow::anyhow!("cannot listen on `{address}`: {why}; {setting} sets it")
    })
}

/// Binds a port of loopback that the system chooses.
pub fn bind_loopback() -> Result<Bound> {
    bind_plain("127.0.0.1:0").context("listen on loopback")
}

fn bind_plain(address: &str) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_setting_that_changes_it() {
        let held = bind_loopback().unwrap();
        let taken = held.address.to_string();
        let refused = bind(Setting("grpc_listen"), &taken).err().unwrap().to_string();
        assert!(refused.contains(&taken), "{refused}");
        assert!(refused.contains("another process"), "{refused}");
        assert!(refused.contains("--grpc-listen, DNC_GRPC_LISTEN or `grpc_listen`"), "{refused}");
    }
}
