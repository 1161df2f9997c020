//! What callers do: check, import, registries, rules, suppressions, exemptions, tenants, the cluster. Each is a call of the public API and a way to print its answer.
//!
//! Nothing here knows more than any other caller could: routers decide, and retries follow the documented policy of
//! `dnc_router::client`. Start at the file of the command.

pub mod backup;
mod bar;
pub mod check;
pub mod cluster;
pub mod exempt;
pub mod import;
mod progress;
pub mod registry;
pub mod report;
pub mod rule;
pub mod suppress;
pub mod sync;
pub mod tenant;
pub mod versions;

use anyhow::{Result, anyhow};
use dnc_router::client::{Client, Error};
use tonic::Code;

use crate::args::Caller;

/// A client of the caller's routers, calling for its tenant.
fn client(caller: &Caller) -> Result<Client> {
    Ok(Client::new(&caller.router)?.for_tenant(&caller.tenant)?)
}

/// A text that keeps to its cell of a table.
fn plain(text: &str) -> String {
    if text.is_empty() {
        return "-".into();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a person is told of a failed call. Where the request was at fault the router says what is wrong with it, and the
/// name of the status adds nothing to that.
fn explain(error: Error) -> anyhow::Error {
    match &error {
        Error::Status(status) if is_refusal(status.code()) => anyhow!("{}", status.message()),
        _ => error.into(),
    }
}

fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted
    )
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_router() {
        let refused = explain(Status::not_found("there is no registry of this name").into());
        assert_eq!(refused.to_string(), "there is no registry of this name");
        let failed = explain(Status::unavailable("nobody is there").into()).to_string();
        assert!(failed.contains("unavailable") && failed.contains("nobody is there"), "{failed}");
    }
}
