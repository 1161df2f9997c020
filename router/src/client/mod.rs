//! The caller's side: one client of one or several routers.
//!
//! **Retry policy.** A check is tried on the router that answered last; each attempt has 300 ms, and 0.1 ms more for each
//! number of a bulk, up to 1 s. On
//! a connection error, a time-out, UNAVAILABLE, RESOURCE_EXHAUSTED, or an answer of UNKNOWN
//! `unavailable`, the next router is tried, around and around, until one second has passed in all,
//! or twice the time of an attempt if that is longer (2 s for 10,000 numbers).
//! If there was an answer by then, even UNKNOWN, it is the answer; else the last error is returned.
//! An answer that is UNKNOWN for another cause, LISTED or CLEAR is final.
//!
//! A client speaks for one tenant, the default one unless [`Client::for_tenant`] says another.
//!
//! Opt-outs carry one request id over all attempts, so that a repeated one is recognised; each
//! attempt has 6 s, and all together 10 s. Once an attempt may have been done and its answer did not
//! come, the outcome is unknown unless a later one is answered, and the error says so with the
//! request id. A later refusal does not change that: it speaks for its own attempt. An attempt whose
//! connection did not open was not done. A removal first looks which entries there are and names them,
//! so that no attempt takes away one that came in between. Registries are listed with 6 s and 10 s too.
//! A stream and an import go to the first router that takes them and are not repeated. Changes of
//! registries, tenants and rules have 14 s and 30 s: they are answered once all shards have been told.
//!
//! Start at [`Client`]. `attempts` is the policy, `import` sends list files, `suppress` and `exempt` are
//! opt-outs and exemptions, `catalog` changes registries, tenants and rules,
//! `cluster` is for its operators: plans have 18 s and 40 s, since the nodes are asked first;
//! `backup` makes and restores backups, on the first router that takes them;
//! `versions` activates what was loaded: with 240 s and 300 s, since replicas may have to read a version first, and to ask
//! again changes nothing.

mod attempts;
mod backup;
mod catalog;
mod cluster;
mod exempt;
mod import;
mod suppress;
mod sync;
#[cfg(test)]
mod tests;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use dnc_proto::v1;
use dnc_proto::v1::check_service_client::CheckServiceClient;
use dnc_proto::v1::registry_service_client::RegistryServiceClient;
use dnc_proto::v1::report_service_client::ReportServiceClient;
use futures::Stream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use self::attempts::{Attempts, Failed, Policy, Tried};
use crate::api::caller::TENANT;

/// Largest answer that is taken, bytes: a bulk of the most numbers with much evidence.
const MAX_ANSWER_BYTES: usize = 256 << 20;
/// Time to open a connection.
const CONNECT: Duration = Duration::from_millis(300);
/// How often a connection is asked whether it lives while calls are open, and how long it may take to answer.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Checks.
const CHECKS: Policy = Policy {
    attempt: Duration::from_millis(300),
    total: Duration::from_millis(1_000),
    pause: Duration::from_millis(5),
};
/// Opt-outs and registries.
const WRITES: Policy =
    Policy { attempt: Duration::from_secs(6), total: Duration::from_secs(10), pause: Duration::from_millis(50) };

/// Changes of the catalog: longer than a router tries to tell all shards.
const CHANGES: Policy =
    Policy { attempt: Duration::from_secs(14), total: Duration::from_secs(30), pause: Duration::from_millis(50) };

/// Speaks to one or several routers. Clones share connections, which open at first use.
#[derive(Clone)]
pub struct Client {
    routers: Attempts,
    /// For whom it speaks; the default tenant if none is named.
    tenant: Option<MetadataValue<Ascii>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No router is named.
    #[error("no router is named")]
    NoRouter,
    /// Not the address of a router.
    #[error("{0} is not the address of a router, such as http://127.0.0.1:7400")]
    BadAddress(String),
    /// Not the name of a tenant.
    #[error("a tenant's name is made of small letters, digits, '-', '_' and '.'")]
    BadTenant,
    /// A router refused the request, or none answered it in time.
    #[error("{}", describe(.0))]
    Status(Box<Status>),
    /// It is not known whether a write was done.
    #[error("not confirmed: it may have been done; repeating it with request_id {request_id} is safe: {}", describe(.status))]
    Unknown {
        /// Names the request.
        request_id: String,
        /// What the last attempt ended with.
        status: Box<Status>,
    },
    /// A file cannot be read.
    #[error("read {file}")]
    File {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was begun ended without a result.
    #[error("it ended without a result")]
    NoResult,
}

// === impl Error ===

impl Error {
    /// The status that a router ended the request with, if one did.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Error::Status(status) | Error::Unknown { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Error::Status(Box::new(status))
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.status.into()
    }
}

fn describe(status: &Status) -> String {
    format!("{}: {}", status.code(), status.message())
}

// === impl Client ===

impl Client {
    /// A client of these routers, each `http://host:port`. The first is tried first.
    pub fn new<A: AsRef<str>>(routers: impl IntoIterator<Item = A>) -> Result<Self, Error> {
        let channels = routers.into_iter().map(|address| connect(address.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if channels.is_empty() {
            return Err(Error::NoRouter);
        }
        Ok(Self { routers: Attempts::new(Arc::from(channels)), tenant: None })
    }

    /// The same client, calling for this tenant instead of the default one.
    pub fn for_tenant(self, name: &str) -> Result<Self, Error> {
        let tenant = Some(name.parse().map_err(|_| Error::BadTenant)?);
        Ok(Self { tenant, ..self })
    }

    /// May this number be called?
    pub async fn check(&self, request: v1::CheckRequest) -> Result<v1::CheckResponse, Error> {
        let send = async |channel, request| checks(channel).check(request).await;
        let missing = |answer: &v1::CheckResponse| u32::from(is_unavailable(answer));
        Ok(self.call_for_best(CHECKS, request, send, missing).await?)
    }

    /// May these numbers be called?
    pub async fn bulk_check(&self, request: v1::BulkCheckRequest) -> Result<v1::BulkCheckResponse, Error> {
        let policy = CHECKS.for_numbers(request.items.len());
        let send = async |channel, request| checks(channel).bulk_check(request).await;
        let missing = |answer: &v1::BulkCheckResponse| {
            let missing = answer.results.iter().filter(|result| is_unavailable(result)).count();
            u32::try_from(missing).unwrap_or(u32::MAX)
        };
        Ok(self.call_for_best(policy, request, send, missing).await?)
    }

    /// Checks numbers as they come; answers come in their order. Not repeated when the router goes away.
    pub async fn check_stream(
        &self,
        requests: impl Stream<Item = v1::CheckRequest> + Send + 'static,
    ) -> Result<Streaming<v1::CheckResponse>, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        let response = checks(channel).check_stream(self.named(requests)).await?;
        Ok(response.into_inner())
    }

    /// What was checked in a period.
    pub async fn compliance(&self, request: v1::ComplianceRequest) -> Result<v1::ComplianceReport, Error> {
        let send = async |channel, request| reports(channel).get_compliance(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// What is held now.
    pub async fn stats(&self, request: v1::StatsRequest) -> Result<v1::Stats, Error> {
        let send = async |channel, request| reports(channel).get_stats(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// Makes a call to which any answer is final.
    async fn call<M: Clone, R, F>(
        &self,
        policy: Policy,
        message: M,
        send: impl Fn(Channel, Request<M>) -> F,
    ) -> Result<R, Failed>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        self.call_for_best(policy, message, send, |_| 0).await
    }

    /// Makes a call that another router may answer better, as long as something is `missing` from the answer.
    async fn call_for_best<M: Clone, R, F>(
        &self,
        policy: Policy,
        message: M,
        send: impl Fn(Channel, Request<M>) -> F,
        missing: fn(&R) -> u32,
    ) -> Result<R, Failed>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let attempt = |channel, limit| {
            let mut request = self.named(message.clone());
            request.set_timeout(limit);
            let sent = send(channel, request);
            async move {
                let answer = sent.await?.into_inner();
                let missing = missing(&answer);
                Ok(Tried::scored(answer, missing))
            }
        };
        self.routers.run(policy, attempt).await
    }

    /// A request that names the tenant.
    fn named<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(tenant) = &self.tenant {
            request.metadata_mut().insert(TENANT, tenant.clone());
        }
        request
    }
}

fn connect(address: &str) -> Result<Channel, Error> {
    let bad = || Error::BadAddress(address.to_owned());
    let full = match address.split_once("://") {
        Some(("http", _)) => address.to_owned(),
        None => format!("http://{address}"),
        Some(_) => return Err(bad()),
    };
    let endpoint = Endpoint::from_shared(full).map_err(|_| bad())?;
    if endpoint.uri().port_u16().is_none() {
        return Err(bad());
    }
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .connect_lazy())
}

fn checks(channel: Channel) -> CheckServiceClient<Channel> {
    CheckServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

fn registries(channel: Channel) -> RegistryServiceClient<Channel> {
    RegistryServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

fn reports(channel: Channel) -> ReportServiceClient<Channel> {
    ReportServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

fn is_unavailable(response: &v1::CheckResponse) -> bool {
    response.unknown_cause() == v1::UnknownCause::Unavailable
}

/// The request's id; made if there is none.
fn name(request_id: &mut String) -> String {
    if request_id.is_empty() {
        *request_id = Uuid::now_v7().to_string();
    }
    request_id.clone()
}

/// A write was refused if it surely was not done; else that is not known.
fn unconfirmed(failed: Failed, request_id: String) -> Error {
    if failed.maybe_done { Error::Unknown { request_id, status: Box::new(failed.status) } } else { failed.into() }
}
