//! What a client talks to: a cluster through the documented client, or, in the kit's own tests, anything.

use std::future::Future;

use anyhow::Result;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::Verdict;
use dnc_proto::v1;
use dnc_router::client::{Client, Error};
use tonic::Code;

use crate::grpc;
use crate::history::{Outcome, TWO_REVISIONS};

/// Answers checks and takes writes.
pub trait Target: Send + Sync + 'static {
    /// Checks one number.
    fn check(&self, number: PhoneNumber) -> impl Future<Output = Result<Verdict, String>>;

    /// Checks several in bulk: one answer for each, in their order.
    fn check_all(&self, numbers: &[PhoneNumber]) -> impl Future<Output = Vec<Result<Verdict, String>>>;

    /// Suppresses a number.
    fn suppress(&self, number: PhoneNumber) -> impl Future<Output = Outcome>;

    /// Releases all suppressions of a number.
    fn release(&self, number: PhoneNumber) -> impl Future<Output = Outcome>;
}

/// The routers of a cluster, called by the documented retry policy.
#[derive(Clone)]
pub struct Routers {
    client: Client,
}

// === impl Routers ===

impl Routers {
    /// Tries these routers, the first one first.
    pub fn new(urls: &[String]) -> Result<Routers> {
        Ok(Routers { client: Client::new(urls)? })
    }

    /// One for each of so many clients, each with connections of its own; every router is the first one of some.
    pub fn for_clients(urls: &[String], clients: u32) -> Result<Vec<Routers>> {
        let mut urls = urls.to_vec();
        (0..clients)
            .map(|_| {
                let routers = Routers::new(&urls);
                urls.rotate_left(1);
                routers
            })
            .collect()
    }
}

impl Target for Routers {
    async fn check(&self, number: PhoneNumber) -> Result<Verdict, String> {
        let request = v1::CheckRequest { phone_number: number.to_string(), ..v1::CheckRequest::default() };
        let response = self.client.check(request).await.map_err(|error| error.to_string())?;
        answer(number, &response)
    }

    async fn check_all(&self, numbers: &[PhoneNumber]) -> Vec<Result<Verdict, String>> {
        let item = |number: &PhoneNumber| v1::BulkItem { phone_number: number.to_string(), ..v1::BulkItem::default() };
        let request =
            v1::BulkCheckRequest { items: numbers.iter().map(item).collect(), ..v1::BulkCheckRequest::default() };
        let failed = |error: String| vec![Err(error); numbers.len()];
        match self.client.bulk_check(request).await {
            Ok(response) if response.results.iter().any(|result| result.revision != response.revision) => {
                failed(TWO_REVISIONS.into())
            }
            Ok(response) if response.results.len() == numbers.len() => {
                numbers.iter().zip(&response.results).map(|(number, result)| answer(*number, result)).collect()
            }
            Ok(response) => failed(format!("{} answers to {} numbers", response.results.len(), numbers.len())),
            Err(error) => failed(error.to_string()),
        }
    }

    async fn suppress(&self, number: PhoneNumber) -> Outcome {
        let request = v1::AddSuppressionRequest {
            phone_number: number.to_string(),
            reason: "asked not to be called".into(),
            added_by: "workload".into(),
            ..v1::AddSuppressionRequest::default()
        };
        outcome(self.client.add_suppression(request).await)
    }

    async fn release(&self, number: PhoneNumber) -> Outcome {
        let request = v1::RemoveSuppressionRequest {
            phone_number: number.to_string(),
            reason: "entered by mistake".into(),
            removed_by: "workload".into(),
            ..v1::RemoveSuppressionRequest::default()
        };
        outcome(self.client.remove_suppression(request).await)
    }
}

fn answer(number: PhoneNumber, response: &v1::CheckResponse) -> Result<Verdict, String> {
    if response.phone_number != number.to_string() {
        return Err("the answer is about another number".into());
    }
    grpc::verdict(response).map_err(|error| error.to_string())
}

/// Only what says so for certain counts as refused.
fn outcome<T>(answer: Result<T, Error>) -> Outcome {
    let Err(error) = answer else {
        return Outcome::Acknowledged;
    };
    match error {
        Error::Status(status) => match status.code() {
            Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition => Outcome::Refused,
            _ => Outcome::Unknown,
        },
        _ => Outcome::Unknown,
    }
}
