//! What callers do: check, import, registries, suppressions. Each is a call of the public API and a way to print its answer.
//!
//! Nothing here knows more than any other caller could: routers decide, and retries follow the documented policy of
//! `dnc_router::client`. Start at the file of the command.

pub mod check;
pub mod import;
mod progress;
pub mod registry;
mod shown;
pub mod suppress;

use anyhow::Result;
use dnc_router::client::Client;

use crate::args::Caller;

/// A client of the caller's routers.
fn client(caller: &Caller) -> Result<Client> {
    Ok(Client::new(&caller.router)?)
}
