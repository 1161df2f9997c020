//! The caller's side of the meta service: finds the leader, and asks again until it has an answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::{Change, Decision};
use dnc_core::codec;
use dnc_proto::CLUSTER_KEY;
use dnc_proto::internal::meta_service_client::MetaServiceClient;
use dnc_proto::internal::propose_response::Outcome;
use dnc_proto::internal::{ProposeRequest, WatchEvent, WatchRequest};
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::MAX_MESSAGE_BYTES;
use crate::backoff::Backoff;

/// Time to open a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// A connection is asked this often whether it lives, and has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// One attempt to propose: an election takes up to two seconds, and the next voter may know its outcome sooner.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Time to open a watch, up to the first sign that the voter serves it.
const OPEN_WATCH: Duration = Duration::from_secs(2);
/// Connections kept, hinted leaders included.
const MAX_CHANNELS: usize = 32;

/// Speaks to the meta group. Clones share connections, the last known leader and the cluster's id.
#[derive(Clone)]
pub struct MetaClient {
    inner: Arc<Inner>,
}

struct Inner {
    addresses: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Connections by address, opened at first use and again whenever they break.
    channels: HashMap<String, Channel>,
    /// Who answered as leader last.
    leader: Option<String>,
    /// The cluster that this process belongs to.
    cluster: Option<u128>,
}

/// No decision.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// No voter gave an answer in time. The change may be made, now or later, or never; it is safe to propose it again.
    #[error("the meta group gave no answer within {limit:?}; last: {last}")]
    TimedOut {
        /// How long it was tried.
        limit: Duration,
        /// What the last attempt ended with.
        last: String,
    },
    /// Asking again cannot help: the change is not one, or the voter belongs to another cluster. Surely not done.
    #[error("the meta group refuses to take the change: {0}")]
    Rejected(String),
}

/// How one attempt ended without a decision.
enum Attempt {
    /// Ask this voter, or another one if it is not known.
    NotLeader(Option<String>),
    /// Ask another one.
    Failed(String),
    /// Ask nobody.
    Rejected(String),
}

// === impl MetaClient ===

impl MetaClient {
    /// A client of the voters that serve at these addresses, each `host:port`. Connects when it is used.
    pub fn new(addresses: Vec<String>) -> Self {
        Self { inner: Arc::new(Inner { addresses, state: Mutex::default() }) }
    }

    /// The voters' addresses as they were given.
    pub fn addresses(&self) -> &[String] {
        &self.inner.addresses
    }

    /// Names the cluster in every call from here on, so that voters of another one refuse it.
    pub fn set_cluster(&self, cluster: u128) {
        self.inner.state.lock().cluster = Some(cluster);
    }

    /// The cluster that calls name.
    pub fn cluster(&self) -> Option<u128> {
        self.inner.state.lock().cluster
    }

    /// Proposes a change until it is decided or the limit has passed. Changes are safe to repeat, so an unknown outcome is asked again.
    pub async fn propose(&self, change: &Change, limit: Duration) -> Result<Decision, ProposeError> {
        let deadline = Instant::now() + limit;
        let encoded = codec::encode(change);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        // The next to ask is the last of the list; whoever was asked in vain goes to its front.
        let mut order = self.shuffled();
        if let Some(leader) = self.inner.state.lock().leader.clone() {
            prefer(&mut order, leader);
        }
        let mut last = String::from("no voter is configured");
        let mut followed = false;
        while let Some(address) = order.pop() {
            let mut hint = None;
            match self.attempt(&address, &encoded, deadline).await {
                Ok(decision) => {
                    self.inner.state.lock().leader = Some(address);
                    return Ok(decision);
                }
                Err(Attempt::Rejected(why)) => return Err(ProposeError::Rejected(why)),
                Err(Attempt::Failed(why)) => last = format!("{address}: {why}"),
                Err(Attempt::NotLeader(leader)) => {
                    last = match &leader {
                        Some(leader) => format!("{address}: the leader is {leader}"),
                        None => format!("{address}: knows no leader"),
                    };
                    hint = leader.filter(|leader| *leader != address);
                }
            }
            order.insert(0, address);
            // A hint is followed at once, but not twice in a row: two voters that hint at each other must not make us spin.
            let pause = if hint.is_some() && !followed { Duration::ZERO } else { backoff.pause() };
            followed = hint.is_some();
            if let Some(leader) = hint {
                prefer(&mut order, leader);
            }
            let next = Instant::now() + pause;
            if next >= deadline {
                break;
            }
            sleep_until(next).await;
        }
        Err(ProposeError::TimedOut { limit, last })
    }

    /// Asks one voter once.
    async fn attempt(&self, address: &str, change: &[u8], deadline: Instant) -> Result<Decision, Attempt> {
        let until = deadline.min(Instant::now() + ATTEMPT);
        let limit = until.saturating_duration_since(Instant::now());
        let request = self.request(ProposeRequest {
            change: change.to_vec(),
            limit_ms: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
        });
        let mut service = self.service(address).map_err(Attempt::Failed)?;
        let response = timeout_at(until, service.propose(request))
            .await
            .map_err(|_| Attempt::Failed("no answer in time".into()))?
            .map_err(|status| match status.code() {
                Code::FailedPrecondition | Code::InvalidArgument => Attempt::Rejected(status.message().to_owned()),
                _ => Attempt::Failed(describe(&status)),
            })?;
        match response.into_inner().outcome {
            Some(Outcome::Decision(decision)) => {
                codec::decode(&decision).map_err(|error| Attempt::Failed(format!("unreadable decision: {error}")))
            }
            Some(Outcome::NotLeader(leader)) => Err(Attempt::NotLeader(Some(leader).filter(|l| !l.is_empty()))),
            Some(Outcome::Unknown(why)) => Err(Attempt::Failed(format!("outcome unknown: {why}"))),
            None => Err(Attempt::Failed("an answer without an outcome".into())),
        }
    }

    /// Opens a voter's watch, for a caller that has `revision`.
    pub(crate) async fn watch(&self, address: &str, revision: u64) -> Result<Streaming<WatchEvent>, Status> {
        let cluster = self.cluster().map_or(String::new(), cluster_text);
        let request = self.request(WatchRequest { revision, cluster });
        let mut service = self.service(address).map_err(Status::unavailable)?;
        let response = tokio::time::timeout(OPEN_WATCH, service.watch(request))
            .await
            .map_err(|_| Status::deadline_exceeded("no answer in time"))??;
        Ok(response.into_inner())
    }

    /// The voters' addresses in a random order, so that callers spread over them.
    pub(crate) fn shuffled(&self) -> Vec<String> {
        let mut addresses = self.inner.addresses.clone();
        addresses.shuffle(&mut rand::rng());
        addresses
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(cluster) = self.cluster() {
            let value = cluster_text(cluster).parse().expect("hexadecimal digits are a metadata value");
            request.metadata_mut().insert(CLUSTER_KEY, value);
        }
        request
    }

    fn service(&self, address: &str) -> Result<MetaServiceClient<Channel>, String> {
        let mut state = self.inner.state.lock();
        let channel = match state.channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let channel = channel(address)?;
                if state.channels.len() < MAX_CHANNELS {
                    state.channels.insert(address.to_owned(), channel.clone());
                }
                channel
            }
        };
        Ok(MetaServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }
}

/// Puts a voter where it is asked next.
fn prefer(order: &mut Vec<String>, leader: String) {
    order.retain(|other| *other != leader);
    order.push(leader);
}

/// A connection that opens at first use and again whenever it breaks; the name is resolved anew each time.
pub(crate) fn channel(address: &str) -> Result<Channel, String> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|_| format!("{address:?} is not host:port"))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// A cluster's id as it is written on the wire.
pub(crate) fn cluster_text(cluster: u128) -> String {
    format!("{cluster:032x}")
}

/// A status in a few words: its `Display` also prints metadata, which nobody reads.
pub(crate) fn describe(status: &Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => format!("{}: {message}", status.code()),
    }
}
