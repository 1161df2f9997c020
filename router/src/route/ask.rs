//! Asking the replicas: a majority first, a further one after a short delay or an error, and again
//! until every shard has an answer that counts or the deadline is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::NodeId;
use dnc_meta::Known;
use dnc_proto::internal as wire;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;

use super::gather::Gather;
use super::{Route, nodes, plan};

/// How long one call may take before the node is asked anew.
const ATTEMPT: Duration = Duration::from_millis(300);

/// Longest pause between two waves of questions.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The newest view that any of the asked nodes named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named {
    /// Its revision.
    pub view: u64,
}

/// One call's outcome: whom it went to, for which of the gathers, and what came back.
struct Reply {
    node: NodeId,
    gathers: Vec<usize>,
    outcome: Result<wire::NodeCheckResponse, Status>,
}

/// Calls to make: for each node, which gathers to ask it about.
type Wave = BTreeMap<NodeId, Vec<usize>>;

// === impl Route ===

impl Route {
    /// Asks until all gathers are done, or the deadline. With `bulk`, an answer on the view's versions is needed too.
    pub(super) async fn ask(
        &self,
        gathers: &mut [Gather],
        known: &Known,
        bulk: bool,
        request_id: &str,
        deadline: Instant,
    ) -> Named {
        let mut named = Named::default();
        // What is being asked, so that nobody is asked the same twice at a time.
        let mut asked: BTreeSet<(usize, NodeId)> = BTreeSet::new();
        let mut calls = FuturesUnordered::new();
        let mut wave = self.first_wave(gathers);
        let mut pause = self.inner.hedge;
        let mut next_wave = Instant::now() + pause;
        loop {
            for (node, indices) in std::mem::take(&mut wave) {
                asked.extend(indices.iter().map(|index| (*index, node)));
                let questions = indices.iter().map(|i| gathers[*i].question()).collect();
                let message =
                    wire::NodeCheckRequest { view: known.view.revision, questions, request_id: request_id.to_owned() };
                calls.push(self.call(node, indices, message, &known.catalog));
            }
            if gathers.iter().all(|gather| gather.is_done(bulk)) {
                return named;
            }
            tokio::select! {
                biased;
                Some(reply) = calls.next(), if !calls.is_empty() => {
                    for index in &reply.gathers {
                        asked.remove(&(*index, reply.node));
                    }
                    let answered = self.take(reply, gathers, known, &mut named);
                    if !answered {
                        // Do not wait for the delay: the next replica may answer at once.
                        wave = missing(gathers, &asked, bulk, false);
                    }
                }
                () = sleep_until(next_wave.min(deadline)) => {
                    if Instant::now() >= deadline {
                        return named;
                    }
                    for (index, node) in &asked {
                        if !gathers[*index].is_done(bulk) {
                            self.inner.nodes.suspect(*node);
                        }
                    }
                    metrics::counter!("dnc_router_further_waves_total").increment(1);
                    wave = missing(gathers, &asked, bulk, true);
                    pause = (pause * 2).min(MAX_PAUSE);
                    next_wave = Instant::now() + pause;
                }
            }
        }
    }

    /// A majority of each shard's replicas.
    fn first_wave(&self, gathers: &[Gather]) -> Wave {
        let turn = self.inner.nodes.turn();
        let mut wave = Wave::new();
        for (index, gather) in gathers.iter().enumerate() {
            let prospects = self.inner.nodes.prospects(gather.shard(), gather.replicas());
            for node in plan::first_wave(&prospects, turn) {
                wave.entry(node).or_default().push(index);
            }
        }
        wave
    }

    async fn call(
        &self,
        node: NodeId,
        gathers: Vec<usize>,
        message: wire::NodeCheckRequest,
        catalog: &Catalog,
    ) -> Reply {
        let outcome = async {
            let mut client = self.inner.nodes.client(catalog, node)?;
            let request = nodes::request(catalog, message, ATTEMPT);
            match timeout(ATTEMPT, client.check(request)).await {
                Ok(answered) => answered.map(tonic::Response::into_inner),
                Err(_) => Err(Status::deadline_exceeded("the node did not answer")),
            }
        }
        .await;
        Reply { node, gathers, outcome }
    }

    /// Takes a reply in; whether it answered all that it was asked.
    fn take(&self, reply: Reply, gathers: &mut [Gather], known: &Known, named: &mut Named) -> bool {
        let node = reply.node;
        let response = match reply.outcome {
            Ok(response) if response.answers.len() == reply.gathers.len() => response,
            Ok(_) => {
                tracing::warn!(node, "the node did not answer every question");
                return false;
            }
            Err(status) => {
                tracing::debug!(node, code = ?status.code(), "the node did not answer");
                metrics::counter!("dnc_router_node_errors_total", "node" => node.to_string()).increment(1);
                self.inner.nodes.suspect(node);
                return false;
            }
        };
        self.inner.nodes.trust(node);
        named.view = named.view.max(response.view);
        if response.view < known.view.revision {
            self.offer_soon(node, known);
        }
        let mut complete = true;
        for (index, answer) in reply.gathers.iter().zip(response.answers) {
            let gather = &mut gathers[*index];
            if let Some(standing) = &answer.standing {
                self.inner.nodes.note_leader(gather.shard(), standing.leader);
            }
            if let Err(error) = gather.add(node, answer) {
                tracing::debug!(node, shard = gather.shard().0, %error, "no answer");
                complete = false;
            }
        }
        complete
    }
}

/// Whom else to ask about the gathers that are not done: replicas that have not answered, and with
/// `again` also those that answered without the view's versions, which they may have by now.
fn missing(gathers: &[Gather], asked: &BTreeSet<(usize, NodeId)>, bulk: bool, again: bool) -> Wave {
    let mut wave = Wave::new();
    for (index, gather) in gathers.iter().enumerate() {
        if gather.is_done(bulk) {
            continue;
        }
        for node in gather.replicas() {
            let is_asked = asked.contains(&(index, *node));
            if !is_asked && (again || !gather.has_answer_of(*node)) {
                wave.entry(*node).or_default().push(index);
            }
        }
    }
    wave
}
