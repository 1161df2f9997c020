//! What the network sees of a voter: its identity always, the catalog once it has a group.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dnc_consensus::{Group, WriteError};
use dnc_core::catalog::{Change, Decision, Refusal};
use dnc_core::codec;
use dnc_core::ids::{NodeId, RequestId};
use dnc_proto::CLUSTER_KEY;
use dnc_proto::internal::meta_service_server::{MetaService, MetaServiceServer};
use dnc_proto::internal::propose_response::Outcome;
use dnc_proto::internal::{
    HelloRequest, HelloResponse, ProposeRequest, ProposeResponse, Voter as WireVoter, WatchEvent, WatchRequest,
};
use futures::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::board::Board;
use crate::bootstrap::ask::to_text;
use crate::bootstrap::{Bootstrap, Identity};
use crate::carry_out;
use crate::client::cluster_text;
use crate::options::Voter;

/// Proposals in flight here.
const MAX_PROPOSALS: usize = 256;
/// Watchers here: every node and router of a large cluster.
const MAX_WATCHERS: usize = 4_096;
/// Largest encoded change, in bytes.
const MAX_CHANGE_BYTES: usize = 1 << 20;
/// Longest wait for a commit, whatever the caller asks for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The service of one voter. Clones share it.
#[derive(Clone)]
pub(crate) struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    me: Identity,
    voters: Vec<Voter>,
    /// Known when the voters have agreed.
    bootstrap: OnceLock<Bootstrap>,
    /// Known when the group runs.
    group: OnceLock<(Group, Arc<Board>)>,
    proposals: Semaphore,
    watchers: AtomicUsize,
    /// Ends the watches: they would never end by themselves.
    stop: CancellationToken,
}

/// Counts a watcher for as long as its stream lives.
struct Watcher {
    inner: Arc<Inner>,
}

// === impl Service ===

impl Service {
    pub(crate) fn new(me: Identity, voters: Vec<Voter>, stop: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                me,
                voters,
                bootstrap: OnceLock::new(),
                group: OnceLock::new(),
                proposals: Semaphore::new(MAX_PROPOSALS),
                watchers: AtomicUsize::new(0),
                stop,
            }),
        }
    }

    /// As tonic serves it.
    pub(crate) fn server(&self) -> MetaServiceServer<Self> {
        MetaServiceServer::new(self.clone())
    }

    /// Tells peers of the cluster from here on. It must be on disk.
    pub(crate) fn bootstrapped(&self, bootstrap: Bootstrap) {
        self.inner.bootstrap.set(bootstrap).expect("a voter bootstraps once");
    }

    /// Takes proposals and watchers from here on.
    pub(crate) fn open(&self, group: Group, board: Arc<Board>) {
        let opened = self.inner.group.set((group, board)).is_ok();
        assert!(opened, "a voter opens its service once");
    }

    fn group(&self) -> Result<&(Group, Arc<Board>), Status> {
        self.inner.group.get().ok_or_else(|| Status::unavailable("this voter has not joined the meta group yet"))
    }

    /// Refuses callers that belong to another cluster. One that does not know its cluster yet names none.
    fn check_cluster(&self, theirs: &str) -> Result<(), Status> {
        let Some(bootstrap) = self.inner.bootstrap.get() else {
            return Ok(());
        };
        let ours = cluster_text(bootstrap.cluster);
        if theirs.is_empty() || theirs == ours {
            return Ok(());
        }
        // What the caller says is repeated only in a bounded length.
        let theirs: String = theirs.chars().take(32).collect();
        Err(Status::failed_precondition(format!(
            "this voter belongs to cluster {ours}, the caller to cluster {theirs}"
        )))
    }

    fn check_metadata<T>(&self, request: &Request<T>) -> Result<(), Status> {
        match request.metadata().get(CLUSTER_KEY) {
            None => Ok(()),
            Some(value) => self.check_cluster(value.to_str().unwrap_or("that cannot be read")),
        }
    }

    /// Where callers reach the voter that leads; empty if nobody is known to.
    fn address_of(&self, leader: Option<u64>) -> String {
        self.inner
            .voters
            .iter()
            .find(|voter| Some(voter.id) == leader)
            .map_or(String::new(), |voter| voter.service.clone())
    }

    /// What keeps shards from being recovered without these nodes, if anything does: whoever proposes it may be cut off
    /// from nodes that the others reach. Only a voter that has just led a majority looks, so that its word is not an old
    /// one, nor the change left in the log of one that can decide nothing.
    async fn hinders(
        &self,
        group: &Group,
        board: &Board,
        recovery: RequestId,
        lost: &BTreeSet<NodeId>,
        limit: Duration,
    ) -> Result<Option<Outcome>, Status> {
        if let Err(error) = group.write(codec::encode(&Change::Read), limit).await {
            return self.outcome(Err(error)).map(Some);
        }
        let Some(node) = carry_out::answering(&board.catalog(), recovery, lost).await else { return Ok(None) };
        let why = Refusal::BadRecovery(format!("node {node} answers the meta group, so it is not lost"));
        self.outcome(Ok(codec::encode(&Decision::Refused(why)))).map(Some)
    }

    fn outcome(&self, written: Result<Vec<u8>, WriteError>) -> Result<Outcome, Status> {
        let (word, outcome) = match written {
            Ok(reply) => {
                let refused = matches!(codec::decode(&reply), Ok(Decision::Refused(_)));
                let word = if refused { "refused" } else { "done" };
                (word, Ok(Outcome::Decision(reply)))
            }
            Err(WriteError::NotLeader { leader }) => {
                let leader = self.address_of(leader);
                ("not_leader", Ok(Outcome::NotLeader(leader)))
            }
            Err(WriteError::Unknown(why)) => ("unknown", Ok(Outcome::Unknown(why))),
            Err(error @ WriteError::TooLarge { .. }) => ("invalid", Err(Status::invalid_argument(error.to_string()))),
            Err(error @ WriteError::Held(_)) => ("held", Err(Status::resource_exhausted(error.to_string()))),
            Err(error @ WriteError::Stopped) => ("stopped", Err(Status::unavailable(error.to_string()))),
        };
        self.count(word);
        outcome
    }

    fn count(&self, outcome: &'static str) {
        let voter = self.inner.me.voter.to_string();
        metrics::counter!("dnc_meta_proposals_total", "voter" => voter, "outcome" => outcome).increment(1);
    }
}

#[tonic::async_trait]
impl MetaService for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;

    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeResponse>, Status> {
        let (group, board) = self.group()?;
        self.check_metadata(&request)?;
        let request = request.into_inner();
        let change = read_change(&request.change).inspect_err(|_| self.count("invalid"))?;
        let _permit = self.inner.proposals.try_acquire().map_err(|_| {
            self.count("overloaded");
            Status::resource_exhausted("too many proposals at once, try again")
        })?;
        let limit = Duration::from_millis(request.limit_ms.into()).min(MAX_WAIT);
        if let Change::Recover { id, lost, .. } = &change
            && let Some(outcome) = self.hinders(group, board, *id, lost, limit).await?
        {
            return Ok(Response::new(ProposeResponse { outcome: Some(outcome) }));
        }
        let written = group.write(request.change, limit).await;
        let outcome = self.outcome(written.map(|(_, reply)| reply))?;
        Ok(Response::new(ProposeResponse { outcome: Some(outcome) }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (_, board) = self.group()?;
        self.check_metadata(&request)?;
        let request = request.into_inner();
        self.check_cluster(&request.cluster)?;
        let watcher = Watcher::enter(&self.inner)?;
        let feed = board.feed(request.revision);
        let events = stream::unfold((feed, watcher), |(mut feed, watcher)| async move {
            let event = feed.next().await;
            Some((Ok(event), (feed, watcher)))
        });
        let stop = self.inner.stop.clone().cancelled_owned();
        Ok(Response::new(events.take_until(stop).boxed()))
    }

    async fn hello(&self, _request: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        let Inner { me, bootstrap, .. } = self.inner.as_ref();
        let (cluster, voters) = match bootstrap.get() {
            None => (String::new(), Vec::new()),
            Some(bootstrap) => {
                let voters = bootstrap
                    .voters
                    .iter()
                    .map(|(id, incarnation)| WireVoter { id: *id, incarnation: to_text(*incarnation) });
                (cluster_text(bootstrap.cluster), voters.collect())
            }
        };
        Ok(Response::new(HelloResponse { voter: me.voter, incarnation: to_text(me.incarnation), cluster, voters }))
    }
}

/// What is no change must not reach the log: it would stop every replica that applies it.
fn read_change(encoded: &[u8]) -> Result<Change, Status> {
    if encoded.len() > MAX_CHANGE_BYTES {
        return Err(Status::invalid_argument(format!(
            "a change has at most {MAX_CHANGE_BYTES} bytes, this one has {}",
            encoded.len()
        )));
    }
    match codec::decode(encoded) {
        Err(error) => Err(Status::invalid_argument(format!("not a change: {error}"))),
        // Its cluster id must be the one that the voters agreed on.
        Ok(Change::Found(_)) => Err(Status::invalid_argument("a cluster is founded by its own meta group")),
        Ok(change) => Ok(change),
    }
}

// === impl Watcher ===

impl Watcher {
    fn enter(inner: &Arc<Inner>) -> Result<Self, Status> {
        let watcher = Self { inner: Arc::clone(inner) };
        let before = inner.watchers.fetch_add(1, Ordering::Relaxed);
        inner.show_watchers();
        if before >= MAX_WATCHERS {
            return Err(Status::resource_exhausted("too many watchers, try another voter"));
        }
        Ok(watcher)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.watchers.fetch_sub(1, Ordering::Relaxed);
        self.inner.show_watchers();
    }
}

// === impl Inner ===

impl Inner {
    fn show_watchers(&self) {
        let watchers = self.watchers.load(Ordering::Relaxed);
        metrics::gauge!("dnc_meta_watchers", "voter" => self.me.voter.to_string()).set(watchers as f64);
    }
}
