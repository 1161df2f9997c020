//! Asking the replicas: the leader alone if it is likely to be under its lease, else a majority; a further one after a short
//! delay, an error or an answer that does not suffice; and again until every shard has an answer that counts or the deadline is there.
//!
//! What a node fails at is asked of the replicas that have not been tried since the last wave, at once; whoever failed is
//! asked again with the next wave, so that an error that comes at once makes no loop. Nodes are given more time for more
//! numbers. When a node names a newer view than the one that judges, nothing that is gathered by the older one can count,
//! and asking ends.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::NodeId;
use dnc_meta::Known;
use dnc_planted::Bug;
use dnc_proto::internal as wire;
use foldhash::fast::FixedState;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;

use super::gather::Gather;
use super::{Route, plan};

/// How long one call may take before the node is asked anew, with few numbers and with many.
const ATTEMPT: Duration = Duration::from_millis(300);
const MAX_ATTEMPT: Duration = Duration::from_millis(1_000);
/// What each number of a call adds to that.
const ATTEMPT_EACH: Duration = Duration::from_micros(50);
/// What each number of a check adds to the delay before a further replica is asked.
const HEDGE_EACH: Duration = Duration::from_micros(1);

/// Longest pause between two waves of questions.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The newest catalog revision that any of the asked nodes named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named {
    /// The revision.
    pub revision: u64,
    /// Who named it.
    pub by: Option<NodeId>,
}

/// One call's outcome: whom it went to, for which of the gathers, and what came back.
struct Reply {
    node: NodeId,
    gathers: Vec<usize>,
    outcome: Result<wire::NodeCheckResponse, Status>,
}

/// Calls to make: for each node, which gathers to ask it about.
type Wave = BTreeMap<NodeId, Vec<usize>>;

/// Whom each gather is asked of: by position of the gather, and node.
type Asked = HashSet<(usize, NodeId), FixedState>;

// === impl Named ===

impl Named {
    fn note(&mut self, revision: u64, node: NodeId) {
        if revision > self.revision {
            *self = Named { revision, by: Some(node) };
        }
    }
}

// === impl Route ===

impl Route {
    /// Asks until all gathers are done, a newer catalog than this must judge, or the deadline. With `bulk`, an answer on the
    /// view's versions is needed too.
    pub(super) async fn ask(
        &self,
        gathers: &mut [Gather],
        known: &Known,
        bulk: bool,
        request_id: &str,
        deadline: Instant,
    ) -> Named {
        let mut named = Named::default();
        // What is being asked, so that nobody is asked the same twice at a time; and what was, since the last wave.
        let (mut asked, mut tried) = (Asked::default(), Asked::default());
        let mut calls = FuturesUnordered::new();
        let mut wave = self.first_wave(gathers);
        let mut pause = self.inner.reading.hedge + each(HEDGE_EACH, gathers.iter().map(Gather::size).sum());
        let mut next_wave = Instant::now() + pause;
        // One alarm for both times: each that is set costs more than a number does.
        let mut alarm = pin!(sleep_until(next_wave.min(deadline)));
        loop {
            for (node, indices) in std::mem::take(&mut wave) {
                asked.extend(indices.iter().map(|index| (*index, node)));
                tried.extend(indices.iter().map(|index| (*index, node)));
                let numbers = indices.iter().map(|index| gathers[*index].size()).sum();
                let questions = indices.iter().map(|i| gathers[*i].question()).collect();
                let message = wire::NodeCheckRequest {
                    view: known.view.revision,
                    questions,
                    request_id: request_id.to_owned(),
                    leases: self.inner.reading.leases,
                };
                calls.push(self.call(node, indices, message, time_for(numbers), &known.catalog));
            }
            let outdated = named.revision > known.catalog.revision && !dnc_planted::is(Bug::JudgeByOldCatalog);
            if outdated || gathers.iter().all(|gather| gather.is_done(bulk)) {
                return named;
            }
            tokio::select! {
                // The deadline before all, and the next wave before replies: however many of these come, both are kept.
                biased;
                () = &mut alarm => {
                    if Instant::now() >= deadline {
                        return named;
                    }
                    for (index, node) in &asked {
                        if !gathers[*index].is_done(bulk) {
                            self.inner.nodes.suspect(*node);
                        }
                    }
                    metrics::counter!("dnc_router_further_waves_total").increment(1);
                    tried.clone_from(&asked);
                    for (index, gather) in gathers.iter().enumerate().filter(|(_, gather)| !gather.is_done(bulk)) {
                        // Also those that answered without the view's versions, which they may have by now.
                        further(&mut wave, index, gather, &tried, |_| true);
                    }
                    pause = (pause * 2).min(MAX_PAUSE);
                    next_wave = Instant::now() + pause;
                    alarm.as_mut().reset(next_wave.min(deadline));
                }
                Some(reply) = calls.next(), if !calls.is_empty() => {
                    for index in &reply.gathers {
                        asked.remove(&(*index, reply.node));
                    }
                    let about = reply.gathers.clone();
                    let failed = self.take(reply, gathers, known, &mut named, request_id);
                    for index in about {
                        let gather = &gathers[index];
                        let waits = || gather.hosts().iter().any(|node| asked.contains(&(index, *node)));
                        if !gather.is_done(bulk) && (failed.contains(&index) || !waits()) {
                            // Do not wait for the delay: the next replica may answer at once.
                            further(&mut wave, index, gather, &tried, |node| !gather.has_answer_of(node));
                        }
                    }
                }
            }
        }
    }

    /// Of each shard's replicas the leader under its lease, or a majority.
    fn first_wave(&self, gathers: &[Gather]) -> Wave {
        let turn = self.inner.nodes.turn();
        let nodes = self.inner.nodes.sight();
        let mut wave = Wave::new();
        for (index, gather) in gathers.iter().enumerate() {
            let prospects = nodes.prospects(gather.shard(), gather.replicas());
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
        limit: Duration,
        catalog: &Catalog,
    ) -> Reply {
        let outcome = async {
            let outbox = self.inner.nodes.outbox(catalog, node)?;
            match timeout(limit, outbox.check(message, limit)).await {
                Ok(answered) => answered,
                Err(_) => Err(Status::deadline_exceeded("the node did not answer")),
            }
        }
        .await;
        Reply { node, gathers, outcome }
    }

    /// Takes a reply in; the gathers for which it brought no answer.
    fn take(
        &self,
        reply: Reply,
        gathers: &mut [Gather],
        known: &Known,
        named: &mut Named,
        request_id: &str,
    ) -> Vec<usize> {
        let node = reply.node;
        let response = match reply.outcome {
            // Whoever else answers at the address does not count as the node: it may be another replica, asked already.
            Ok(response) if !self.is_from(node, response.node) => return reply.gathers,
            Ok(response) if response.answers.len() == reply.gathers.len() => response,
            Ok(_) => {
                tracing::warn!(node, request_id, "the node did not answer every question");
                self.inner.nodes.suspect(node);
                return reply.gathers;
            }
            Err(status) => {
                tracing::debug!(node, code = ?status.code(), "the node did not answer");
                metrics::counter!("dnc_router_node_errors_total", "node" => node.to_string()).increment(1);
                if status.code() == tonic::Code::FailedPrecondition {
                    // Another node, or another cluster's, listens there.
                    self.inner.nodes.disconnect(node);
                } else {
                    self.inner.nodes.suspect(node);
                }
                return reply.gathers;
            }
        };
        self.inner.nodes.trust(node);
        named.note(response.view, node);
        if response.view < known.view.revision {
            self.offer_soon(node, known);
        }
        let mut failed = Vec::new();
        for (index, mut answer) in reply.gathers.into_iter().zip(response.answers) {
            let gather = &mut gathers[index];
            let shard = gather.shard();
            if let Some(standing) = &mut answer.standing {
                standing.leased &= self.inner.reading.leases;
                self.inner.nodes.note_standing(shard, node, standing);
            }
            let barrier = answer.standing.as_ref().map_or(0, |standing| standing.barrier);
            match gather.add(node, answer) {
                Ok(()) => {
                    self.inner.nodes.trust_replica(shard, node);
                    named.note(barrier, node);
                }
                Err(error) => {
                    tracing::debug!(node, shard = shard.0, %error, "no answer");
                    self.inner.nodes.suspect_replica(shard, node);
                    failed.push(index);
                }
            }
        }
        failed
    }
}

/// Adds to a wave whom else to ask about a gather: of its hosts that were not tried, those that `fit`.
fn further(wave: &mut Wave, index: usize, gather: &Gather, tried: &Asked, fit: impl Fn(NodeId) -> bool) {
    for node in gather.hosts().iter().filter(|node| !tried.contains(&(index, **node)) && fit(**node)) {
        wave.entry(*node).or_default().push(index);
    }
}

/// How long a call about so many numbers may take.
fn time_for(numbers: usize) -> Duration {
    (ATTEMPT + each(ATTEMPT_EACH, numbers)).min(MAX_ATTEMPT)
}

fn each(time: Duration, count: usize) -> Duration {
    time * u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_numbers_are_given_more_time_up_to_a_limit() {
        assert_eq!(time_for(1), ATTEMPT + ATTEMPT_EACH);
        assert_eq!(time_for(10_000), ATTEMPT + ATTEMPT_EACH * 10_000);
        assert_eq!(time_for(usize::MAX), MAX_ATTEMPT);
    }
}
